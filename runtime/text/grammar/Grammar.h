//===- Grammar.h - a context-free grammar, ready for matching ---*- C++ -*-===//
//
// A grammar describes a set of texts. Its terminals are sets of characters and,
// for texts that a model writes, single tokens. GrammarBuilder makes grammars;
// GbnfParser and JsonSchema are its two sources.
//
// The characters are divided into classes: each set contains either all
// characters of a class or none of them. Matching deals with classes only.
//
// Thread-safety: a Grammar is immutable and may be shared.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMAR_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMAR_H

#include "formats/text/unicode/CodePointSet.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

/// An element of the right-hand side of a rule.
struct GrammarElement {
  enum Kind : uint8_t {
    End,      ///< the end of an alternative
    Set,      ///< one character of a set
    Rule,     ///< any text that the rule with the index `value` matches
    Token,    ///< the token with the id `value`
    NotToken, ///< any token except the one with the id `value`
  };

  Kind kind = End;
  uint32_t value = 0; ///< index of a set or rule, or id of a token

  bool operator==(const GrammarElement &) const = default;
};

struct GrammarRule {
  uint32_t firstAlternative = 0; ///< index into Grammar::alternatives
  uint32_t alternatives = 0;
  /// If rule A can lead to another rule B before a character has been matched,
  /// A has a lower rank than B.
  uint32_t rank = 0;
  bool isNullable = false; ///< whether the rule matches the empty text
};

class CharacterClasses {
public:
  CharacterClasses() = default;
  /// Divides all code points into classes. Each of the `sets` contains either
  /// all code points of a class or none of them.
  explicit CharacterClasses(std::span<const CodePointSet> sets);

  uint32_t count() const { return static_cast<uint32_t>(members.size()); }
  uint32_t of(uint32_t codePoint) const {
    return codePoint < ascii.size() ? ascii[codePoint] : search(codePoint);
  }
  /// Some code point of the class.
  uint32_t member(uint32_t index) const { return members[index]; }
  /// The classes of the code points of a range, ascending.
  std::vector<uint32_t> inRange(CodePointRange range) const;

private:
  uint32_t search(uint32_t codePoint) const;

  std::vector<uint32_t> firsts;  ///< the first character of each interval
  std::vector<uint32_t> classes; ///< the class of each interval's characters
  std::vector<uint32_t> members; ///< one code point of each class
  std::array<uint32_t, 128> ascii{};
};

struct Grammar {
  /// All alternatives, one after the other, each followed by an End. A position
  /// in a grammar is an index into this list.
  std::vector<GrammarElement> elements;
  std::vector<uint32_t> alternatives; ///< positions of their first elements
  std::vector<GrammarRule> rules;
  std::vector<CodePointSet> sets;
  CharacterClasses classes;
  std::vector<std::vector<bool>> setHasClass; ///< [set][class]
  uint32_t root = 0;
  bool hasTokens = false; ///< whether an element is a Token or a NotToken
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMAR_H
