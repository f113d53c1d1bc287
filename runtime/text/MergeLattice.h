//===- MergeLattice.h - symbols after all merges, of a long run -*- C++ -*-===//
//
// Finds the symbols that remain of a text after all merges in the order of
// their priority. This takes less memory than a heap of all pairs of neighbours
// needs. Two facts make it possible, which hold if the priority of a merge
// depends only on its text, and the leftmost of several equal merges comes
// first (MergeMatcher.h):
//
// - A sequence of symbols is the result if and only if merging the text of each
//   symbol leaves that symbol, and merging the text of each pair of neighbours
//   leaves that pair. Otherwise, some merge would have crossed the border
//   between two neighbours.
// - Hence there is at most one such sequence for the text up to any position.
//   It is therefore enough to know, for each position, the last symbol of the
//   sequence that ends there.
//
// These last symbols are found from left to right. A table remembers which
// pairs of symbols stay divided.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_MERGELATTICE_H
#define AIRPACK_RUNTIME_TEXT_MERGELATTICE_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/PieceLengths.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace air::rt {

/// Immutable once made; any number of threads may use it.
class MergeLattice {
public:
  static constexpr int32_t kNoPiece = ByteTrie::kNoPiece;

  /// Memory that may be used again, with one lattice only.
  struct Scratch {
    PieceLengths lengths;
    std::vector<int32_t> last;
    std::vector<uint64_t> knownPairs;
  };

  /// Receives a symbol and its id. For a character that is not a piece, the id
  /// is kNoPiece.
  using PieceSink = FunctionRef<void(std::string_view piece, int32_t id)>;
  /// Returns whether merging `text` leaves two symbols, the first of which has
  /// `border` bytes.
  using Oracle = FunctionRef<bool(std::string_view text, size_t border)>;
  /// divide() gives up when the texts that the oracle was called with have, in
  /// total, this many bytes for each byte of the run. It checks the total
  /// before each character, so the total may become somewhat larger. With the
  /// vocabulary of Llama 2, a run of 256 KiB of English letters needs 5 bytes
  /// for each byte, and a longer run needs fewer.
  static constexpr size_t kMostMerged = 16;
  /// If the run has fewer bytes than this, divide() gives up only when the
  /// oracle's texts have kMostMerged * kShortRun bytes in total.
  static constexpr size_t kShortRun = size_t{1} << 16;

  /// `known` has the pieces that stay whole: merging the text of such a piece
  /// leaves this piece.
  explicit MergeLattice(std::vector<ByteTrie::Piece> known);

  /// Divides `run`, whose smallest symbols are its characters as decodeUtf8()
  /// finds them, and passes its symbols to `sink`, in order. Returns the number
  /// of bytes that these symbols have. That is the size of `run` unless
  /// divide() gives up (kMostMerged), which only happens if many different
  /// pieces may follow one another at most positions. So the time is
  /// proportional to the length of `run` times that of the longest piece,
  /// whatever the pieces are. Needs at most one byte of memory for each byte of
  /// `run`, or two or four if a piece is longer than 255 or 65,535 bytes.
  /// Usually needs far less, because memory is freed early (PieceLengths).
  size_t divide(std::string_view run, Scratch &scratch, Oracle staysDivided,
                PieceSink sink) const;

private:
  ByteTrie pieces;
  size_t longest = 0; ///< bytes of the longest piece or character
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_MERGELATTICE_H
