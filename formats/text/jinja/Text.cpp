//===- Text.cpp - characters that remember where they came from -*- C++ -*-===//
#include "formats/text/jinja/Text.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/SpecialCases.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utf8proc.h>

namespace air::jinja {
namespace {

void appendUtf8(char32_t c, std::string &out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 63));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

utf8proc_category_t categoryOf(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(codeOf(c)));
}

char32_t mapped(char32_t c, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
  return static_cast<char32_t>(map(static_cast<utf8proc_int32_t>(codeOf(c)))) |
         (c & kTaint);
}

/// Appends `special` or, if it is empty, the character to which `map` maps `c`.
void appendMapped(char32_t c, std::span<const uint32_t> special,
                  utf8proc_int32_t (*map)(utf8proc_int32_t), Text &out) {
  for (const uint32_t each : special) {
    out += char32_t{each} | (c & kTaint);
  }
  if (special.empty()) {
    out += mapped(c, map);
  }
}

/// The property Case_Ignorable.
bool isCaseIgnorable(char32_t c) {
  switch (categoryOf(c)) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_SK:
    return true;
  default:
    return isOtherCaseIgnorable(codeOf(c));
  }
}

/// Whether a sigma at text[at] is at the end of a word (condition Final_Sigma
/// of the Unicode Standard, section 3.13): before it, but not after it, there
/// is a cased character, with nothing but case-ignorable ones between them.
bool isFinal(TextView text, size_t at) {
  size_t before = at;
  while (before > 0 && isCaseIgnorable(text[before - 1])) {
    --before;
  }
  size_t after = at + 1;
  while (after < text.size() && isCaseIgnorable(text[after])) {
    ++after;
  }
  return before > 0 && isCased(text[before - 1]) &&
         (after == text.size() || !isCased(text[after]));
}

} // namespace

Text toText(std::string_view utf8, bool tainted) {
  Text out;
  out.reserve(utf8.size());
  char32_t mark = tainted ? kTaint : 0;
  for (size_t at = 0; at < utf8.size();) {
    Utf8Step step = decodeUtf8(utf8.substr(at));
    out += (step.kind == Utf8Step::Whole ? step.codePoint : 0xfffdU) | mark;
    at += step.length;
  }
  return out;
}

std::string toUtf8(TextView text) {
  std::string out;
  out.reserve(text.size());
  for (char32_t c : text) {
    appendUtf8(codeOf(c), out);
  }
  return out;
}

std::string toUtf8(TextView text, std::vector<TaintedSpan> &tainted) {
  std::string out;
  out.reserve(text.size());
  for (char32_t c : text) {
    size_t begin = out.size();
    appendUtf8(codeOf(c), out);
    if ((c & kTaint) != 0) {
      if (!tainted.empty() && tainted.back().end == begin) {
        tainted.back().end = out.size();
      } else {
        tainted.push_back({begin, out.size()});
      }
    }
  }
  return out;
}

Text plain(TextView text) {
  Text out(text);
  for (char32_t &c : out) {
    c = codeOf(c);
  }
  return out;
}

