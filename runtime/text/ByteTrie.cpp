//===- ByteTrie.cpp - finds all pieces that begin a text ------------------===//
#include "runtime/text/ByteTrie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <span>

namespace air::rt {

/// Finds free slots for the children of nodes.
class ByteTrie::Slots {
public:
  explicit Slots(std::vector<Node> &all) : nodes(all) {
    blocks.emplace_back();
    blocks.back().take(kRoot);
  }

  /// Returns a base such that slot base ^ label is free for each of `labels`,
  /// and marks these slots as used. A single label gets a slot of the first
  /// block that has a free one. Several labels get slots of the last block or,
  /// if it has no base for them, of a new block.
  uint32_t place(std::span<const uint8_t> labels) {
    while (oldest < blocks.size() && blocks[oldest].free() == 0) {
      ++oldest;
    }
    if (oldest == blocks.size()) {
      addBlock();
    }
    if (labels.size() == 1) {
      const uint32_t slot = blocks[oldest].firstFree();
      blocks[oldest].take(slot);
      return static_cast<uint32_t>(oldest * kBlock) + (slot ^ labels[0]);
    }
    const uint32_t base = blocks.back().baseFor(labels);
    if (base == kBlock) {
      addBlock();
      return place(labels);
    }
    for (const uint8_t label : labels) {
      blocks.back().take(base ^ label);
    }
    return static_cast<uint32_t>((blocks.size() - 1) * kBlock) + base;
  }

private:
  static constexpr uint32_t kBlock = 256;

  /// Which slots of a block are taken.
  class Block {
  public:
    bool isTaken(uint32_t slot) const {
      return ((taken[slot / 64] >> (slot % 64)) & 1) != 0;
    }
    void take(uint32_t slot) {
      taken[slot / 64] |= uint64_t{1} << (slot % 64);
      ++count;
    }
    size_t free() const { return kBlock - count; }
    /// There must be a free slot.
    uint32_t firstFree() const {
      uint32_t word = 0;
      while (taken[word] == UINT64_MAX) {
        ++word;
      }
      return word * 64 + static_cast<uint32_t>(std::countr_one(taken[word]));
    }
    /// Returns a base such that slot base ^ label is free for each of `labels`,
    /// or kBlock if there is none.
    uint32_t baseFor(std::span<const uint8_t> labels) const {
      uint32_t base = free() < labels.size() ? kBlock : 0;
      while (
          base < kBlock &&
          std::ranges::any_of(
              labels, [&](uint8_t label) { return isTaken(base ^ label); })) {
        ++base;
      }
      return base;
    }

  private:
    std::array<uint64_t, kBlock / 64> taken{};
    uint32_t count = 0;
  };

  void addBlock() {
    blocks.emplace_back();
    nodes.resize(blocks.size() * kBlock);
  }

  std::vector<Node> &nodes;
  std::vector<Block> blocks;
  size_t oldest = 0; ///< all blocks before this one are full
};

ByteTrie::ByteTrie(std::vector<Piece> pieces) {
  std::erase_if(pieces, [](const Piece &piece) { return piece.text.empty(); });
  std::ranges::sort(pieces, [](const Piece &a, const Piece &b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  // The pieces [first, last) begin with the `depth` bytes that lead to `node`.
  struct Range {
    size_t first;
    size_t last;
    size_t depth;
    uint32_t node;
  };
  Slots slots(nodes);
  std::deque<Range> ranges = {{0, pieces.size(), 0, kRoot}};
  std::vector<uint8_t> labels;
  for (; !ranges.empty(); ranges.pop_front()) {
    auto [at, last, depth, node] = ranges.front();
    for (; at < last && pieces[at].text.size() == depth; ++at) {
      if (nodes[node].id == kNoPiece) {
        nodes[node].id = pieces[at].id;
      }
    }
    if (at == last) {
      continue;
    }
    labels.clear();
    const size_t firstChild = ranges.size();
    while (at < last) {
      const char label = pieces[at].text[depth];
      size_t end = at + 1;
      while (end < last && pieces[end].text[depth] == label) {
        ++end;
      }
      labels.push_back(static_cast<uint8_t>(label));
      ranges.push_back({at, end, depth + 1, 0});
      at = end;
    }
    const uint32_t base = slots.place(labels);
    nodes[node].base = base;
    for (size_t i = 0; i < labels.size(); ++i) {
      const uint32_t child = base ^ labels[i];
      nodes[child].parent = node;
      ranges[firstChild + i].node = child;
    }
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
