//===- UnigramLattice.cpp - the most probable pieces of a text ------------===//
#include "runtime/text/UnigramLattice.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace air::rt {

/// If the sum at a position is below this, sentencepiece (0.2.3) subtracts that
/// sum from the sums at the later positions that have been reached, and
/// continues from 0, so that sums keep their precision.
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

/// For each position, finds the last piece of the best division of `run` up to
/// that position. Passes the pieces of the best division of the whole of `run`
/// to `sink`. `best` is memory for the largest sum at each position. At any
/// time, only the sums at the positions that one piece can reach from the
/// current position are needed. So `best` is used as a ring, indexed by the
/// lowest bits of the position.
template <typename Sum>
void UnigramLattice::divide(std::string_view run, PieceLengths &lengths,
                            std::vector<Sum> &best, double &sum,
                            PieceSink sink) const {
  // The sum at a position where no piece ends. It is not an infinity, because
  // in single precision even a sum of finite scores may be infinite.
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
      // Only differences between sums matter, so the same number may be
      // subtracted from all of them. A sum that is kNone (NaN) stays NaN.
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
    // Later positions reuse these elements of `best`, so they are cleared. This
    // includes positions inside the character: an ill-formed piece may end
    // there, although no piece begins there.
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
