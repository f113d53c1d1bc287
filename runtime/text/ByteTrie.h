//===- ByteTrie.h - finds all pieces that begin a text ----------*- C++ -*-===//
//
// The nodes are stored in the order of a breadth-first search, so the children
// of a node are adjacent, and sorted by their bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BYTETRIE_H
#define AIRPACK_RUNTIME_TEXT_BYTETRIE_H

#include <array>
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
    size_t length; ///< 0 if no piece begins the text
  };
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNoNode = 0; ///< equals kRoot, which is no child
  static constexpr int32_t kNoPiece = -1;

  ByteTrie() = default;
  /// Empty pieces are left out. Equal pieces share the lowest of their ids.
  explicit ByteTrie(std::vector<Piece> pieces);

  /// Returns the node that `byte` leads to from `node`, or kNoNode.
  uint32_t child(uint32_t node, char byte) const {
    auto label = static_cast<uint8_t>(byte);
    if (node == kRoot) {
      return firstBytes[label];
    }
    for (uint32_t at = nodes[node].children; at < nodes[node + 1].children;
         ++at) {
      if (nodes[at].label >= label) {
        return nodes[at].label == label ? at : kNoNode;
      }
    }
    return kNoNode;
  }
  /// Returns the id of the piece that ends at `node`, or kNoPiece.
  int32_t pieceAt(uint32_t node) const { return nodes[node].id; }
  /// Returns the longest piece that `text` begins with.
  Match longest(std::string_view text) const;

private:
  struct Node {
    /// The first child. The children end where those of the next node begin.
    uint32_t children;
    int32_t id;
    uint8_t label;
  };
  std::vector<Node> nodes = {{1, kNoPiece, 0}, {1, kNoPiece, 0}};
  std::array<uint32_t, 256> firstBytes{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BYTETRIE_H
