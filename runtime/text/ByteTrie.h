//===- ByteTrie.h - finds all pieces that begin a text ----------*- C++ -*-===//
//
// A double-array trie (Aoe 1989). The child of a node for a byte is at the
// node's `base` XOR the byte, if that slot names the node as its parent. So a
// step reads two slots, whatever the number of children is.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BYTETRIE_H
#define AIRPACK_RUNTIME_TEXT_BYTETRIE_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace air::rt {

class ByteTrie {
public:
  struct Piece {
    std::string_view text;
    int32_t id;
  };
  struct Match {
    int32_t id;
    size_t length; ///< 0 if the text begins with no piece
  };
  static constexpr uint32_t kRoot = 0;
  /// Equal to kRoot. That is unambiguous, because the root is no node's child.
  static constexpr uint32_t kNoNode = 0;
  static constexpr int32_t kNoPiece = -1;

  ByteTrie() = default;
  /// Empty pieces are left out. Of several equal pieces, only the one with the
  /// lowest id is stored.
  explicit ByteTrie(std::vector<Piece> pieces);

  /// Returns the node that `byte` leads to from `node`, or kNoNode.
  uint32_t child(uint32_t node, char byte) const {
    const uint32_t at = nodes[node].base ^ static_cast<uint8_t>(byte);
    return nodes[at].parent == node ? at : kNoNode;
  }
  /// Returns the id of the piece that ends at `node`, or kNoPiece.
  int32_t pieceAt(uint32_t node) const { return nodes[node].id; }
  /// Nodes are numbers; each of them is below this limit.
  size_t nodeLimit() const { return nodes.size(); }
  /// Returns the longest piece that `text` begins with.
  Match longest(std::string_view text) const;

private:
  class Slots;
  static constexpr uint32_t kNoParent = UINT32_MAX;

  struct Node {
    uint32_t base = 0;
    uint32_t parent = kNoParent;
    int32_t id = kNoPiece;
  };
  /// All slots, in blocks of 256. The children of a node share a block.
  std::vector<Node> nodes = std::vector<Node>(256);
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BYTETRIE_H
