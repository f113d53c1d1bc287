//===- SplitSteps.cpp - divides steps that read many weights --------------===//
//
// A step is divided at cuts. A cut lies between two row tiles, in the sequence
// of the row tiles of all matmuls of the step. It is chosen once for all
// programs, by bytes of weights, and rounded to whole row tiles in each
// program. Programs may have different tiles, so a part of a step needs nearly,
// but not exactly, the same rows in all of them.
//
// Buffers need no special care. The memory planner treats what each part of a
// matmul writes to a buffer as a new value. At every step from the first part
// to the last, at least one of these values is live, so no other buffer gets
// the memory in between.
//
//===----------------------------------------------------------------------===//
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_SPLITSTEPS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

/// A place at which a step can be cut: before row tile `tile` of the step's
/// matmul `matmul`, an index into ProgramStep::matmuls.
struct Cut {
  size_t matmul = 0;
  uint64_t tile = 0;
  auto operator<=>(const Cut &) const = default;
};

struct ProgramStep {
  StepOp step;
  SmallVector<DispatchOp> matmuls; ///< dispatches whose rowsPerTile is not 0
  std::vector<Cut> cuts; ///< where each part but the first begins, ascending

  Cut end() const { return {matmuls.size(), 0}; }
};

/// The names of the tensors that a dispatch binds.
SmallVector<StringAttr> tensorsOf(DispatchOp dispatch) {
  SmallVector<StringAttr> names;
  for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
    if (binding.getKind() == BindingKind::Tensor) {
      names.push_back(binding.getTarget().getAttr());
    }
  }
  return names;
}

/// Limits `part`, a copy of the dispatch of a whole matmul, to the row tiles
/// [first, end).
Status limitTiles(DispatchOp part, uint64_t first, uint64_t end) {
  AIR_ASSIGN_OR_RETURN(codegen::KernelSpec spec,
                       kernelSpecFromAttr(part.getSpec()));
  const uint64_t perTile = part.getRowsPerTile();
  const HalfOpenRange rows = {first * perTile, std::min(spec.n, end * perTile)};
  const uint64_t matrices =
      spec.op == codegen::KernelOp::GluMatMul && !spec.isJoined ? 2 : 1;
  const HalfOpenRange bytes =
      bytesOfRows(spec.layout, spec.n, part.getWeightBytes() / matrices, rows);
  Builder builder(part.getContext());
  part.setFirstTileAttr(builder.getI64IntegerAttr(static_cast<int64_t>(first)));
  part.setEndTileAttr(builder.getI64IntegerAttr(static_cast<int64_t>(end)));
  part.setWeightBytes(matrices * (bytes.end - bytes.begin));
  part.setFlopsPerRow(part.getFlopsPerRow() / spec.n * (rows.end - rows.begin));
  return Status::ok();
}

struct SplitSteps : StatusPass<impl::SplitStepsBase<SplitSteps>> {
  using StatusPass::StatusPass;

