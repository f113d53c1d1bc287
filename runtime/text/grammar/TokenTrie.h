//===- TokenTrie.h - the pieces of a vocabulary as a tree -------*- C++ -*-===//
//
// A trie over characters. A piece may end with an incomplete character, for
// which the trie has a special leaf. Pieces that begin with the rest of a
// character, or contain bytes that are not UTF-8, are not in the trie.
//
// Ownership: owns copies of the pieces. Thread-safety: immutable.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_TOKENTRIE_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_TOKENTRIE_H

#include "formats/text/unicode/CodePointSet.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// An incomplete character: 1 to 3 bytes that begin one.
struct PartialCharacter {
  std::string bytes;
  CodePointRange completions; ///< the characters that it can become
};

/// The characters whose UTF-8 encoding begins with `bytes`.
CodePointRange completionsOf(std::string_view bytes);

class TokenTrie {
public:
  /// The nodes are in preorder.
  struct Node {
    /// A code point or, if `isPartial` is true, an index in partials().
    uint32_t symbol;
    uint32_t end;       ///< the index after the last node of the subtree
    uint32_t firstRank; ///< the rank of the first token of the subtree
    uint16_t depth;     ///< characters up to and including this one
    uint16_t height;    ///< the most characters on a path below this node
    bool isPartial;
  };

  /// The most bytes of a piece in the trie. Longer pieces are left out, because
  /// the trie counts the characters of a piece in 16 bits. The pieces of
  /// published vocabularies have at most a few hundred bytes.
  static constexpr size_t kLongestPiece = 4096;

  /// `pieceOf` returns the bytes of each of the tokens 0 to `tokens` - 1. A
  /// token without bytes matches no text.
  TokenTrie(int32_t tokens,
            const std::function<std::string_view(int32_t)> &pieceOf);

  int32_t size() const { return static_cast<int32_t>(starts.size() - 1); }
  std::string_view piece(int32_t id) const {
    return {arena.data() + starts[id], starts[id + 1] - starts[id]};
  }

  /// The root comes first; it stands for the empty piece.
  const std::vector<Node> &nodes() const { return tree; }
  /// The tokens by rank, which is their order in the trie. Tokens of the same
  /// node have consecutive ranks.
  const std::vector<int32_t> &idsByRank() const { return ranked; }
  /// For each rank, the number of characters of its token. An incomplete
  /// character counts as one.
  const std::vector<uint16_t> &lengthsByRank() const { return lengths; }
  /// The first rank after the ranks of the tokens that end at `node`.
  uint32_t endOfOwnRanks(size_t node) const {
    return node + 1 < tree.size() ? tree[node + 1].firstRank
                                  : static_cast<uint32_t>(ranked.size());
  }
  uint32_t endOfRanks(size_t node) const {
    return tree[node].end < tree.size() ? tree[tree[node].end].firstRank
                                        : static_cast<uint32_t>(ranked.size());
  }
  const std::vector<PartialCharacter> &partials() const { return partial; }
  /// The tokens whose first bytes continue a character that an earlier token
  /// began.
  const std::vector<int32_t> &continuations() const { return rests; }
  uint16_t depth() const { return deepest; }

private:
  std::string arena;
  std::vector<size_t> starts = {0};
  std::vector<Node> tree;
  std::vector<int32_t> ranked;
  std::vector<uint16_t> lengths;
  std::vector<PartialCharacter> partial;
  std::vector<int32_t> rests;
  uint16_t deepest = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_TOKENTRIE_H
