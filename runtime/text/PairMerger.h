//===- PairMerger.h - merges pairs of symbols in order ----------*- C++ -*-===//
//
// The pair with the lowest rank is merged first, and of several such pairs the
// leftmost (Sennrich et al. 2016; GPT-2's encoder.py). A heap makes merging a
// word of n bytes take O(n log n) time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PAIRMERGER_H
#define AIRPACK_RUNTIME_TEXT_PAIRMERGER_H

#include "runtime/text/BpeTables.h"

namespace air::rt {

/// Used by one thread at a time.
class PairMerger {
public:
  /// `known` must outlive the merger.
  explicit PairMerger(const BpeTables &known)
      : tables(&known), pairs(&known.pairs()) {}
  /// Makes a merger for words whose symbols are passed to add(). `known` must
  /// outlive the merger.
  explicit PairMerger(const PairTable &known) : pairs(&known) {}

  /// Replaces `found` by the symbols of `word` after all merges. Only for a
  /// merger that was made with BpeTables.
  void merge(std::string_view word, std::vector<int32_t> &found);

  /// Appends the symbol `id` to the word. The symbol has `length` bytes, which
  /// must not be 0.
  void add(uint32_t length, int32_t id);
  /// Replaces `found` by the symbols of the word after all merges. The word is
  /// then empty.
  void finish(std::vector<int32_t> &found);

private:
  /// An atom, or a run of atoms that has been merged. The symbols of a word
  /// form a linked list through `previous` and `next`.
  struct Symbol {
    uint32_t length; ///< 0: merged into its left neighbour
    int32_t id;
    int32_t previous;
    int32_t next;
  };
  /// A pair of neighbouring symbols that may be merged. The candidate is stale
  /// if one of the symbols has changed since the candidate was pushed onto the
  /// heap.
  struct Candidate {
    int32_t rank;
    int32_t left;
    uint32_t length; ///< the length of both symbols together
    int32_t merged;

    /// Puts the candidate with the lowest rank on top of the heap. Of several
    /// such candidates, the leftmost is on top.
    bool operator<(const Candidate &other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  void mergeShort();
  void mergeLong();
  void push(int32_t left);

  const BpeTables *tables = nullptr;
  const PairTable *pairs;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  /// In mergeShort(), the merge of each symbol with its right neighbour.
  std::vector<PairTable::Merge> merges;
  std::vector<int32_t> ranks; ///< only the ranks of `merges`
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PAIRMERGER_H
