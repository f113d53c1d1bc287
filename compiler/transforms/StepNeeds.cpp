//===- StepNeeds.cpp - what the verifier knows of the weights -------------===//
#include "compiler/transforms/StepNeeds.h"

#include "compiler/dialect/plan/PlanDialect.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {
namespace {

/// The bytes [begin, end) of a segment, which step `step` reads.
struct Need {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t step = 0;
};

/// The bytes of the tensor's segment that a dispatch reads.
Need needOf(DispatchOp dispatch, TensorOp tensor, uint32_t step) {
  const uint64_t offset = *tensor.getOffset();
  const auto rows = static_cast<uint64_t>(tensor.getRows());
  if (!dispatch.getFirstTile() || rows == 1) {
    return {offset, offset + tensor.getBytes(), step};
  }
  // A matrix is stored in units of one row or, in layout x16, of 16 rows.
  const uint64_t unit =
      tensor.getLayout().getValue() == Layout::X16 ? kX16Rows : 1;
  const uint64_t units = (rows + unit - 1) / unit;
  const uint64_t unitBytes = tensor.getBytes() / units;
  const uint64_t tileRows = dispatch.getRowsPerTile();
  const uint64_t first = *dispatch.getFirstTile() * tileRows / unit;
  const uint64_t last = (*dispatch.getEndTile() * tileRows + unit - 1) / unit;
  return {offset + first * unitBytes,
          offset + std::min(last, units) * unitBytes, step};
}

/// Extends a range to multiples of `unit`, but not beyond `bytes`.
Need widened(const Need &need, uint64_t unit, uint64_t bytes) {
  return {need.begin - need.begin % unit,
          std::min(bytes, need.end + (unit - need.end % unit) % unit),
          need.step};
}

/// A part of a segment between two neighbouring cuts.
struct Stretch {
  uint64_t end = 0;
  /// The first step that needs any byte of the chunks in which the part lies.
  /// A chunk can only be verified as a whole, so all of it is read for this
  /// step.
  uint32_t firstStep = UINT32_MAX;
  /// The last step that needs any byte of the pages in which the part lies.
  /// Once a chunk has been verified, each of its pages is needed only by the
  /// steps that need bytes of this page.
  uint32_t lastStep = 0;
};

WeightSegment segmentOf(uint64_t bytes, const std::vector<Need> &needs) {
  WeightSegment segment;
  segment.bytes = bytes;
  segment.firstStep = UINT32_MAX;
  const uint64_t chunk = digestChunkBytes(plan::SegmentKind::Weights);
  std::map<uint64_t, Stretch> stretches; ///< keyed by their first byte
  std::set<uint64_t> cuts = {0, bytes};
  for (const Need &need : needs) {
    for (uint64_t unit : {kPlanPageBytes, chunk}) {
      const Need whole = widened(need, unit, bytes);
      cuts.insert({whole.begin, whole.end});
    }
  }
  for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
    stretches[*cut].end = *std::next(cut);
  }
  for (const Need &need : needs) {
    const Need chunks = widened(need, chunk, bytes);
    for (auto it = stretches.find(chunks.begin);
         it != stretches.end() && it->first < chunks.end; ++it) {
      it->second.firstStep = std::min(it->second.firstStep, need.step);
    }
    const Need pages = widened(need, kPlanPageBytes, bytes);
    for (auto it = stretches.find(pages.begin);
         it != stretches.end() && it->first < pages.end; ++it) {
      it->second.lastStep = std::max(it->second.lastStep, need.step);
    }
    segment.firstStep = std::min(segment.firstStep, need.step);
    segment.lastStep = std::max(segment.lastStep, need.step);
  }
  for (const auto &[begin, stretch] : stretches) {
    // Bytes that no step needs are padding between two tensors. They count as a
    // part of the piece before them.
    if (stretch.firstStep == UINT32_MAX && !segment.pieces.empty()) {
      segment.pieces.back().end = stretch.end;
    } else if (stretch.firstStep != UINT32_MAX) {
      segment.pieces.push_back({stretch.end, stretch.firstStep,
                                std::max(stretch.firstStep, stretch.lastStep)});
    }
  }
  return segment;
}

} // namespace

WeightProblem stepNeedsOf(ModuleOp module) {
  WeightProblem problem;
  std::map<std::string, std::vector<Need>> needs; ///< keyed by segment
  std::map<std::string, TensorOp> tensors;
  for (TensorOp tensor : module.getOps<TensorOp>()) {
    tensors[tensor.getSymName().str()] = tensor;
  }
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    uint32_t index = 0;
    for (StepOp step : program.getOps<StepOp>()) {
      // An embed step gathers single rows and needs no segment as a whole.
      const bool gathers = step.getKind() == StepKind::Embed;
      for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
        for (Attribute attr : dispatch.getBindings()) {
          auto binding = cast<BindingAttr>(attr);
          if (!gathers && binding.getKind() == BindingKind::Tensor) {
            TensorOp tensor = tensors.at(binding.getTarget().getValue().str());
            needs[tensor.getSegment()->str()].push_back(
                needOf(dispatch, tensor, index));
          }
        }
      }
      ++index;
    }
    problem.steps = std::max(problem.steps, index);
  }
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getKind() == SegmentKind::Weights) {
      problem.weights.push_back(
          segmentOf(segment.getRawBytes(), needs[segment.getSymName().str()]));
    } else if (segment.getKind() == SegmentKind::Table) {
      problem.tables.push_back(segment.getRawBytes());
    }
  }
  return problem;
}

} // namespace air::compiler
