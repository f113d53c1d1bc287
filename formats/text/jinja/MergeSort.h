//===- MergeSort.h - a sort that any comparison may drive -------*- C++ -*-===//
//
// A comparison in a template can fail in the middle of a sort, and NaN has no
// order. std::sort must not be used with such comparisons.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_MERGESORT_H
#define AIRPACK_FORMATS_TEXT_JINJA_MERGESORT_H

#include <algorithm>
#include <vector>

namespace air::jinja {

/// Sorts stably. Whatever `less` returns, the result is a permutation.
template <typename T, typename Less>
void mergeSort(std::vector<T> &items, Less less) {
  std::vector<T> other(items.size());
  for (size_t width = 1; width < items.size(); width *= 2) {
    for (size_t begin = 0; begin < items.size(); begin += 2 * width) {
      size_t middle = std::min(begin + width, items.size());
      size_t end = std::min(begin + 2 * width, items.size());
      size_t a = begin;
      size_t b = middle;
      for (size_t out = begin; out < end; ++out) {
        bool takesRight = a == middle || (b < end && less(items[b], items[a]));
        other[out] = takesRight ? items[b++] : items[a++];
      }
    }
    items.swap(other);
  }
}

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_MERGESORT_H
