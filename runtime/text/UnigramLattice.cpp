//===- UnigramLattice.cpp - the most probable pieces of a text ------------===//
#include "runtime/text/UnigramLattice.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace air::rt {

/// sentencepiece (0.2.3) subtracts a sum below this from the sums of all
/// positions that have been reached, so that sums keep their precision.
static constexpr double kLeastSingleSum = -100000;

UnigramLattice::UnigramLattice(std::vector<ByteTrie::Piece> known,
                               std::vector<float> scoreOf, float lowest,
                               Sums chosen)
    : scores(std::move(scoreOf)), unknownScore(lowest - kPenalty),
      sums(chosen) {
  constexpr size_t kLongestCharacter = 4;
  longest = kLongestCharacter;
  for (const ByteTrie::Piece &piece : known) {
    longest = std::max(longest, piece.text.size());
  }
  pieces = ByteTrie(std::move(known));
}

/// Finds the last piece of the best way to divide `run` up to each position,
/// and passes the pieces of the best way to the end on. `best` is memory for
/// sums. Only those of the next positions are needed, so the sum of a position
/// is found by the lowest bits of the position.
template <typename Sum>
void UnigramLattice::divide(std::string_view run, PieceLengths &lengths,
                            std::vector<Sum> &best, double &sum,
                            PieceSink sink) const {
  // No piece ends at the position. Not an infinity, because in single precision
  // even sums of finite scores may be infinite.
  constexpr Sum kNone = std::numeric_limits<Sum>::quiet_NaN();
  const size_t reach = std::min(longest, run.size());
  const size_t mask = std::bit_ceil(reach + 1) - 1;
  best.assign(mask + 1, kNone);
  best[0] = static_cast<Sum>(sum);
  lengths.reset(run.size(), reach);
  const auto pass = [&](size_t begin, size_t end) {
    const std::string_view piece = run.substr(begin, end - begin);
    const ByteTrie::Match match = pieces.longest(piece);
    sink(piece, match.length == piece.size() ? match.id : kNoPiece);
  };
  for (size_t start = 0; start < run.size();) {
    if (lengths.isLong(start)) {
      std::set<size_t> ends;
      for (size_t end = start; end <= std::min(start + reach, run.size());
           ++end) {
        if (!std::isnan(best[end & mask])) {
          ends.insert(end);
        }
      }
      lengths.passOn(std::move(ends), pass);
    }
    Sum before = best[start & mask];
    if (sums == Sums::Single && before < kLeastSingleSum) {
      // Only differences between sums matter. The subtraction leaves NaN as it
      // is.
      for (size_t i = 1; i <= reach; ++i) {
        best[(start + i) & mask] -= before;
      }
      before = 0;
    }
    const size_t character = decodeUtf8(run.substr(start)).length;
    const auto offer = [&](size_t end, Sum sumWith) {
      Sum &known = best[end & mask];
      if (!(sumWith <= known)) { // also if `known` is NaN
        known = sumWith;
        lengths.set(end, end - start);
      }
    };
    bool isKnown = false;
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = start; end < run.size();) {
      node = pieces.child(node, run[end++]);
      if (node == ByteTrie::kNoNode) {
        break;
      }
      if (int32_t id = pieces.pieceAt(node); id != ByteTrie::kNoPiece) {
        offer(end, before + static_cast<Sum>(scores[static_cast<size_t>(id)]));
        isKnown |= end == start + character;
      }
    }
    if (!isKnown) {
      offer(start + character, before + static_cast<Sum>(unknownScore));
    }
    // Later positions use these again. An ill-formed piece may end inside this
    // character, where no other piece begins, so its sum is cleared, too.
    for (size_t i = 0; i < character; ++i) {
      best[(start + i) & mask] = kNone;
    }
    start += character;
  }
  sum = best[run.size() & mask];
  lengths.forEach(run.size(), pass);
}

void UnigramLattice::divide(std::string_view run, Scratch &scratch, double &sum,
                            PieceSink sink) const {
  if (sums == Sums::Single) {
    divide(run, scratch.lengths, scratch.singles, sum, sink);
  } else {
    divide(run, scratch.lengths, scratch.doubles, sum, sink);
  }
}

} // namespace air::rt
