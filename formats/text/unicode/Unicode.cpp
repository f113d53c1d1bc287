//===- Unicode.cpp - properties of code points ------------------*- C++ -*-===//
#include "formats/text/unicode/Unicode.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <iterator>

namespace air {
namespace {

/// `count` code points: first, first + step, and so on. The smallest case
/// variant of each is the code point `distance` before it.
struct CaseRun {
  uint32_t first;
  uint32_t count;
  uint32_t step;
  uint32_t distance;
};

/// `count` code points: first, first + step, and so on. The lower case of each
/// is the code point `distance` after it.
struct LowerRun {
  uint32_t first;
  uint32_t count;
  uint32_t step;
  int32_t distance;
};

// Entries of kCategoryRuns have a category in the low 5 bits, as an index into
// kCategories, and above them the first code point of the run. The run ends
// where the next one begins.
#include "formats/text/unicode/UnicodeTables.inc"

constexpr std::string_view kCategories[] = {
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
    "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
    "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

struct Script {
  std::string_view name;
  std::span<const CodePointRange> ranges;
};
constexpr Script kScripts[] = {
    {"Arabic", kArabic},     {"Bopomofo", kBopomofo},
    {"Cyrillic", kCyrillic}, {"Devanagari", kDevanagari},
    {"Greek", kGreek},       {"Han", kHan},
    {"Hangul", kHangul},     {"Hebrew", kHebrew},
    {"Hiragana", kHiragana}, {"Katakana", kKatakana},
    {"Latin", kLatin},       {"Thai", kThai}};

CodePointSet setOf(std::span<const CodePointRange> ranges) {
  return CodePointSet({ranges.begin(), ranges.end()});
}

} // namespace

std::optional<CodePointSet> codePointsWith(std::string_view property) {
  for (const Script &script : kScripts) {
    if (script.name == property) {
      return setOf(script.ranges);
    }
  }
  uint32_t wanted = 0; // one bit for each category
  for (uint32_t i = 0; i < std::size(kCategories); ++i) {
    if (property == kCategories[i] || property == kCategories[i].substr(0, 1)) {
      wanted |= 1U << i;
    }
  }
  if (wanted == 0) {
    return std::nullopt;
  }
  std::vector<CodePointRange> ranges;
  for (size_t i = 0; i < std::size(kCategoryRuns); ++i) {
    if (((wanted >> (kCategoryRuns[i] & 31)) & 1) != 0) {
      uint32_t last = i + 1 < std::size(kCategoryRuns)
                          ? (kCategoryRuns[i + 1] >> 5) - 1
                          : kLastCodePoint;
      ranges.push_back({kCategoryRuns[i] >> 5, last});
    }
  }
  return CodePointSet(std::move(ranges));
}

std::string propertyList() {
  std::string list;
  auto append = [&](std::string_view name) {
    list += (list.empty() ? "" : ", ") + std::string(name);
  };
  std::string_view group;
  for (std::string_view category : kCategories) {
    if (category.substr(0, 1) != group) {
      group = category.substr(0, 1);
      append(group);
    }
    append(category);
  }
  for (const Script &script : kScripts) {
    append(script.name);
  }
  return list;
}

const CodePointSet &whiteSpace() {
  static const CodePointSet set = setOf(kWhiteSpace);
  return set;
}

const CodePointSet &wordCharacters() {
  static const CodePointSet set = setOf(kWord);
  return set;
}

uint32_t lowerCase(uint32_t codePoint) {
  if (codePoint < 0x80) {
    return codePoint >= 'A' && codePoint <= 'Z' ? codePoint + 32 : codePoint;
  }
  const LowerRun *after =
      std::ranges::upper_bound(kLowerRuns, codePoint, {}, &LowerRun::first);
  if (after == std::begin(kLowerRuns)) {
    return codePoint;
  }
  const LowerRun &run = after[-1];
  uint32_t distance = codePoint - run.first;
  bool isInside = distance % run.step == 0 && distance / run.step < run.count;
  return isInside ? codePoint + static_cast<uint32_t>(run.distance) : codePoint;
}

std::string lowerCased(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = decodeUtf8(text);
    appendUtf8(lowerCase(step.codePoint), out);
    if (step.codePoint == kCapitalIWithDot) {
      appendUtf8(kDotAbove, out);
    }
    text.remove_prefix(step.length);
  }
  return out;
}

void addCaseVariants(CodePointSet &set) {
  auto forEachPair = [](auto &&visit) {
    for (const CaseRun &run : kCaseRuns) {
      for (uint32_t i = 0; i < run.count; ++i) {
        uint32_t codePoint = run.first + i * run.step;
        visit(codePoint, codePoint - run.distance);
      }
    }
  };
  std::vector<CodePointRange> smallest;
  forEachPair([&](uint32_t codePoint, uint32_t canonical) {
    if (set.contains(codePoint)) {
      smallest.push_back({canonical, canonical});
    }
  });
  set.add(CodePointSet(std::move(smallest)));
  std::vector<CodePointRange> variants;
  forEachPair([&](uint32_t codePoint, uint32_t canonical) {
    if (set.contains(canonical)) {
      variants.push_back({codePoint, codePoint});
    }
  });
  set.add(CodePointSet(std::move(variants)));
}

} // namespace air