  Status run() override {
    if (partBytes == 0) {
      return usageError("part-bytes must be at least 1");
    }
    std::vector<std::vector<StepOp>> steps; // the steps of each program
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      auto own = program.getOps<StepOp>();
      steps.emplace_back(own.begin(), own.end());
      if (steps.back().size() != steps.front().size()) {
        return internalError("program '" + program.getSymName().str() +
                             "' has " + countOf(steps.back().size(), "step") +
                             ", but the first program has " +
                             std::to_string(steps.front().size()));
      }
    }
    for (size_t i = 0; !steps.empty() && i < steps.front().size(); ++i) {
      std::vector<ProgramStep> everywhere;
      for (const std::vector<StepOp> &own : steps) {
        ProgramStep &made = everywhere.emplace_back();
        made.step = own[i];
        for (DispatchOp dispatch : made.step.getOps<DispatchOp>()) {
          if (dispatch.getRowsPerTile() != 0) {
            made.matmuls.push_back(dispatch);
          }
        }
      }
      AIR_RETURN_IF_ERROR(splitStep(everywhere));
    }
    return Status::ok();
  }

  /// Splits one step into several, at the same cuts in all programs. `programs`
  /// holds this step of each program.
  Status splitStep(std::vector<ProgramStep> &programs) const {
    ProgramStep &first = programs.front();
    uint64_t total = 0;
    for (DispatchOp matmul : first.matmuls) {
      total += matmul.getWeightBytes();
    }
    if (total <= partBytes) {
      return Status::ok();
    }
    for (const ProgramStep &other : programs) {
      if (!llvm::equal(first.matmuls, other.matmuls,
                       [](DispatchOp a, DispatchOp b) {
                         return tensorsOf(a) == tensorsOf(b);
                       })) {
        return internalError("step '" + first.step.getName().str() +
                             "' does not multiply by the same matrices in all "
                             "programs");
      }
    }
    const uint64_t parts = ceilDiv(total, partBytes.getValue());
    for (uint64_t i = 1; i < parts; ++i) {
      AIR_RETURN_IF_ERROR(addCut(programs, total / parts * i));
    }
    for (ProgramStep &program : programs) {
      AIR_RETURN_IF_ERROR(divide(program));
    }
    return Status::ok();
  }

  /// Adds a cut near byte `position` of the step's weights. The position is
  /// counted through the weights of all matmuls in their order. Adds no cut if
  /// the part before or after it would be empty in some program.
  static Status addCut(std::vector<ProgramStep> &programs, uint64_t position) {
    size_t index = 0;
    ProgramStep &first = programs.front();
    while (position >= first.matmuls[index].getWeightBytes()) {
      position -= first.matmuls[index].getWeightBytes();
      ++index;
    }
    AIR_ASSIGN_OR_RETURN(codegen::KernelSpec spec,
                         kernelSpecFromAttr(first.matmuls[index].getSpec()));
    const uint64_t rowBytes =
        std::max<uint64_t>(1, first.matmuls[index].getWeightBytes() / spec.n);
    const uint64_t row = std::min(spec.n, position / rowBytes);
    std::vector<Cut> cuts;
    for (const ProgramStep &program : programs) {
      DispatchOp matmul = program.matmuls[index];
      const uint64_t perTile = matmul.getRowsPerTile();
      Cut cut = {index, (row + perTile / 2) / perTile};
      if (cut.tile >= matmul.getBaseTiles()) {
        cut = {index + 1, 0};
      }
      const Cut before = program.cuts.empty() ? Cut() : program.cuts.back();
      if (cut <= before || cut >= program.end()) {
        return Status::ok();
      }
      cuts.push_back(cut);
    }
    for (auto [program, cut] : llvm::zip_equal(programs, cuts)) {
      program.cuts.push_back(cut);
    }
    return Status::ok();
  }

  /// Divides a step at its cuts. The first part stays in the step itself, and
  /// each other part is moved to a new step after it. A dispatch that is not a
  /// matmul goes into the part in which the next matmul begins. If no matmul
  /// follows, it goes into the last part.
  static Status divide(ProgramStep &program) {
    StepOp step = program.step;
    OpBuilder builder(step->getContext());
    builder.setInsertionPointAfter(step);
    SmallVector<StepOp> parts = {step};
    for (size_t i = 0; i < program.cuts.size(); ++i) {
      parts.push_back(StepOp::create(
          builder, step.getLoc(), step.getKind(), step.getLayer(),
          step.getName().str() + "." + std::to_string(i + 1),
          FlatSymbolRefAttr(), FlatSymbolRefAttr()));
      OpBuilder::InsertionGuard guard(builder);
      builder.createBlock(&parts.back().getBody());
    }
    size_t part = 0;   // the part to which the next dispatch goes
    size_t matmul = 0; // the index of the next matmul
    const auto begins = [&](Cut place) {
      return part < program.cuts.size() && program.cuts[part] <= place;
    };
    for (DispatchOp dispatch : llvm::to_vector(step.getOps<DispatchOp>())) {
      while (begins({matmul, 0})) {
        ++part;
      }
      const bool isMatMul = dispatch.getRowsPerTile() != 0;
      const uint64_t tiles = dispatch.getBaseTiles();
      uint64_t from = 0;
      const bool isCut = isMatMul && begins({matmul, tiles - 1});
      while (isMatMul && begins({matmul, tiles - 1})) {
        const uint64_t to = program.cuts[part].tile;
        DispatchOp piece = copyTo(parts[part], dispatch);
        AIR_RETURN_IF_ERROR(limitTiles(piece, from, to));
        piece.setOverlap(true);
        from = to;
        ++part;
      }
      DispatchOp rest = copyTo(parts[part], dispatch);
      if (isCut) {
        AIR_RETURN_IF_ERROR(limitTiles(rest, from, tiles));
      }
      dispatch.erase();
      matmul += isMatMul ? 1 : 0;
    }
    return Status::ok();
  }

  static DispatchOp copyTo(StepOp step, DispatchOp dispatch) {
    OpBuilder builder = OpBuilder::atBlockEnd(&step.getBody().front());
    return cast<DispatchOp>(builder.clone(*dispatch.getOperation()));
  }
};

} // namespace
} // namespace air::compiler
