//===- PackSegments.cpp - places tensors in segments by first use ---------===//
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "formats/abi/KernelAbi.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/CheckedMath.h"

#include <set>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_PACKSEGMENTS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

/// If a dispatch multiplies by two matrices and is divided into parts, its
/// first part needs the beginning of the second matrix, and its last part the
/// end of the first matrix. If both were in one chunk, the chunk would be read
/// for the first part and have to be kept until the last one, so a large second
/// matrix begins at a chunk of its own. This wastes at most one chunk, which is
/// too much for a matrix of fewer bytes than kLargeMatrix.
constexpr uint64_t kLargeMatrix = uint64_t{8} << 20;

struct PackSegments : StatusPass<impl::PackSegmentsBase<PackSegments>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    auto programs = llvm::to_vector(module.getOps<ProgramOp>());
    if (programs.empty()) {
      return internalError("the module has no plan.program");
    }
    OpBuilder builder(programs.front());
    // Every program reads the same tensors. They are placed in the order in
    // which the first program reads them. It runs decode passes, which are the
    // most frequent ones. Tables from which rows are only gathered come last,
    // because no step needs a whole table.
    SmallVector<StepOp> gathers;
    for (StepOp step : programs.front().getOps<StepOp>()) {
      if (step.getKind() == StepKind::Embed) {
        gathers.push_back(step);
      } else {
        AIR_RETURN_IF_ERROR(
            packStep(builder, symbols, step, SegmentKind::Weights));
      }
    }

    // The names of the CPU's kernels, which share one executable, and of the
    // GPU kernels, each of which has an executable of its own.
    std::set<std::string> kernels;
    std::set<std::string> gpuKernels;
    module.walk([&](DispatchOp dispatch) {
      (dispatch.getLaunch() ? gpuKernels : kernels)
          .insert(dispatch.getKernel().str());
    });
    SmallVector<StringRef> entries(kernels.begin(), kernels.end());
    if (!entries.empty()) {
      addExecutable(builder, symbols, "kernels", "cpu", entries, 0);
    }
    for (const std::string &kernel : gpuKernels) {
      addExecutable(builder, symbols, "kernel." + kernel, kernel,
                    StringRef(kernel), 1);
    }
    for (StepOp step : gathers) {
      AIR_RETURN_IF_ERROR(packStep(builder, symbols, step, SegmentKind::Table));
    }
    return Status::ok();
  }

  /// Adds an executable with a segment of its own.
  void addExecutable(OpBuilder &builder, SymbolTable &symbols,
                     StringRef segmentName, StringRef name,
                     ArrayRef<StringRef> entries, int64_t device) {
    Location loc = getOperation().getLoc();
    auto segment =
        SegmentOp::create(builder, loc, segmentName, SegmentKind::Kernels,
                          Codec::None, /*raw_bytes=*/0);
    auto executable =
        ExecutableOp::create(builder, loc, builder.getStringAttr(name),
                             builder.getI64IntegerAttr(AIR_KERNEL_ABI_VERSION),
                             builder.getStrArrayAttr(entries),
                             FlatSymbolRefAttr::get(symbols.insert(segment)),
                             builder.getI64IntegerAttr(device));
    symbols.insert(executable);
  }

  /// Puts the tensors of `step` that have no place yet into a new segment.
  static Status packStep(OpBuilder &builder, SymbolTable &symbols, StepOp step,
                         SegmentKind kind) {
    SmallVector<TensorOp> tensors;
    llvm::SmallPtrSet<Operation *, 2> ownChunks;
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      uint64_t matrices = 0;
      for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
        if (binding.getKind() != BindingKind::Tensor) {
          continue;
        }
        auto tensor = symbols.lookup<TensorOp>(binding.getTarget().getAttr());
        if (!tensor) {
          return internalError("dispatch '" + dispatch.getKernel().str() +
                               "' binds a tensor that does not exist");
        }
        if (!tensor.getOffset() && !llvm::is_contained(tensors, tensor)) {
          tensors.push_back(tensor);
        }
        matrices += tensor.getRows() > 1 ? 1 : 0;
        if (matrices > 1 && tensor.getBytes() >= kLargeMatrix) {
          ownChunks.insert(tensor);
        }
      }
    }
    // The vectors come first, because what stays in RAM is always the start of
    // a segment. Vectors must stay in RAM: if the step is divided later, all of
    // its parts may need them.
    llvm::stable_sort(tensors, [](TensorOp a, TensorOp b) {
      return a.getRows() == 1 && b.getRows() != 1;
    });
    uint64_t cursor = 0;
    for (TensorOp tensor : tensors) {
      std::optional<uint64_t> offset = checkedAlignUp(
          cursor, ownChunks.contains(tensor)
                      ? digestChunkBytes(plan::SegmentKind::Weights)
                      : AIR_BINDING_ALIGNMENT);
      std::optional<uint64_t> end =
          offset ? checkedAdd(*offset, tensor.getBytes()) : std::nullopt;
      if (!end || *end > INT64_MAX) {
        return doesNotFitError("the weights of step '" + step.getName().str() +
                               "' take 2^63 bytes or more");
      }
      tensor.setOffsetAttr(
          builder.getI64IntegerAttr(static_cast<int64_t>(*offset)));
      cursor = *end;
    }
    if (tensors.empty()) {
      return Status::ok();
    }
    auto segment = SegmentOp::create(builder, step.getLoc(), step.getName(),
                                     kind, Codec::None, cursor);
    auto name = FlatSymbolRefAttr::get(symbols.insert(segment));
    for (TensorOp tensor : tensors) {
      tensor.setSegmentAttr(name);
    }
    return Status::ok();
  }
};

} // namespace
} // namespace air::compiler
