//===- GrammarBuilder.h - makes grammars ------------------------*- C++ -*-===//
//
// The parts of a grammar are sequences of symbols. Choices and repetitions
// become rules without a name, so that a sequence has no inner structure.
//
// Ownership: finish() moves everything into the grammar. Thread-safety: use one
// object from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARBUILDER_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARBUILDER_H

#include "formats/support/Status.h"
#include "runtime/text/grammar/Grammar.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

using GrammarSymbol = GrammarElement; ///< any kind but End
using GrammarSequence = std::vector<GrammarSymbol>;

class GrammarBuilder {
public:
  static constexpr uint32_t kUnlimited = UINT32_MAX;
  /// The largest count of a repetition other than kUnlimited. Each required
  /// item becomes a symbol, and each optional one a rule of its own with four
  /// symbols. So 40 repetitions of this count, or 10 with optional items only,
  /// reach kMostSymbols.
  static constexpr uint32_t kMostRepeats = 100'000;
  /// The largest number of symbols in a grammar. A grammar of this size takes
  /// less than 500 MB.
  static constexpr uint64_t kMostSymbols = 4'000'000;

  /// Adds a rule without alternatives. Messages about the rule contain
  /// `origin`, which says where the rule comes from, such as "line 3, column 1:
  /// rule 'item'".
  uint32_t addRule(std::string origin);
  void define(uint32_t rule, std::vector<GrammarSequence> alternatives);
  bool isDefined(uint32_t rule) const { return rules[rule].isDefined; }
  /// If this is true, the grammar has too many symbols: finish() fails, and
  /// nothing more need be added.
  bool isTooLarge() const { return size > kMostSymbols; }

  /// Sets the origin (see addRule()) of the rules that the builder itself adds
  /// from now on, such as those for repetitions.
  void setOrigin(std::string origin);

  GrammarSymbol set(const CodePointSet &characters);
  static GrammarSymbol rule(uint32_t index) {
    return {GrammarElement::Rule, index};
  }
  /// `text` is valid UTF-8.
  GrammarSequence text(std::string_view text);
  GrammarSymbol choice(std::vector<GrammarSequence> alternatives);
  /// Repeats `part` at least `least` and at most `most` times. Both numbers are
  /// at most kMostRepeats, but `most` may also be kUnlimited. The result is
  /// empty once the grammar is too large.
  GrammarSequence repeat(GrammarSequence part, uint32_t least, uint32_t most);

  /// Checks and orders the rules. Alternatives that can match no text, not even
  /// the empty one, are left out. Errors: Corrupt if a rule is not defined or
  /// is left-recursive, or if the root can match no text (the message contains
  /// the origin of the rule); Unsupported if the grammar is too large.
  Result<std::shared_ptr<const Grammar>> finish(uint32_t root) &&;

private:
  struct Rule {
    uint32_t origin = 0;
    bool isDefined = false;
    std::vector<GrammarSequence> alternatives;
  };
  /// For each rule, whether it has an alternative whose symbols all have a
  /// property. `setHas` says which sets have the property, and `tokensHave`
  /// whether tokens do.
  std::vector<bool> closure(const std::vector<bool> &setHas,
                            bool tokensHave) const;
  void leaveOutEmpty(const std::vector<bool> &isProductive);
  Result<std::vector<uint32_t>> ranks(const std::vector<bool> &nullable) const;
  Status fail(uint32_t rule, const std::string &what) const;

  std::vector<Rule> rules;
  std::vector<std::string> origins = {"the grammar"};
  uint32_t origin = 0;
  std::vector<CodePointSet> sets;
  /// Maps the bounds of the ranges of a set to the index of the set.
  std::map<std::vector<uint32_t>, uint32_t> setIndex;
  uint64_t size = 0; ///< the number of symbols of all rules
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARBUILDER_H
