//===- MergeMatcher.h - symbols after all merges, by matching ---*- C++ -*-===//
//
// Computes the same symbols as PairMerger, in time proportional to the length
// of the word. Two facts make this possible (H. van Antwerpen and A. Neubeck,
// "So many tokens, so little time", 2024):
//
// - Merging turns a text into a certain sequence of symbols if and only if it
//   turns the bytes of each symbol into that symbol, and the bytes of each pair
//   of neighbours into that pair. Otherwise, some merge would have crossed the
//   border between two neighbours.
// - Hence there is only one such sequence for the beginning of a text up to a
//   given position. The symbols that may follow at that position therefore need
//   to be tried only once.
//
// At each position, the matcher takes the longest symbol with which the rest of
// the word begins and which does not merge with its left neighbour. If there is
// none, it goes back to the previous symbol and tries a shorter one there. On
// ordinary text it seldom goes back.
//
// If every symbol is merged later than its parts were, the merges at the border
// between two symbols tell whether these symbols merge. Published vocabularies
// contain a few untimely merges (Llama 3: 80 of 280,000). The rank of such a
// merge is lower than the rank of a merge that makes one of its parts, so it
// takes place as soon as its parts exist. Merges of equal rank with different
// results count as untimely, too, because the text decides which of them takes
// place first. Texts that contain the result of an untimely merge are left to
// PairMerger.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_MERGEMATCHER_H
#define AIRPACK_RUNTIME_TEXT_MERGEMATCHER_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/text/BpeTables.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/PairMerger.h"

#include <optional>
#include <vector>

namespace air::rt {

/// Immutable after create(); any number of threads may match words, each with a
/// Scratch of its own.
class MergeMatcher {
public:
  /// The memory of one thread. It remembers which pairs of symbols merge, so
  /// it must be used with one matcher only.
  struct Scratch {
    explicit Scratch(const BpeTables &tables) : merger(tables) {}

    std::vector<uint64_t> knownPairs;
    PairMerger merger;
    std::string text;
    std::vector<int32_t> symbols;
    /// The symbols that match() has found last.
    std::vector<int32_t> recent;
    /// Where the symbols before those in `recent` end: bit i is set if one of
    /// them ends right before byte i of the word.
    std::vector<uint64_t> ends;
    /// The most symbols that `recent` holds. When it is full, half of them are
    /// spilled: only their ends are kept, in `ends`. Ordinary words have fewer
    /// symbols.
    size_t mostRecent = size_t{1} << 14;
  };

  /// Returns nullopt if a symbol has more than kLongestSymbol bytes, which
  /// would make matching slow. `known` must outlive the matcher.
  static std::optional<MergeMatcher> create(const BpeTables &known);
  static constexpr size_t kLongestSymbol = 1024;

  /// The total length, in bytes, of the symbols that contain the result of an
  /// untimely merge (see the top of this file). If it is large, matching may be
  /// slow.
  size_t bytesOfUntimely() const { return untimelyBytes; }

  using SymbolSink = FunctionRef<void(int32_t symbol)>;
  /// Passes the symbols of `word` after all merges to `sink`, in order. Returns
  /// false, and does not call `sink`, if these symbols cannot be found, which
  /// does not happen with correct tables. Needs one bit of memory for each byte
  /// of a long word.
  bool match(std::string_view word, Scratch &scratch, SymbolSink sink) const;
  /// Like the other match(), but stores the symbols in `found`, whose previous
  /// contents are lost.
  bool match(std::string_view word, Scratch &scratch,
             std::vector<int32_t> &found) const;

private:
  /// How merges build a symbol from its bytes.
  struct Derivation {
    /// The two symbols whose merge results in this symbol.
    int32_t left = TokenTable::kAbsent;
    int32_t right = TokenTable::kAbsent;
    int32_t rank = kNever; ///< the rank of this merge
    /// The longest other symbol with which this symbol begins, or kAbsent.
    int32_t shorter = TokenTable::kAbsent;
    uint32_t length = 0; ///< in bytes
  };
  /// The table of pairs takes 128 KiB, which fits into a second-level cache.
  static constexpr unsigned kKnownPairBits = 14;
  static constexpr uint64_t kNoPair = UINT64_MAX;
  static constexpr int32_t kAtom = -1; ///< the rank of an atom
  /// The rank of a symbol that no merge produces.
  static constexpr int32_t kNever = INT32_MAX;

  explicit MergeMatcher(const BpeTables &known) : tables(&known) {}

  void derive();
  void deriveUntimely();
  bool isUntimely(std::string_view text) const;
  bool partsMerge(int32_t left, int32_t right) const;
  uint32_t lengthOf(std::string_view text, int32_t symbol) const;
  void spill(std::string_view word, Scratch &scratch, size_t &spilled) const;
  void restore(std::string_view word, Scratch &scratch, size_t &spilled) const;
  bool merges(int32_t left, int32_t right, Scratch &scratch) const;

  const BpeTables *tables;
  std::vector<Derivation> derivations; ///< indexed by symbol
  ByteTrie pieces;                     ///< the symbols that have a derivation
  /// The results of untimely merges (see the top of this file).
  ByteTrie untimely;
  bool hasUntimely = false;
  size_t untimelyBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_MERGEMATCHER_H
