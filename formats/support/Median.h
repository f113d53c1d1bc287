//===- Median.h - the median of samples -------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_SUPPORT_MEDIAN_H
#define AIRPACK_FORMATS_SUPPORT_MEDIAN_H

#include <algorithm>
#include <cstddef>
#include <vector>

namespace air {

/// Returns the median of the samples; 0 if there are none. The median of an
/// even number of samples is the mean of the two in the middle. The lower of
/// the two would make times look better than they are, and the upper one would
/// make rates look better.
inline double medianOf(std::vector<double> samples) {
  if (samples.empty()) {
    return 0;
  }
  const auto upper =
      samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), upper, samples.end());
  return samples.size() % 2 != 0
             ? *upper
             : (*std::max_element(samples.begin(), upper) + *upper) / 2;
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_MEDIAN_H
