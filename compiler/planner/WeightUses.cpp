//===- WeightUses.cpp - which steps need which weights --------------------===//
#include "compiler/planner/WeightUses.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <map>
#include <set>

namespace air::compiler {
namespace {

/// The steps that need the bytes at the current offset of a sweep over the
/// segment.
struct Active {
  std::multiset<uint32_t> chunks; ///< the steps that need bytes of this chunk
  std::multiset<uint32_t> pages;  ///< the steps that read bytes of this page
};

/// The changes of Active at one offset of the segment: the steps that are added
/// when the sweep reaches the offset, and those that are removed.
struct Changes {
  std::vector<uint32_t> chunksBegin, chunksEnd;
  std::vector<uint32_t> pagesBegin, pagesEnd;
};

void change(std::multiset<uint32_t> &steps, const std::vector<uint32_t> &begin,
            const std::vector<uint32_t> &end) {
  for (uint32_t step : end) {
    steps.erase(steps.find(step));
  }
  steps.insert(begin.begin(), begin.end());
}

} // namespace

WeightSegment dividedSegment(uint64_t bytes, uint64_t chunkBytes,
                             const std::vector<WeightUse> &uses) {
  WeightSegment whole;
  whole.bytes = bytes;
  whole.firstStep = UINT32_MAX;
  for (const WeightUse &use : uses) {
    whole.firstStep = std::min(whole.firstStep, use.step);
    whole.lastStep = std::max(whole.lastStep, use.step);
  }
  if (whole.firstStep >= whole.lastStep) {
    return whole; // At most one step needs the segment.
  }
  WeightSegment segment = whole;
  std::map<uint64_t, Changes> changes;
  const auto endIn = [&](uint64_t end, uint64_t unit) {
    return std::min(bytes, ceilDiv(end, unit) * unit);
  };
  for (const WeightUse &use : uses) {
    changes[use.begin / chunkBytes * chunkBytes].chunksBegin.push_back(
        use.step);
    changes[endIn(use.end, chunkBytes)].chunksEnd.push_back(use.step);
    changes[use.begin / kPlanPageBytes * kPlanPageBytes].pagesBegin.push_back(
        use.step);
    changes[endIn(use.end, kPlanPageBytes)].pagesEnd.push_back(use.step);
    if (use.isVector && use.step != whole.firstStep) {
      segment.keptBytes =
          std::max(segment.keptBytes, endIn(use.end, kPlanPageBytes));
    }
  }
  Active active;
  for (auto it = changes.begin(); it != changes.end(); ++it) {
    change(active.chunks, it->second.chunksBegin, it->second.chunksEnd);
    change(active.pages, it->second.pagesBegin, it->second.pagesEnd);
    if (std::next(it) == changes.end()) {
      break;
    }
    WeightPiece piece;
    piece.end = std::next(it)->first;
    // Padding between two tensors counts as a part of the piece before it.
    if (active.chunks.empty()) {
      if (!segment.pieces.empty()) {
        segment.pieces.back().end = piece.end;
      }
      continue;
    }
    piece.firstStep = piece.lastStep = *active.chunks.begin();
    if (!active.pages.empty()) {
      const uint32_t last = *active.pages.rbegin();
      if (piece.end > segment.keptBytes && last > *active.pages.begin() + 1) {
        return whole;
      }
      piece.lastStep = std::max(piece.firstStep, last);
    }
    if (!segment.pieces.empty() &&
        segment.pieces.back().firstStep == piece.firstStep &&
        segment.pieces.back().lastStep == piece.lastStep) {
      segment.pieces.back().end = piece.end;
    } else {
      segment.pieces.push_back(piece);
    }
  }
  segment.pieces.back().end = bytes;
  return segment;
}

} // namespace air::compiler
