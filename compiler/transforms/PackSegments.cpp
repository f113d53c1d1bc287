//===- PackSegments.cpp - places tensors in segments by first use ---------===//
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "formats/abi/KernelAbi.h"
#include "formats/support/CheckedMath.h"

#include <set>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_PACKSEGMENTS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

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
    // Every program reads the same tensors. They are placed in the order of the
    // first program, which runs decode passes, because these are the most
    // frequent passes.
    for (StepOp step : programs.front().getOps<StepOp>()) {
      AIR_RETURN_IF_ERROR(packStep(builder, symbols, step));
    }

    std::set<std::string> kernels;
    module.walk([&](DispatchOp dispatch) {
      kernels.insert(dispatch.getKernel().str());
    });
    auto segment = SegmentOp::create(builder, module.getLoc(), "kernels",
                                     SegmentKind::Kernels, Codec::None,
                                     Tier::Ram, Executor::Cpu, /*raw_bytes=*/0);
    StringAttr segmentName = symbols.insert(segment);
    SmallVector<StringRef> entries(kernels.begin(), kernels.end());
    auto executable = ExecutableOp::create(
        builder, module.getLoc(), "cpu", AIR_KERNEL_ABI_VERSION,
        builder.getStrArrayAttr(entries), FlatSymbolRefAttr::get(segmentName));
    symbols.insert(executable);
    return Status::ok();
  }

  static Status packStep(OpBuilder &builder, SymbolTable &symbols,
                         StepOp step) {
    SmallVector<TensorOp> tensors;
    uint64_t cursor = 0;
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
        if (binding.getKind() != BindingKind::Tensor) {
          continue;
        }
        auto tensor = symbols.lookup<TensorOp>(binding.getTarget().getAttr());
        if (!tensor) {
          return internalError("dispatch '" + dispatch.getKernel().str() +
                               "' binds a tensor that does not exist");
        }
        if (tensor.getOffset()) {
          continue;
        }
        std::optional<uint64_t> offset =
            checkedAlignUp(cursor, AIR_BINDING_ALIGNMENT);
        std::optional<uint64_t> end =
            offset ? checkedAdd(*offset, tensor.getBytes()) : std::nullopt;
        if (!end || *end > INT64_MAX) {
          return doesNotFitError("the weights of step '" +
                                 step.getName().str() +
                                 "' are larger than 2^63 bytes");
        }
        tensor.setOffsetAttr(
            builder.getI64IntegerAttr(static_cast<int64_t>(*offset)));
        cursor = *end;
        tensors.push_back(tensor);
      }
    }
    if (tensors.empty()) {
      return Status::ok();
    }
    auto segment = SegmentOp::create(builder, step.getLoc(), step.getName(),
                                     SegmentKind::Weights, Codec::None,
                                     Tier::Ram, Executor::Cpu, cursor);
    auto name = FlatSymbolRefAttr::get(symbols.insert(segment));
    for (TensorOp tensor : tensors) {
      tensor.setSegmentAttr(name);
    }
    return Status::ok();
  }
};

} // namespace
} // namespace air::compiler
