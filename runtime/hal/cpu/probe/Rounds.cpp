//===- Rounds.cpp - measurements that take turns --------------------------===//
#include "runtime/hal/cpu/probe/Rounds.h"

#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"

#include <algorithm>
#include <utility>

namespace air::rt {

size_t Rounds::add(Sample sample) {
  rows.push_back({std::move(sample), {}});
  return rows.size() - 1;
}

Status Rounds::take(double seconds) {
  const double start = monotonicSeconds();
  for (uint32_t round = 0;
       round < kFewest || monotonicSeconds() - start < seconds; ++round) {
    for (Row &row : rows) {
      AIR_ASSIGN_OR_RETURN(double value, row.sample());
      row.taken.push_back(value);
    }
  }
  return Status::ok();
}

double Rounds::median(size_t index) const {
  return medianOf(rows[index].taken);
}

double Rounds::largest(size_t index) const {
  const std::vector<double> &taken = rows[index].taken;
  return taken.empty() ? 0 : *std::max_element(taken.begin(), taken.end());
}

} // namespace air::rt
