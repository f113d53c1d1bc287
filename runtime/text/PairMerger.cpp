//===- PairMerger.cpp - merges pairs of symbols in order ------------------===//
#include "runtime/text/PairMerger.h"

#include <algorithm>

namespace air::rt {
namespace {

/// In words of at most this number of symbols, looking through all pairs takes
/// less time than maintaining a heap.
constexpr size_t kShortWord = 128;
constexpr int32_t kNoRank = INT32_MAX;

} // namespace

void PairMerger::merge(std::string_view word, std::vector<int32_t> &found) {
  symbols.clear();
  for (size_t at = 0; at < word.size();) {
    const BpeTables::Atom atom = tables->firstAtom(word.substr(at));
    at += atom.length;
    add(atom.length, atom.symbol);
  }
  finish(found);
}

void PairMerger::add(uint32_t length, int32_t id) {
  const auto index = static_cast<int32_t>(symbols.size());
  symbols.push_back({length, id, index - 1, index + 1});
}

void PairMerger::finish(std::vector<int32_t> &found) {
  if (!symbols.empty()) {
    symbols.back().next = -1;
  }
  if (symbols.size() > kShortWord) {
    mergeLong();
  } else if (!symbols.empty()) {
    mergeShort();
  }
  found.clear();
  for (const Symbol &symbol : symbols) {
    if (symbol.length != 0) {
      found.push_back(symbol.id);
    }
  }
  symbols.clear();
}

/// Performs all merges in `symbols`, and removes the symbols that were merged
/// into their left neighbours.
void PairMerger::mergeShort() {
  const auto rate = [&](size_t i) {
    const PairTable::Merge *merge =
        pairs->find(symbols[i].id, symbols[i + 1].id);
    merges[i] = merge != nullptr ? *merge : PairTable::Merge();
    ranks[i] = merge != nullptr ? merge->rank : kNoRank;
  };
  merges.resize(symbols.size() - 1);
  ranks.resize(symbols.size() - 1);
  for (size_t i = 0; i < ranks.size(); ++i) {
    rate(i);
  }
  while (true) {
    int32_t least = kNoRank;
    for (const int32_t rank : ranks) {
      least = std::min(least, rank);
    }
    if (least == kNoRank) {
      return;
    }
    const auto at = std::ranges::find(ranks, least) - ranks.begin();
    const auto i = static_cast<size_t>(at);
    symbols[i].length += symbols[i + 1].length;
    symbols[i].id = merges[i].merged;
    symbols.erase(symbols.begin() + at + 1);
    merges.erase(merges.begin() + at);
    ranks.erase(ranks.begin() + at);
    if (i > 0) {
      rate(i - 1);
    }
    if (i < ranks.size()) {
      rate(i);
    }
  }
}

/// Performs all merges in `symbols`.
void PairMerger::mergeLong() {
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    push(static_cast<int32_t>(i));
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[best.left];
    if (left.length == 0 || left.next < 0) {
      continue;
    }
    Symbol &right = symbols[left.next];
    if (left.length + right.length != best.length) {
      continue;
    }
    left.length = best.length;
    left.id = best.merged;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) {
      symbols[left.next].previous = best.left;
    }
    push(left.previous);
    push(best.left);
  }
}

void PairMerger::push(int32_t left) {
  if (left < 0 || symbols[left].next < 0) {
    return;
  }
  const Symbol &a = symbols[left];
  const Symbol &b = symbols[a.next];
  const PairTable::Merge *merge = pairs->find(a.id, b.id);
  if (merge != nullptr) {
    heap.push_back({merge->rank, left, a.length + b.length, merge->merged});
    std::push_heap(heap.begin(), heap.end());
  }
}

} // namespace air::rt
