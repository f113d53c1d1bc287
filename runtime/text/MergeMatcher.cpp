//===- MergeMatcher.cpp - symbols after all merges, by matching -----------===//
#include "runtime/text/MergeMatcher.h"

#include <algorithm>
#include <span>

namespace air::rt {

std::optional<MergeMatcher> MergeMatcher::create(const BpeTables &known) {
  MergeMatcher matcher(known);
  matcher.derive();
  matcher.deriveUntimely();
  std::vector<Derivation> &derivations = matcher.derivations;
  const TokenTable &symbols = known.symbols();
  std::vector<ByteTrie::Piece> pieces;
  for (int32_t id = 0; id < symbols.size(); ++id) {
    if (derivations[id].rank == kNever) {
      continue;
    }
    if (symbols[id].size() > kLongestSymbol) {
      return std::nullopt;
    }
    derivations[id].length = static_cast<uint32_t>(symbols[id].size());
    pieces.push_back({symbols[id], id});
  }
  matcher.pieces = ByteTrie(pieces);
  for (const ByteTrie::Piece &piece : pieces) {
    std::string_view rest = piece.text;
    rest.remove_suffix(1);
    derivations[piece.id].shorter = matcher.pieces.longest(rest).id;
  }
  return matcher;
}

/// Finds the derivations of all symbols except those that contain the result of
/// an untimely merge (MergeMatcher.h), and fills `untimely`.
void MergeMatcher::derive() {
  derivations.resize(tables->symbols().size());
  for (const int32_t atom : tables->atoms()) {
    derivations[atom].rank = kAtom;
  }
  std::vector<PairTable::Entry> early;
  std::vector<ByteTrie::Piece> results;
  const std::vector<PairTable::Entry> all = tables->pairs().byRank();
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    const auto sameRank = [&](const PairTable::Entry &each) {
      return each.merge.rank == all[begin].merge.rank;
    };
    const auto sameResult = [&](const PairTable::Entry &each) {
      return each.merge.merged == all[begin].merge.merged;
    };
    while (end < all.size() && sameRank(all[end])) {
      ++end;
    }
    const auto group = std::span(all).subspan(begin, end - begin);
    if (!std::ranges::all_of(group, sameResult)) {
      // The merges of `group` have the same rank but different results. The
      // text decides which of them takes place first, so they all count as
      // untimely.
      for (const PairTable::Entry &each : group) {
        const int32_t merged = each.merge.merged;
        results.push_back({tables->symbols()[merged], merged});
      }
      continue;
    }
    for (const PairTable::Entry &each : group) {
      if (derivations[each.left].rank == kNever ||
          derivations[each.right].rank == kNever) {
        early.push_back(each);
        continue;
      }
      Derivation &merged = derivations[each.merge.merged];
      if (merged.rank == kNever && !partsMerge(each.left, each.right)) {
        merged.left = each.left;
        merged.right = each.right;
        merged.rank = each.merge.rank;
      }
    }
  }
  // When the merges in `early` were examined, at least one part of each had no
  // derivation. If both parts of such a merge have one now, and can become
  // neighbours, the merge takes place as soon as its parts exist. Such a merge
  // is untimely (MergeMatcher.h).
  for (const PairTable::Entry &each : early) {
    if (derivations[each.left].rank != kNever &&
        derivations[each.right].rank != kNever &&
        !partsMerge(each.left, each.right)) {
      const int32_t merged = each.merge.merged;
      results.push_back({tables->symbols()[merged], merged});
    }
  }
  hasUntimely = !results.empty();
  untimely = ByteTrie(std::move(results));
}

/// Considers the symbols that contain the result of an untimely merge
/// (MergeMatcher.h), and finds out which of them stay whole when their bytes
/// are merged. No parts are stored for these symbols, because only partsMerge()
/// reads parts, and it is not called for symbols that contain such a result.
void MergeMatcher::deriveUntimely() {
  if (!hasUntimely) {
    return;
  }
  PairMerger merger(*tables);
  std::vector<int32_t> found;
  for (int32_t id = 0; id < tables->symbols().size(); ++id) {
    const std::string_view text = tables->symbols()[id];
    if (isUntimely(text) && tables->areWholeAtoms(text)) {
      untimelyBytes += text.size();
      merger.merge(text, found);
      const bool isResult = found.size() == 1 && found[0] == id;
      derivations[id].rank = isResult ? kAtom : kNever;
    }
  }
}

/// Returns true if an untimely merge (MergeMatcher.h) may take place in `text`.
bool MergeMatcher::isUntimely(std::string_view text) const {
  for (; !text.empty(); text.remove_prefix(1)) {
    if (untimely.longest(text).length != 0) {
      return true;
    }
  }
  return false;
}

/// Returns true if a merge joins the end of `left` and the beginning of `right`
/// before both symbols are complete. Undoes the merges that made the two
/// symbols, the latest first, and examines each pair of neighbours that meet at
/// the border.
bool MergeMatcher::partsMerge(int32_t left, int32_t right) const {
  // `left` exists until the merge of rank `leftUntil` joins it with another
  // symbol, and `right` until the merge of rank `rightUntil` does so.
  int32_t leftUntil = INT32_MAX;
  int32_t rightUntil = INT32_MAX;
  while (true) {
    // If two merges have the same rank, the one on the left takes place first.
    const Derivation &a = derivations[left];
    const Derivation &b = derivations[right];
    if (a.rank > b.rank) {
      leftUntil = a.rank;
      left = a.right;
    } else if (b.rank != kAtom) {
      rightUntil = b.rank;
      right = b.left;
    } else {
      return false;
    }
    const PairTable::Merge *merge = tables->pairs().find(left, right);
    if (merge != nullptr && merge->rank < leftUntil &&
        merge->rank <= rightUntil) {
      return true;
    }
  }
}

