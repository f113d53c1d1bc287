//===- EcmaPattern.cpp - expressions as JavaScript reads them ---*- C++ -*-===//
#include "runtime/text/grammar/EcmaPattern.h"

#include "formats/support/Printable.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace air::rt {
namespace {

/// Returns the characters of ECMA-262's class \d, \w or \s, in the form in
/// which they stand between [ and ]. `letter` is d, w or s or, if the caller
/// negates the set, D, W or S. For any other letter, the result is null.
const char *contentsOf(char letter) {
  switch (letter) {
  case 'd':
  case 'D':
    return "0-9";
  case 'w':
  case 'W':
    return "A-Za-z0-9_";
  case 's':
  case 'S':
    return "\\t\\n\\x0b\\x0c\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029"
           "\\u202f\\u205f\\u3000\\ufeff";
  default:
    return nullptr;
  }
}

} // namespace

Result<RegexSyntax> parseEcmaPattern(std::string_view pattern) {
  std::string ours;
  // For each byte of `ours`: the place in `pattern` of the character that it
  // stands for, in characters.
  std::vector<uint32_t> places;
  uint32_t place = 0;
  uint32_t begun = 0; // characters that begin before byte `counted`
  size_t counted = 0;
  const auto countUpTo = [&](size_t end) {
    for (; counted < end; ++counted) {
      begun += (static_cast<uint8_t>(pattern[counted]) & 0xc0) != 0x80 ? 1 : 0;
    }
  };
  bool inSet = false;
  bool afterCount = false; // whether `ours` ends with a quantifier
  auto refuse = [&](std::string_view what) {
    return unsupportedError("regular expression: at character " +
                            std::to_string(place + 1) + ": " + inQuotes(what) +
                            " is not supported");
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    places.resize(ours.size(), place);
    countUpTo(i + 1);
    place = std::max(begun, uint32_t{1}) - 1;
    char c = pattern[i];
    std::string_view rest = pattern.substr(i);
    const bool wasCount = std::exchange(afterCount, false);
    if (c == '\\' && rest.size() > 1) {
      char letter = rest[1];
      ++i;
      if (const char *contents = contentsOf(letter)) {
        bool negated = letter >= 'A' && letter <= 'Z';
        ours += negated ? "[^" : "[";
        ours += contents;
        ours += ']';
      } else if (letter == '0' || letter == 'c' || letter == 'k' ||
                 (letter >= '1' && letter <= '9') || (letter == 'b' && inSet)) {
        return refuse(rest.substr(0, 2));
      } else if (std::string_view("nrtvfxupPbB").find(letter) !=
                     std::string_view::npos ||
                 static_cast<uint8_t>(letter) >= 0x80 ||
                 std::string_view("^$\\.*+?()[]{}|/-,'\"#&~!@%=:;<> `_")
                         .find(letter) != std::string_view::npos) {
        // A backslash before a character that needs none, such as '/' or '#',
        // is left out.
        bool needless = std::string_view("/,'\"#&~!@%=:;<> `_").find(letter) !=
                        std::string_view::npos;
        bool inOurs = needless && !(inSet && letter == '&');
        ours += inOurs ? "" : "\\";
        const bool hasBraces = rest.substr(2).starts_with('{');
        // Our syntax spells \u{1f600} as \x{1f600}.
        ours += letter == 'u' && hasBraces ? 'x' : letter;
        // The braces of \p{L} and \u{1f600} are part of the escape.
        const size_t close = rest.find('}');
        if (std::string_view("pPu").find(letter) != std::string_view::npos &&
            hasBraces && close != std::string_view::npos) {
          ours += rest.substr(2, close - 1);
          i += close - 1;
        }
      } else {
        return refuse(rest.substr(0, 2));
      }
      continue;
    }
    if (inSet) {
      inSet = c != ']';
      // In a set of our syntax, [ begins an inner set, and && is an
      // intersection. ECMA-262 takes these characters literally, so they are
      // escaped. The backslash before ~ changes nothing.
      ours += c == '[' || c == '&' || c == '~' ? "\\" : "";
      ours += c;
      continue;
    }
    if (c == '[') {
      inSet = true;
      bool negated = rest.size() > 1 && rest[1] == '^';
      std::string_view after = rest.substr(negated ? 2 : 1);
      if (after.starts_with(']')) {
        return refuse(rest.substr(0, negated ? 3 : 2));
      }
      ours += negated ? "[^" : "[";
      i += negated ? 1 : 0;
    } else if (c == '.') {
      ours += "[^\\n\\r\\u2028\\u2029]";
    } else if (c == '(' && rest.starts_with("(?") && !rest.starts_with("(?:") &&
               !rest.starts_with("(?=") && !rest.starts_with("(?!")) {
      return refuse(rest.substr(0, 3));
    } else if (c == '+' && wasCount) {
      // ECMA-262 has no possessive quantifiers.
      return refuse(rest.substr(0, 1));
    } else {
      ours += c;
      afterCount = c == '*' || c == '+' || c == '?' || c == '}';
    }
  }
  places.resize(ours.size(), place);
  countUpTo(pattern.size());
  places.push_back(begun);
  return parseRegex(ours, RegexAnchors::Text, places);
}

} // namespace air::rt
