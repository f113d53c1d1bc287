//===- GrammarMatcher.h - the tokens that a grammar allows ------*- C++ -*-===//
//
// Follows a text through a grammar, and says which tokens may come next. The
// text comes in pieces, such as tokens, which may begin and end inside a
// character.
//
// The tokens that a state allows are found by a walk through the trie of the
// vocabulary, and are kept in case the text reaches this state again. The walk
// adds whole subtrees if all their characters lead back to the same state, for
// example inside a string.
//
// Ownership: refers to the trie, which must outlive it. Thread-safety: use one
// object per sequence, from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARMATCHER_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARMATCHER_H

#include "runtime/text/grammar/GrammarStates.h"
#include "runtime/text/grammar/TokenTrie.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace air::rt {

/// A set of tokens, one bit for each.
class TokenMask {
public:
  explicit TokenMask(int32_t tokens = 0) : words((tokens + 63) / 64) {}

  bool contains(int32_t id) const {
    return ((words[id / 64] >> (id % 64)) & 1) != 0;
  }
  void add(int32_t id) { words[id / 64] |= uint64_t{1} << (id % 64); }
  void remove(int32_t id) { words[id / 64] &= ~(uint64_t{1} << (id % 64)); }
  void add(const TokenMask &other);
  bool empty() const;

private:
  std::vector<uint64_t> words;
};

class GrammarMatcher {
public:
  /// `endOfGeneration` are the tokens that end a text. They are allowed if and
  /// only if the text may end.
  GrammarMatcher(std::shared_ptr<const Grammar> grammar, const TokenTrie &trie,
                 std::vector<int32_t> endOfGeneration,
                 GrammarStates::Limits limits = {});

  /// The tokens that may come next. The pointer is valid until the next call of
  /// any other member function. Errors: DoesNotFit if the text is too ambiguous
  /// or nested too deeply.
  Result<const TokenMask *> allowed();

  /// Whether a token may come next. This test is much cheaper than allowed().
  /// False after an error.
  bool allows(int32_t id);

  /// Whether these bytes, which need not be a token, may come next.
  bool allowsText(std::string_view bytes);

  /// Continues the text with a token. Errors: Usage if it is not allowed;
  /// DoesNotFit as for allowed().
  Status accept(int32_t id);

  /// Continues the text with bytes that need not be a token. Errors: as for
  /// accept().
  Status acceptText(std::string_view bytes);

  /// Whether the text may end here.
  bool isComplete() const { return states.isComplete(current); }

  /// Whether the token ends a text.
  bool isEnd(int32_t id) const;

  void reset();

private:
  using State = GrammarStates::State;
  static constexpr size_t kMostMasks = 512;
  static constexpr uint32_t kAnyLength = UINT16_MAX;
  static constexpr uint32_t kUnknownLength = UINT32_MAX;
  static constexpr uint32_t kWorthComputing = 64;
  /// A set of classes has 64 bits. The most common classes have a bit each, and
  /// this bit stands for all other classes.
  static constexpr uint32_t kSharedBit = 63;

  /// The character classes of a node of the trie and of the nodes below it.
  struct NodeClasses {
    /// The class of the node's character, or the kind of its partial character.
    uint32_t edge;
    uint64_t usedBelow; ///< bits of the classes of all nodes below it
  };
  /// Describes a state that allows every text of up to `length` characters if
  /// the classes of all its characters are in `classes`.
  struct Absorption {
    uint64_t classes = 0;
    uint32_t length = kUnknownLength;
    uint32_t askedNodes = 0; ///< while `length` is unknown (absorptionOf())
    /// Whether the state refuses every text longer than `length` whose
    /// characters all belong to `classes`.
    bool isMost = false;
  };

  /// The state to which a token leads if the grammar names the token, and the
  /// state to which the token's text leads.
  struct Next {
    State asToken = GrammarStates::kDead;
    State asText = GrammarStates::kDead;
    std::string rest; ///< the incomplete character at the end of the text
  };

  Next follow(int32_t id);
  State followText(std::string_view bytes, std::string &rest);
  void prepareTrie();
  uint64_t bitOf(uint32_t characterClass) const {
    return uint64_t{1} << classBit[characterClass];
  }
  /// Returns the Absorption of `state`. The caller has reached `state` at the
  /// root of a subtree of the trie with `nodes` nodes. If the Absorption allows
  /// all texts of the subtree, the caller need not visit these nodes. Computing
  /// an Absorption takes as long as visiting dozens of nodes. It is therefore
  /// not computed until the sum of `nodes` over all calls for `state` reaches
  /// kWorthComputing. Before that, the result is an Absorption that allows no
  /// characters.
  Absorption absorptionOf(State state, uint32_t nodes) {
    if (state >= absorptions.size()) {
      absorptions.resize(state + size_t{1});
    }
    Absorption &known = absorptions[state];
    if (known.length != kUnknownLength) {
      return known;
    }
    known.askedNodes += nodes;
    return known.askedNodes < kWorthComputing ? Absorption{0, 0, 0, false}
                                              : computeAbsorption(state);
  }
  Absorption computeAbsorption(State state);
  State commonNext(State state);
  void walk(State from, TokenMask &mask);
  void addRanks(uint32_t first, uint32_t last);
  void addShortRanks(uint32_t begin, uint32_t end, uint32_t length);
  /// Whether a character of one of the classes with these bits may come next in
  /// `state`.
  bool allowsAny(State state, uint64_t bits);
  bool allowsPartial(State state, uint32_t partial);
  /// Returns the state after the whole characters of `bytes`, or kDead if the
  /// grammar does not allow `bytes` there. Sets `rest` to the incomplete
  /// character at their end.
  State after(State from, std::string_view bytes, std::string &rest);
  void addContinuations(TokenMask &mask);
  const TokenMask &maskOf(State state);
  void keepStates();

  GrammarStates states;
  const TokenTrie &trie;
  std::vector<int32_t> endTokens;
  State current;
  /// The state before the incomplete character at the end of the text, or kDead
  /// if the text does not end with one. `pending` has the character's bytes.
  State cut = GrammarStates::kDead;
  std::string pending;

  std::vector<NodeClasses> nodeClasses; ///< one per node of the trie
  std::vector<uint8_t> classBit;        ///< per class: its bit in usedBelow
  TokenMask everyText;                  ///< the tokens of the trie
  std::vector<uint32_t> byUse; ///< the classes, the most common ones first
  /// For each kind of partial character: the classes of the characters that it
  /// may be the beginning of.
  std::vector<std::vector<uint32_t>> partialClasses;
  std::vector<uint32_t> partialKind; ///< kind of each partial character

  std::vector<Absorption> absorptions; ///< indexed by state
  std::unordered_map<State, TokenMask> masks;
  TokenMask united;
  std::vector<State> path; ///< walk(): the state at each depth of the trie
  /// The tokens that walk() allows: ranges [first, end) of idsByRank().
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARMATCHER_H
