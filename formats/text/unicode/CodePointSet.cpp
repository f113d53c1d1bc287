//===- CodePointSet.cpp - sets of code points -------------------*- C++ -*-===//
#include "formats/text/unicode/CodePointSet.h"

#include <algorithm>

namespace air {

CodePointSet::CodePointSet(std::vector<CodePointRange> any) {
  std::ranges::sort(any, {}, &CodePointRange::first);
  for (const CodePointRange &range : any) {
    if (!parts.empty() && range.first <= parts.back().last + 1) {
      parts.back().last = std::max(parts.back().last, range.last);
    } else {
      parts.push_back(range);
    }
  }
}

bool CodePointSet::contains(uint32_t codePoint) const {
  auto after =
      std::ranges::upper_bound(parts, codePoint, {}, &CodePointRange::first);
  return after != parts.begin() && std::prev(after)->last >= codePoint;
}

void CodePointSet::add(const CodePointSet &other) {
  std::vector<CodePointRange> both = parts;
  both.insert(both.end(), other.parts.begin(), other.parts.end());
  *this = CodePointSet(std::move(both));
}

void CodePointSet::intersect(const CodePointSet &other) {
  std::vector<CodePointRange> common;
  auto a = parts.begin();
  auto b = other.parts.begin();
  while (a != parts.end() && b != other.parts.end()) {
    uint32_t first = std::max(a->first, b->first);
    uint32_t last = std::min(a->last, b->last);
    if (first <= last) {
      common.push_back({first, last});
    }
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  parts = std::move(common);
}

void CodePointSet::negate() {
  std::vector<CodePointRange> rest;
  uint32_t next = 0;
  for (const CodePointRange &range : parts) {
    if (range.first > next) {
      rest.push_back({next, range.first - 1});
    }
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) {
    rest.push_back({next, kLastCodePoint});
  }
  parts = std::move(rest);
}

} // namespace air
