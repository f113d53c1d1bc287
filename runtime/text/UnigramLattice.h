//===- UnigramLattice.h - the most probable pieces of a text ----*- C++ -*-===//
//
// A text is divided into the pieces with the largest sum of scores (Kudo 2018,
// https://arxiv.org/abs/1804.10959). The Viterbi algorithm finds them. A
// character that is not a piece has a score 10 below the lowest score of a
// piece.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H
#define AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/text/ByteTrie.h"

#include <limits>
#include <string_view>
#include <vector>

namespace air::rt {

/// Immutable once made; any number of threads may use it.
class UnigramLattice {
public:
  /// The best way to divide the text up to some position.
  struct Node {
    double score = -std::numeric_limits<double>::infinity();
    uint32_t start = 0; ///< where the last piece begins
    int32_t id = 0;     ///< the last piece, or kNoPiece
  };
  static constexpr int32_t kNoPiece = ByteTrie::kNoPiece;

  UnigramLattice() = default;
  /// `known` has the pieces, and `scoreOf` the score of each id. `lowest` is
  /// the lowest score of a piece.
  UnigramLattice(ByteTrie known, std::vector<float> scoreOf, float lowest)
      : pieces(std::move(known)), scores(std::move(scoreOf)),
        unknownScore(lowest - kPenalty) {}

  /// Receives a piece and its id, or a character that is not a piece and
  /// kNoPiece.
  using PieceSink = FunctionRef<void(std::string_view piece, int32_t id)>;
  /// Divides `run`, which is valid UTF-8. `nodes` is memory that may be used
  /// again. The time is proportional to the length of `run` times that of the
  /// longest piece.
  void divide(std::string_view run, std::vector<Node> &nodes,
              PieceSink sink) const;

private:
  static constexpr double kPenalty = 10; ///< as in sentencepiece

  ByteTrie pieces;
  std::vector<float> scores;
  double unknownScore = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H
