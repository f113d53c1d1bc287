//===- UnigramLattice.h - the most probable pieces of a text ----*- C++ -*-===//
//
// A text is divided into the pieces with the largest sum of scores (Kudo 2018,
// https://arxiv.org/abs/1804.10959). The Viterbi algorithm finds them. A
// character that is not a piece has a score 10 below the lowest score of a
// piece.
//
// If several divisions have equal sums, rounding errors may decide between
// them. Sums are therefore rounded as in the program that the vocabulary was
// made for: sentencepiece adds in single precision, and starts again from 0
// when a sum is below -100,000; Hugging Face's tokenizers library adds in
// double precision.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H
#define AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/PieceLengths.h"

#include <string_view>
#include <vector>

namespace air::rt {

/// Immutable once made; any number of threads may use it.
class UnigramLattice {
public:
  /// Working memory of divide(). A thread may pass the same object to any
  /// number of calls.
  struct Scratch {
    PieceLengths lengths;
    std::vector<float> singles;
    std::vector<double> doubles;
  };
  static constexpr int32_t kNoPiece = ByteTrie::kNoPiece;

  UnigramLattice() = default;
  enum class Sums : uint8_t { Single, Double };
  /// `known` has the pieces, which may be ill-formed UTF-8, and `scoreOf` the
  /// score of each id, which must be finite. `lowest` is the lowest score of a
  /// piece.
  UnigramLattice(std::vector<ByteTrie::Piece> known, std::vector<float> scoreOf,
                 float lowest, Sums chosen);

  /// Receives a piece and its id. For a character that is not a piece, the id
  /// is kNoPiece.
  using PieceSink = FunctionRef<void(std::string_view piece, int32_t id)>;
  /// Divides `run`, which must be valid UTF-8, and passes its pieces to `sink`
  /// in order. On entry, `sum` is the sum of scores at the end of the text
  /// before `run`; on return, it is the sum at the end of `run`. The time is
  /// proportional to the length of `run` times the length of the longest piece.
  /// Needs one byte of memory for each byte of `run`, or more if a piece is
  /// longer than 255 bytes (PieceLengths).
  void divide(std::string_view run, Scratch &scratch, double &sum,
              PieceSink sink) const;

private:
  template <typename Sum>
  void divide(std::string_view run, PieceLengths &lengths,
              std::vector<Sum> &best, double &sum, PieceSink sink) const;

  static constexpr double kPenalty = 10; ///< as in sentencepiece

  ByteTrie pieces;
  std::vector<float> scores;
  double unknownScore = 0;
  Sums sums = Sums::Double;
  size_t longest = 0; ///< bytes of the longest piece or character
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_UNIGRAMLATTICE_H
