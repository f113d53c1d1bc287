//===- ScoredMerges.h - a vocabulary of scores as ranked merges -*- C++ -*-===//
//
// In sentencepiece's BPE model, two neighbours are merged if together they are
// a piece, in the order of the scores of the pieces. This is the same as
// byte-pair encoding with one merge for each way to divide a piece into two
// symbols, ranked by the score of the piece. So a MergeMatcher can do it, in
// time proportional to the length of a text.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SCOREDMERGES_H
#define AIRPACK_RUNTIME_TEXT_SCOREDMERGES_H

#include "runtime/text/BpeTables.h"
#include "runtime/text/MergeMatcher.h"

#include <memory>
#include <optional>
#include <span>

namespace air::rt {

/// Immutable after create(); any number of threads may use it.
class ScoredMerges {
public:
  /// `pieces` has the text of each id, and `scores` has the score of each id.
  /// Merges result only in pieces that pieces.find() finds. Returns null if a
  /// MergeMatcher cannot handle the vocabulary or would be slow: if a piece is
  /// not well-formed UTF-8, is too long or begins with too many other pieces;
  /// if making the tables would take too much time or memory; or if too many
  /// pieces contain the result of an untimely merge (MergeMatcher.h). For
  /// example, merges that result in different pieces with equal scores are
  /// untimely.
  static std::unique_ptr<const ScoredMerges>
  create(const TokenTable &pieces, std::span<const float> scores);

  const BpeTables &tables() const { return *bpe; }
  /// Ids that are not smaller than the size of `pieces` stand for characters
  /// that are part of a piece, but are no pieces themselves.
  const MergeMatcher &matcher() const { return *made; }

private:
  ScoredMerges() = default;

  TokenTable symbols;
  std::optional<BpeTables> bpe;
  std::optional<MergeMatcher> made;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SCOREDMERGES_H
