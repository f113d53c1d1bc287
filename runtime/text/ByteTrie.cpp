//===- ByteTrie.cpp - finds all pieces that begin a text ------------------===//
#include "runtime/text/ByteTrie.h"

#include <algorithm>

namespace air::rt {

ByteTrie::ByteTrie(std::vector<Piece> pieces) {
  std::erase_if(pieces, [](const Piece &piece) { return piece.text.empty(); });
  std::ranges::sort(pieces, [](const Piece &a, const Piece &b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  // The pieces [first, last) begin with the bytes that lead to a node.
  struct Range {
    size_t first;
    size_t last;
    size_t depth;
  };
  std::vector<Range> ranges = {{0, pieces.size(), 0}};
  nodes = {{0, kNoPiece, 0}};
  for (size_t node = 0; node < nodes.size(); ++node) {
    auto [at, last, depth] = ranges[node];
    nodes[node].children = static_cast<uint32_t>(nodes.size());
    for (; at < last && pieces[at].text.size() == depth; ++at) {
      if (nodes[node].id == kNoPiece) {
        nodes[node].id = pieces[at].id;
      }
    }
    while (at < last) {
      char label = pieces[at].text[depth];
      size_t end = at + 1;
      while (end < last && pieces[end].text[depth] == label) {
        ++end;
      }
      nodes.push_back({0, kNoPiece, static_cast<uint8_t>(label)});
      ranges.push_back({at, end, depth + 1});
      at = end;
    }
  }
  nodes.push_back({static_cast<uint32_t>(nodes.size()), kNoPiece, 0});
  for (uint32_t at = nodes[kRoot].children; at < nodes[kRoot + 1].children;
       ++at) {
    firstBytes[nodes[at].label] = at;
  }
}

ByteTrie::Match ByteTrie::longest(std::string_view text) const {
  Match best = {kNoPiece, 0};
  uint32_t node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = child(node, text[i]);
    if (node == kNoNode) {
      break;
    }
    if (pieceAt(node) != kNoPiece) {
      best = {pieceAt(node), i + 1};
    }
  }
  return best;
}

} // namespace air::rt