int compareText(TextView a, TextView b) {
  size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (codeOf(a[i]) != codeOf(b[i])) {
      return codeOf(a[i]) < codeOf(b[i]) ? -1 : 1;
    }
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

bool equalText(TextView a, TextView b) {
  return a.size() == b.size() && compareText(a, b) == 0;
}

bool equalText(TextView a, std::string_view ascii) {
  return std::equal(a.begin(), a.end(), ascii.begin(), ascii.end(),
                    [](char32_t x, char y) {
                      return codeOf(x) == static_cast<unsigned char>(y);
                    });
}

size_t findText(TextView text, TextView part, size_t from) {
  if (from > text.size()) {
    return TextView::npos;
  }
  auto same = [](char32_t a, char32_t b) { return codeOf(a) == codeOf(b); };
  auto begin = text.begin() + static_cast<ptrdiff_t>(from);
  auto found = std::search(begin, text.end(), part.begin(), part.end(), same);
  return found == text.end() && !part.empty()
             ? TextView::npos
             : static_cast<size_t>(found - text.begin());
}

size_t findLastText(TextView text, TextView part) {
  for (size_t at = text.size() + 1; at-- > 0;) {
    if (text.size() - at >= part.size() &&
        equalText(text.substr(at, part.size()), part)) {
      return at;
    }
  }
  return TextView::npos;
}

bool isSpace(char32_t marked) {
  char32_t c = codeOf(marked);
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 ||
         c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool isAlpha(char32_t c) {
  utf8proc_category_t category = categoryOf(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool isDecimal(char32_t c) { return categoryOf(c) == UTF8PROC_CATEGORY_ND; }

bool isDigit(char32_t marked) {
  char32_t c = codeOf(marked);
  return isDecimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
         (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247c) ||
         (c >= 0x2488 && c <= 0x2490);
}

bool isNumeric(char32_t c) {
  utf8proc_category_t category = categoryOf(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool isUpper(char32_t c) {
  return categoryOf(c) == UTF8PROC_CATEGORY_LU || isOtherUppercase(codeOf(c));
}
bool isLower(char32_t c) {
  return categoryOf(c) == UTF8PROC_CATEGORY_LL || isOtherLowercase(codeOf(c));
}
bool isTitle(char32_t c) { return categoryOf(c) == UTF8PROC_CATEGORY_LT; }
bool isCased(char32_t c) { return isUpper(c) || isLower(c) || isTitle(c); }

bool isUpperText(TextView text) {
  return std::ranges::any_of(text, isUpper) &&
         std::ranges::none_of(text, isLower) &&
         std::ranges::none_of(text, isTitle);
}
bool isLowerText(TextView text) {
  return std::ranges::any_of(text, isLower) &&
         std::ranges::none_of(text, isUpper) &&
         std::ranges::none_of(text, isTitle);
}

bool isPrintable(char32_t c) {
  utf8proc_category_t category = categoryOf(c);
  return codeOf(c) == ' ' ||
         (category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS);
}

void appendUpper(char32_t c, Text &out) {
  appendMapped(c, specialUpperCase(codeOf(c)), utf8proc_toupper, out);
}

void appendTitle(char32_t c, Text &out) {
  appendMapped(c, specialTitleCase(codeOf(c)), utf8proc_totitle, out);
}

void appendFolded(char32_t c, Text &out) {
  utf8proc_int32_t folded[4] = {};
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(codeOf(c)), folded,
                              static_cast<utf8proc_ssize_t>(std::size(folded)),
                              UTF8PROC_CASEFOLD, &boundary);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    out += static_cast<char32_t>(folded[i]) | (c & kTaint);
  }
}

void appendLower(TextView text, size_t at, Text &out) {
  constexpr char32_t kCapitalSigma = 0x3a3;
  constexpr char32_t kFinalSigma = 0x3c2;
  // Its lower case is the only one that has two characters.
  constexpr char32_t kCapitalIWithDot = 0x130;
  constexpr char32_t kDotAbove = 0x307;
  const char32_t c = text[at];
  if (codeOf(c) == kCapitalIWithDot) {
    out += U'i' | (c & kTaint);
    out += kDotAbove | (c & kTaint);
  } else if (codeOf(c) == kCapitalSigma && isFinal(text, at)) {
    out += kFinalSigma | (c & kTaint);
  } else {
    out += mapped(c, utf8proc_tolower);
  }
}

Text lowered(TextView text) {
  Text out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    appendLower(text, at, out);
  }
  return out;
}

TextView strip(TextView text, bool left, bool right, const TextView *set) {
  auto drops = [&](char32_t c) {
    return set == nullptr
               ? isSpace(c)
               : std::any_of(set->begin(), set->end(), [c](char32_t each) {
                   return codeOf(each) == codeOf(c);
                 });
  };
  while (left && !text.empty() && drops(text.front())) {
    text.remove_prefix(1);
  }
  while (right && !text.empty() && drops(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

} // namespace air::jinja
