//===- RegexSyntax.h - a parsed regular expression --------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXSYNTAX_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXSYNTAX_H

#include "formats/support/Status.h"
#include "formats/text/regex/Regex.h"
#include "formats/text/unicode/CodePointSet.h"

#include <span>
#include <string_view>

namespace air {

/// A condition on a position in the text.
enum class RegexAssertion : uint8_t {
  WordEdge,   ///< \b: a word begins or ends here
  NoWordEdge, ///< \B
  TextStart,  ///< ^ and \A
  TextEnd,    ///< \z
  FinalLine,  ///< $: at the end, or before a line feed that ends the text
  LineStart,  ///< ^: at the start, or after a line feed, but not at the end
  LineEnd,    ///< $: at the end, or before a line feed
};

/// A node of the syntax tree. Which fields have a meaning depends on `kind`.
struct RegexNode {
  enum Kind : uint8_t {
    Empty,     ///< matches the empty text
    Set,       ///< one character of sets[set]
    Sequence,  ///< all children, one after the other
    Choice,    ///< the first child with which the whole expression matches
    Repeat,    ///< children[0], `least` to `most` times
    LookAhead, ///< a place where children[0] matches or, if `negated`, fails
    Assertion, ///< the empty text where `assertion` holds
  };
  enum Mode : uint8_t { Greedy, Lazy, Possessive };
  static constexpr uint32_t kUnlimited = UINT32_MAX;

  Kind kind = Empty;
  Mode mode = Greedy;
  bool negated = false;
  RegexAssertion assertion = RegexAssertion::WordEdge;
  uint32_t set = 0;
  uint32_t least = 0;
  uint32_t most = 0;
  std::vector<uint32_t> children; ///< indices into RegexSyntax::nodes
};

struct RegexSyntax {
  /// How deeply groups, and character classes, may be nested. The parser and
  /// the compiler recurse for each level, and the matcher for each look-ahead,
  /// so this limits the stack that they need.
  static constexpr uint32_t kMostNested = 50;
  /// The largest count in a repetition such as {m} or {m,n}, as in RE2. It
  /// limits the size of the program, which may contain n copies of X for
  /// X{m,n}.
  static constexpr uint32_t kMostRepeats = 1000;

  std::vector<RegexNode> nodes;
  std::vector<CodePointSet> sets; ///< without duplicates
  uint32_t root = 0;
};

/// Parses an expression in UTF-8. Regex.h has the syntax and the errors. If the
/// expression was rewritten from another one, `places` has for each of its
/// bytes, and for its end, the place in the other expression, in characters
/// from 0. Messages then state that place.
Result<RegexSyntax> parseRegex(std::string_view pattern, RegexAnchors anchors,
                               std::span<const uint32_t> places = {});

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXSYNTAX_H
