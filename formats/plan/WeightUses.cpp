//===- WeightUses.cpp - which steps read which weights --------------------===//
#include "formats/plan/WeightUses.h"

#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace air::rules {

namespace {

/// Bytes of a segment that a step reads.
struct Use {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t step = 0;
};

/// Splits a segment into pieces. Each use of the segment is extended to whole
/// pages, and separately to whole chunks; the ends of all of these ranges are
/// the boundaries of the pieces. `bytes` is the size of the segment, rounded up
/// to whole pages. The time is nearly linear in the number of uses.
class Division {
public:
  Division(std::vector<Use> found, uint64_t chunkBytes, uint64_t pageBytes,
           uint64_t bytes)
      : uses(std::move(found)), bytes(bytes), bounds({0, bytes}) {
    for (const Use &use : uses) {
      for (uint64_t unit : {chunkBytes, pageBytes}) {
        const Use whole = inWhole(use, unit);
        bounds.push_back(whole.begin);
        bounds.push_back(whole.end);
      }
    }
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    for (size_t i = 1; i < bounds.size(); ++i) {
      pieces.push_back({bounds[i - 1], bounds[i]});
    }
    std::sort(uses.begin(), uses.end(),
              [](const Use &a, const Use &b) { return a.step < b.step; });
    visit(chunkBytes, [](Piece &piece, uint32_t step) { piece.first = step; });
    std::reverse(uses.begin(), uses.end());
    visit(pageBytes, [](Piece &piece, uint32_t step) { piece.last = step; });
  }

  std::vector<Piece> take() { return std::move(pieces); }

private:
  Use inWhole(const Use &use, uint64_t unit) const {
    return {use.begin / unit * unit,
            std::min(checkedAlignUp(use.end, unit).value_or(bytes), bytes),
            use.step};
  }

  /// Extends each use to whole units of `unit` bytes. Then calls
  /// set(piece, step) once for each piece that overlaps any use, with the step
  /// of the use that comes first in `uses` among those that overlap the piece.
  template <typename Set> void visit(uint64_t unit, Set set) {
    // set() has been called for all pieces in [i, next[i]).
    std::vector<size_t> next(pieces.size() + 1);
    std::iota(next.begin(), next.end(), 0);
    const auto left = [&](size_t i) {
      while (next[i] != i) {
        next[i] = next[next[i]];
        i = next[i];
      }
      return i;
    };
    for (const Use &use : uses) {
      const Use whole = inWhole(use, unit);
      const auto begin =
          std::lower_bound(bounds.begin(), bounds.end(), whole.begin);
      size_t i = left(static_cast<size_t>(begin - bounds.begin()));
      while (i < pieces.size() && pieces[i].begin < whole.end) {
        set(pieces[i], use.step);
        next[i] = i + 1;
        i = left(i);
      }
    }
  }

  std::vector<Use> uses;
  const uint64_t bytes;
  std::vector<uint64_t> bounds; ///< the boundaries of the pieces
  std::vector<Piece> pieces;
};

/// Adds what a step reads of each segment of weights. A step that gathers rows
/// on the CPU adds nothing, because the rows are fetched one by one. A step
/// that gathers them on a GPU counts, because its kernel can read them only
/// from the GPU's memory.
void addUses(const plan::Plan &plan, const plan::Step &step, uint32_t index,
             std::vector<std::vector<Use>> &found) {
  for (const plan::Dispatch *dispatch : *step.dispatches()) {
    if (step.kind() == plan::StepKind::Embed && dispatch->launch() == nullptr) {
      continue;
    }
    for (const plan::Binding *binding : *dispatch->bindings()) {
      if (binding->kind() == plan::BindingKind::Tensor) {
        const plan::Tensor &tensor = *plan.tensors()->Get(binding->index());
        // A launch of a GPU's kernel reads whole tensors.
        const HalfOpenRange bytes = dispatch->launch() != nullptr
                                        ? HalfOpenRange{0, tensor.bytes()}
                                        : bytesRead(*dispatch->grid(), tensor);
        found[tensor.segment()].push_back({tensor.offset() + bytes.begin,
                                           tensor.offset() + bytes.end, index});
      }
    }
  }
}

/// The segments of which a part of a dispatch reads rows of several matrices.
/// Takes time in proportion to the number of bindings.
std::vector<bool> alternatingSegments(const plan::Plan &plan) {
  std::vector<bool> alternates(plan.segments()->size());
  // For each segment, the number of the last dispatch that binds a matrix of
  // it. Dispatches are numbered from 1.
  std::vector<uint32_t> lastDispatch(plan.segments()->size());
  uint32_t number = 0;
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        ++number;
        if (dispatch->grid() == nullptr || dispatch->grid()->tiles() == 0) {
          continue;
        }
        for (const plan::Binding *binding : *dispatch->bindings()) {
          if (binding->kind() != plan::BindingKind::Tensor) {
            continue;
          }
          const plan::Tensor &tensor = *plan.tensors()->Get(binding->index());
          if (tensor.rows() > 1) {
            uint32_t &last = lastDispatch[tensor.segment()];
            alternates[tensor.segment()] =
                alternates[tensor.segment()] || last == number;
            last = number;
          }
        }
      }
    }
  }
  return alternates;
}

} // namespace

Uses usesOf(const plan::Plan &plan, uint64_t pageBytes) {
  std::vector<std::vector<Use>> found(plan.segments()->size());
  for (const plan::Program *program : *plan.programs()) {
    uint32_t index = 0;
    for (const plan::Step *step : *program->steps()) {
      addUses(plan, *step, index++, found);
    }
  }
  Uses uses;
  uses.steps = plan.programs()->Get(0)->steps()->size();
  uses.alternates = alternatingSegments(plan);
  uses.pieces.resize(found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    const auto padded = checkedAlignUp(segment.raw_bytes(), pageBytes);
    if (segment.kind() == plan::SegmentKind::Weights && padded) {
      uses.pieces[i] = Division(std::move(found[i]), segment.digest_chunk(),
                                pageBytes, *padded)
                           .take();
    }
  }
  return uses;
}

} // namespace air::rules
