//===- RegexCoverage.cpp - whether matches leave text out -----------------===//
#include "formats/text/regex/RegexCoverage.h"

#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexMatcher.h"
#include "formats/text/regex/RegexProgram.h"

#include <algorithm>
#include <bitset>
#include <string>
#include <vector>

namespace air {
namespace {

/// Texts of three characters are tried, one for each choice of three classes,
/// so 48 classes lead to 110,592 texts. Expressions with more are not examined.
constexpr size_t kMostClasses = 48;

/// One character of each class, in UTF-8.
std::vector<std::string> oneOfEachClass(const RegexProgram &program) {
  std::bitset<256> seen;
  std::vector<std::string> characters;
  for (uint32_t c = 0; c <= kLastCodePoint; ++c) {
    const bool isSurrogate = c >= 0xd800 && c <= 0xdfff;
    if (!isSurrogate && !seen[program.classOf(c)]) {
      seen.set(program.classOf(c));
      characters.emplace_back();
      appendUtf8(c, characters.back());
    }
  }
  return characters;
}

bool isCovered(RegexMatcher &matcher, const std::string &text) {
  matcher.setText(text);
  size_t from = 0;
  for (RegexMatch match{}; from < text.size(); from = match.end) {
    if (!matcher.find(from, match) || match.start != from ||
        match.end == from) {
      return false;
    }
  }
  return true;
}

} // namespace

bool matchesAllText(const Regex &regex) {
  const RegexProgram &program = regex.program();
  if (std::ranges::any_of(program.code, [](const RegexInstruction &each) {
        return each.op == RegexInstruction::Look;
      })) {
    return false;
  }
  const std::vector<std::string> characters = oneOfEachClass(program);
  if (characters.size() > kMostClasses) {
    return false;
  }
  RegexMatcher matcher(regex);
  for (const std::string &first : characters) {
    if (!isCovered(matcher, first)) {
      return false;
    }
    for (const std::string &second : characters) {
      if (!isCovered(matcher, first + second)) {
        return false;
      }
      for (const std::string &third : characters) {
        if (!isCovered(matcher, first + second + third)) {
          return false;
        }
      }
    }
  }
  return true;
}

} // namespace air
