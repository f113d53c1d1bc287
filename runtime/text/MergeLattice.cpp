//===- MergeLattice.cpp - symbols after all merges, of a long run ---------===//
#include "runtime/text/MergeLattice.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <bit>

namespace air::rt {
namespace {

/// No sequence of symbols ends at the position.
constexpr int32_t kNone = -2;
/// The table of pairs takes 512 KiB, which fits into a second-level cache.
constexpr unsigned kPairBits = 16;
constexpr uint64_t kNoPair = UINT64_MAX;

} // namespace

MergeLattice::MergeLattice(std::vector<ByteTrie::Piece> known) {
  constexpr size_t kLongestCharacter = 4;
  longest = kLongestCharacter;
  for (const ByteTrie::Piece &piece : known) {
    longest = std::max(longest, piece.text.size());
  }
  pieces = ByteTrie(std::move(known));
}

size_t MergeLattice::divide(std::string_view run, Scratch &scratch,
                            Oracle staysDivided, PieceSink sink) const {
  scratch.knownPairs.resize(size_t{1} << kPairBits, kNoPair);
  // What remains of the bytes that `staysDivided` may be asked about.
  size_t budget = kMostMerged * std::max(run.size(), kShortRun);
  const auto ask = [&](std::string_view text, size_t border) {
    budget -= std::min(budget, text.size());
    return staysDivided(text, border);
  };
  const auto areNeighbours = [&](std::string_view text, size_t border,
                                 int32_t left, int32_t right) {
    if (left == kNoPiece || right == kNoPiece) {
      return ask(text, border);
    }
    const uint64_t key = (static_cast<uint64_t>(left) << 32) |
                         (static_cast<uint64_t>(right) << 1);
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15; // 2^64 / the golden ratio
    uint64_t &entry = scratch.knownPairs[(key * kOdd) >> (64 - kPairBits)];
    if ((entry & ~uint64_t{1}) != key) {
      entry = key | (ask(text, border) ? 1 : 0);
    }
    return (entry & 1) != 0;
  };
  const size_t reach = std::min(longest, run.size());
  const size_t mask = std::bit_ceil(reach + 1) - 1;
  // last[position & mask] is the id of the last symbol of the text before
  // `position`, or kNone. In the loop below, only the positions from `at` to
  // at + reach are in use, so no two of them share an index.
  std::vector<int32_t> &last = scratch.last;
  last.assign(mask + 1, kNone);
  scratch.lengths.reset(run.size(), reach);
  const auto pass = [&](size_t begin, size_t end) {
    const std::string_view piece = run.substr(begin, end - begin);
    const ByteTrie::Match match = pieces.longest(piece);
    sink(piece, match.length == piece.size() ? match.id : kNoPiece);
  };
  for (size_t at = 0; at < run.size();) {
    if (budget == 0) {
      return scratch.lengths.end();
    }
    if (scratch.lengths.isLong(at)) {
      std::set<size_t> ends;
      for (size_t end = at; end <= std::min(at + reach, run.size()); ++end) {
        if (last[end & mask] != kNone) {
          ends.insert(end);
        }
      }
      if (ends.empty()) {
        return scratch.lengths.end();
      }
      scratch.lengths.passOn(std::move(ends), pass);
    }
    const size_t character = decodeUtf8(run.substr(at)).length;
    const int32_t left = last[at & mask];
    for (size_t i = 0; i < character; ++i) {
      last[(at + i) & mask] = kNone;
    }
    if (at != 0 && left == kNone) {
      at += character;
      continue;
    }
    const size_t begin = at == 0 ? 0 : at - scratch.lengths.at(at);
    // Every symbol ends at the end of a character. But a piece that is not
    // valid UTF-8 may end inside a character of the run, so each end is
    // checked. If the next byte is not a continuation byte, it begins a
    // character; otherwise the characters from `boundary` on are decoded.
    size_t boundary = at;
    const auto isBoundary = [&](size_t end) {
      if (end == run.size() ||
          (static_cast<uint8_t>(run[end]) & 0xc0) != 0x80) {
        return true;
      }
      while (boundary < end) {
        boundary += decodeUtf8(run.substr(boundary)).length;
      }
      return boundary == end;
    };
    const auto offer = [&](size_t end, int32_t id) {
      if (at == 0 ||
          areNeighbours(run.substr(begin, end - begin), at - begin, left, id)) {
        last[end & mask] = id;
        scratch.lengths.set(end, end - at);
      }
    };
    bool isKnown = false;
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = at; end < run.size();) {
      node = pieces.child(node, run[end++]);
      if (node == ByteTrie::kNoNode) {
        break;
      }
      if (const int32_t id = pieces.pieceAt(node);
          id != kNoPiece && isBoundary(end)) {
        offer(end, id);
        isKnown |= end == at + character;
      }
    }
    if (!isKnown) {
      offer(at + character, kNoPiece);
    }
    at += character;
  }
  if (last[run.size() & mask] == kNone) {
    return scratch.lengths.end();
  }
  scratch.lengths.forEach(run.size(), pass);
  return run.size();
}

} // namespace air::rt
