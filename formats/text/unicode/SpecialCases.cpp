//===- SpecialCases.cpp - case mappings to several characters -------------===//
#include "formats/text/unicode/SpecialCases.h"

#include "formats/text/unicode/CodePointSet.h"

#include <algorithm>

namespace air {
namespace {

struct SpecialCase {
  uint32_t codePoint;
  uint32_t title[3]; ///< the unused elements at the end are 0
  uint32_t upper[3];
};

#include "formats/text/unicode/SpecialCaseTables.inc"

std::span<const uint32_t> used(std::span<const uint32_t> characters) {
  while (!characters.empty() && characters.back() == 0) {
    characters = characters.first(characters.size() - 1);
  }
  return characters;
}

const SpecialCase *find(uint32_t codePoint) {
  const auto *found = std::ranges::lower_bound(kSpecialCases, codePoint, {},
                                               &SpecialCase::codePoint);
  return found != std::end(kSpecialCases) && found->codePoint == codePoint
             ? found
             : nullptr;
}

bool contains(std::span<const CodePointRange> ranges, uint32_t codePoint) {
  const auto found =
      std::ranges::lower_bound(ranges, codePoint, {}, &CodePointRange::last);
  return found != ranges.end() && found->first <= codePoint;
}

} // namespace

std::span<const uint32_t> specialUpperCase(uint32_t codePoint) {
  const SpecialCase *found = find(codePoint);
  return found ? used(found->upper) : std::span<const uint32_t>();
}

std::span<const uint32_t> specialTitleCase(uint32_t codePoint) {
  const SpecialCase *found = find(codePoint);
  return found ? used(found->title) : std::span<const uint32_t>();
}

bool isOtherUppercase(uint32_t codePoint) {
  return contains(kOtherUppercase, codePoint);
}
bool isOtherLowercase(uint32_t codePoint) {
  return contains(kOtherLowercase, codePoint);
}
bool isOtherCaseIgnorable(uint32_t codePoint) {
  return contains(kOtherCaseIgnorable, codePoint);
}

} // namespace air
