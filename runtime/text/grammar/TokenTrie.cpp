//===- TokenTrie.cpp - the pieces of a vocabulary as a tree -----*- C++ -*-===//
#include "runtime/text/grammar/TokenTrie.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <map>

namespace air::rt {
namespace {

bool isContinuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xc0U) == 0x80;
}

/// A code point, or a larger number that stands for a partial character.
using Symbol = uint32_t;

} // namespace

CodePointRange completionsOf(std::string_view bytes) {
  auto lead = static_cast<uint8_t>(bytes[0]);
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // `low` and `high` become the UTF-8 bytes of the first and of the last
  // character that begins with `bytes`.
  std::string low(bytes);
  std::string high(bytes);
  while (low.size() < length) {
    bool second = low.size() == 1;
    low += second && lead == 0xe0   ? '\xa0'
           : second && lead == 0xf0 ? '\x90'
                                    : '\x80';
    high += second && lead == 0xed   ? '\x9f'
            : second && lead == 0xf4 ? '\x8f'
                                     : '\xbf';
  }
  return {decodeUtf8(low).codePoint, decodeUtf8(high).codePoint};
}

TokenTrie::TokenTrie(int32_t tokens,
                     const std::function<std::string_view(int32_t)> &pieceOf) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < tokens; ++id) {
    arena += pieceOf(id);
    starts.push_back(arena.size());
  }
  for (int32_t id = 0; id < tokens; ++id) {
    std::string_view bytes = piece(id);
    if (bytes.empty() || bytes.size() > kLongestPiece) {
      continue;
    }
    if (isContinuation(bytes[0])) {
      rests.push_back(id);
    } else {
      ids.push_back(id);
    }
  }
  // After sorting by bytes, pieces that begin with the same characters are
  // neighbours, so the nodes can be made in preorder. Tokens with equal pieces
  // are sorted by id.
  std::ranges::sort(ids, [&](int32_t a, int32_t b) {
    int order = piece(a).compare(piece(b));
    return order != 0 ? order < 0 : a < b;
  });

  std::map<std::string_view, Symbol> partialIndex;
  auto symbolsOf = [&](std::string_view bytes, std::vector<Symbol> &symbols) {
    symbols.clear();
    while (!bytes.empty()) {
      Utf8Step step = decodeUtf8(bytes);
      if (step.kind == Utf8Step::Ill) {
        return false;
      }
      if (step.kind == Utf8Step::Unfinished) {
        auto index = static_cast<Symbol>(partial.size());
        auto [found, isNew] = partialIndex.try_emplace(bytes, index);
        if (isNew) {
          partial.push_back({std::string(bytes), completionsOf(bytes)});
        }
        symbols.push_back(kLastCodePoint + 1 + found->second);
        return true;
      }
      symbols.push_back(step.codePoint);
      bytes.remove_prefix(step.length);
    }
    return true;
  };

  tree.push_back({0, 0, 0, 0, 0, false});
  // The path from the root to the newest node. The subtrees of these nodes are
  // not complete yet.
  std::vector<uint32_t> path = {0};
  std::vector<Symbol> symbols;
  auto close = [&](size_t keep) {
    while (path.size() > keep) {
      Node &node = tree[path.back()];
      node.end = static_cast<uint32_t>(tree.size());
      path.pop_back();
      if (!path.empty()) {
        Node &parent = tree[path.back()];
        parent.height = std::max<uint16_t>(
            parent.height, static_cast<uint16_t>(node.height + 1));
      }
    }
  };
  auto symbolOf = [&](const Node &node) {
    return node.symbol + (node.isPartial ? kLastCodePoint + 1 : 0);
  };
  for (int32_t id : ids) {
    if (!symbolsOf(piece(id), symbols)) {
      continue;
    }
    size_t common = 0;
    while (common < symbols.size() && common + 1 < path.size() &&
           symbolOf(tree[path[common + 1]]) == symbols[common]) {
      ++common;
    }
    close(common + 1);
    for (size_t i = common; i < symbols.size(); ++i) {
      bool isPartial = symbols[i] > kLastCodePoint;
      path.push_back(static_cast<uint32_t>(tree.size()));
      tree.push_back({symbols[i] - (isPartial ? kLastCodePoint + 1 : 0), 0,
                      static_cast<uint32_t>(ranked.size()),
                      static_cast<uint16_t>(i + 1), 0, isPartial});
    }
    deepest = std::max(deepest, static_cast<uint16_t>(symbols.size()));
    ranked.push_back(id);
    lengths.push_back(static_cast<uint16_t>(symbols.size()));
  }
  close(0);
}

} // namespace air::rt
