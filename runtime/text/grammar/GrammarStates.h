//===- GrammarStates.h - where a text can be in a grammar -------*- C++ -*-===//
//
// A state is the set of all positions in the grammar at which a text may be,
// each with the rules to return to. It is a graph-structured stack (M. Tomita,
// "Efficient parsing for natural language", 1985): a node is a position and a
// set of nodes to return to, and equal nodes and sets exist only once. An
// ambiguous grammar therefore has few nodes, though it has many stacks.
//
// Transitions are computed when they are first needed, and kept. Nothing here
// recurses.
//
// Ownership: owns everything but the grammar. Thread-safety: use one object
// from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARSTATES_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARSTATES_H

#include "formats/support/Status.h"
#include "runtime/text/grammar/Grammar.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace air::rt {

class GrammarStates {
public:
  using State = uint32_t;
  /// The state without positions: the text cannot be continued.
  static constexpr State kDead = 0;

  struct Limits {
    /// The largest number of nodes in one set.
    size_t setSize = 4096;
    /// If the states take more bytes than this, compact() forgets all states
    /// but start() and those that its caller keeps. If these take more than
    /// half of this number, status() returns DoesNotFit.
    size_t bytes = size_t{64} << 20;
  };

  GrammarStates(std::shared_ptr<const Grammar> grammar, Limits limits);

  const Grammar &grammar() const { return *source; }
  State start() const { return first; }

  /// The state after a character of class `characterClass`, if the state before
  /// it is `from`.
  State step(State from, uint32_t characterClass) {
    State known = rowOf(from)[characterClass];
    return known != kUnknown ? known : computeStep(from, characterClass);
  }
  /// The state after token `id` if the grammar names this token at a position
  /// of `from`; otherwise kDead.
  State stepToken(State from, int32_t id);
  /// The state of a text that may be in state `a` or in state `b`.
  State unite(State a, State b);

  /// Whether the text may end.
  bool isComplete(State state) const;

  /// Tokens that the grammar names and that may follow: the token `id` or, if
  /// `others` is true, all tokens except `id`.
  struct TokenChoice {
    int32_t id;
    bool others;
  };
  std::vector<TokenChoice> tokenChoices(State state) const;

  /// DoesNotFit if a limit has been exceeded. All states that are computed
  /// afterwards are kDead.
  Status status() const;

  /// If all states together take too much memory, forgets all but start() and
  /// `kept`, and returns true. These states get new values; those of `kept` are
  /// written to `kept`.
  bool compact(std::span<State> kept);

private:
  static constexpr uint32_t kUnknown = UINT32_MAX;
  static constexpr uint32_t kNoRow = UINT32_MAX;
  static constexpr size_t kRowsOfBlock = 64;
  /// The node to which the root rule returns.
  static constexpr uint32_t kBottom = 0;

  struct Node {
    uint32_t position;
    uint32_t parents; ///< index into `sets`
  };
  struct Set {
    uint32_t first; ///< index into `members`
    uint32_t size;
    uint32_t row = kNoRow;
  };
  struct Item {
    uint32_t position;
    uint32_t parents;
    auto operator<=>(const Item &) const = default;
  };

  State *rowOf(State state) {
    const size_t row = sets[state].row;
    return row != kNoRow ? rowAt(row) : addRow(state);
  }
  State *rowAt(size_t row) {
    return rowBlocks[row / kRowsOfBlock].data() +
           row % kRowsOfBlock * source->classes.count();
  }
  State *addRow(State state);
  State computeStep(State from, uint32_t characterClass);
  std::span<const uint32_t> membersOf(uint32_t set) const {
    return {members.data() + sets[set].first, sets[set].size};
  }
  uint32_t nodeOf(uint32_t position, uint32_t parents);
  uint32_t setOf(std::vector<uint32_t> &nodes); ///< `nodes` must be ascending
  uint32_t setOfOne(uint32_t node);
  uint32_t uniteSets(uint32_t a, uint32_t b);
  /// Returns the state for the positions `items`. A position at the end of a
  /// rule, or before a reference to a rule, is replaced by the positions to
  /// which it leads, until every position is before a character or a token.
  State close(std::vector<Item> &items);
  void returnFrom(std::vector<Item> &items, bool &ends);
  void call(uint32_t rule, uint32_t position, uint32_t parents);
  State toState(std::vector<Item> &terminals, bool ends);
  void reset();
  size_t bytes() const;

  std::shared_ptr<const Grammar> source;
  Limits limits;
  State first = kDead;
  bool tooAmbiguous = false;
  bool tooLarge = false;
  std::vector<Node> nodes;
  std::vector<Set> sets;
  std::vector<uint32_t> members;
  /// Per state in use, a row with the state after each class. The rows are in
  /// blocks of equal size, because copying one large vector when it grows takes
  /// milliseconds.
  std::vector<std::vector<State>> rowBlocks;
  size_t rowCount = 0;
  std::vector<uint32_t> nodeTable; ///< hash tables, with open addressing
  std::vector<uint32_t> setTable;
  /// Nodes and sets in the order in which they were made: 2 * index for a node,
  /// 2 * index + 1 for a set.
  std::vector<uint32_t> made;
  std::vector<uint32_t> callers;  ///< per rule: where its callers continue
  std::vector<uint32_t> toExpand; ///< called rules, as a heap
  std::vector<uint32_t> scratch;
  // These are members only so that their memory is reused.
  std::vector<Item> stepped;   ///< the positions after a character or token
  std::vector<Item> closed;    ///< close(): those before characters and tokens
  std::vector<uint32_t> found; ///< toState(): the nodes of the state
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_GRAMMARSTATES_H