/// Returns true if merging the bytes of `left` and `right` as one text joins
/// symbols across the border between the two.
bool MergeMatcher::merges(int32_t left, int32_t right, Scratch &scratch) const {
  const uint64_t key =
      (static_cast<uint64_t>(left) << 32) | (static_cast<uint64_t>(right) << 1);
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15; // 2^64 / the golden ratio
  uint64_t &known = scratch.knownPairs[(key * kOdd) >> (64 - kKnownPairBits)];
  if ((known & ~uint64_t{1}) != key) {
    bool doMerge = tables->pairs().find(left, right) != nullptr;
    if (!doMerge && hasUntimely) {
      scratch.text.assign(tables->symbols()[left]);
      scratch.text += tables->symbols()[right];
    }
    if (!doMerge && hasUntimely && isUntimely(scratch.text)) {
      scratch.merger.merge(scratch.text, scratch.symbols);
      doMerge = scratch.symbols != std::vector<int32_t>{left, right};
    } else if (!doMerge) {
      doMerge = partsMerge(left, right);
    }
    known = key | (doMerge ? 1 : 0);
  }
  return (known & 1) != 0;
}

/// The length in bytes of `symbol`, with which `text` begins.
uint32_t MergeMatcher::lengthOf(std::string_view text, int32_t symbol) const {
  return symbol == TokenTable::kAbsent ? tables->firstAtom(text).length
                                       : derivations[symbol].length;
}

/// Removes the first half of the symbols from scratch.recent, and marks in
/// scratch.ends where they end. `spilled` is the end of the last symbol that
/// has been removed like this, or 0 if there is none.
void MergeMatcher::spill(std::string_view word, Scratch &scratch,
                         size_t &spilled) const {
  scratch.ends.resize(word.size() / 64 + 1);
  const auto half = scratch.recent.begin() +
                    static_cast<ptrdiff_t>(scratch.recent.size() / 2);
  for (auto symbol = scratch.recent.begin(); symbol != half; ++symbol) {
    spilled += lengthOf(word.substr(spilled), *symbol);
    scratch.ends[spilled / 64] |= uint64_t{1} << (spilled % 64);
  }
  scratch.recent.erase(scratch.recent.begin(), half);
}

/// Undoes spill() for the symbol that ends at `spilled`: appends the symbol to
/// scratch.recent, which must be empty, and sets `spilled` to its beginning.
void MergeMatcher::restore(std::string_view word, Scratch &scratch,
                           size_t &spilled) const {
  scratch.ends[spilled / 64] &= ~(uint64_t{1} << (spilled % 64));
  size_t begin = spilled - 1;
  while (begin > 0 && ((scratch.ends[begin / 64] >> (begin % 64)) & 1) == 0) {
    --begin;
  }
  const std::string_view text = word.substr(begin, spilled - begin);
  const ByteTrie::Match symbol = pieces.longest(text);
  scratch.recent.push_back(symbol.length == text.size() ? symbol.id
                                                        : TokenTable::kAbsent);
  spilled = begin;
}

bool MergeMatcher::match(std::string_view word, Scratch &scratch,
                         SymbolSink sink) const {
  scratch.knownPairs.resize(size_t{1} << kKnownPairBits, kNoPair);
  std::vector<int32_t> &found = scratch.recent;
  found.clear();
  scratch.ends.clear();
  size_t spilled = 0;
  size_t position = 0;
  const auto hasLast = [&] {
    if (found.empty() && spilled != 0) {
      restore(word, scratch, spilled);
    }
    return !found.empty() && found.back() != TokenTable::kAbsent;
  };
  while (position < word.size()) {
    if (found.size() >= scratch.mostRecent) {
      spill(word, scratch, spilled);
    }
    int32_t next = pieces.longest(word.substr(position)).id;
    if (next == ByteTrie::kNoPiece) {
      // This atom is not in the vocabulary, and no merge contains it.
      found.push_back(TokenTable::kAbsent);
      position += tables->firstAtom(word.substr(position)).length;
      continue;
    }
    while (hasLast() && merges(found.back(), next, scratch)) {
      next = derivations[next].shorter;
      while (next == TokenTable::kAbsent) {
        if (!hasLast()) {
          return false;
        }
        // No symbol can follow `found.back()`, so try a shorter one instead.
        next = derivations[found.back()].shorter;
        position -= derivations[found.back()].length;
        found.pop_back();
      }
    }
    found.push_back(next);
    position += derivations[next].length;
  }
  size_t begin = 0;
  for (size_t end = 1; end <= spilled; ++end) {
    if (((scratch.ends[end / 64] >> (end % 64)) & 1) != 0) {
      const std::string_view text = word.substr(begin, end - begin);
      const ByteTrie::Match symbol = pieces.longest(text);
      sink(symbol.length == text.size() ? symbol.id : TokenTable::kAbsent);
      begin = end;
    }
  }
  std::ranges::for_each(found, sink);
  return true;
}

bool MergeMatcher::match(std::string_view word, Scratch &scratch,
                         std::vector<int32_t> &found) const {
  found.clear();
  return match(word, scratch, [&](int32_t symbol) { found.push_back(symbol); });
}

} // namespace air::rt
