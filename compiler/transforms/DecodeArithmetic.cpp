//===- DecodeArithmetic.cpp - adds up the matmuls of a pass ---------------===//
#include "compiler/transforms/DecodeArithmetic.h"

#include "codegen/cpu/matmul/MatMulCost.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"

using namespace air::ir::plan;

namespace air::compiler {

uint64_t decodeWeightBytes(mlir::ModuleOp module) {
  uint64_t bytes = 0;
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    if (program.getMinTokens() == 1) {
      program.walk(
          [&](DispatchOp dispatch) { bytes += dispatch.getWeightBytes(); });
    }
  }
  return bytes;
}

uint64_t decodeWeightBytesOf(mlir::ModuleOp module, bool onGpu) {
  uint64_t bytes = 0;
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    if (program.getMinTokens() == 1) {
      program.walk([&](DispatchOp dispatch) {
        if (static_cast<bool>(dispatch.getLaunch()) == onGpu) {
          bytes += dispatch.getWeightBytes();
        }
      });
    }
  }
  return bytes;
}

Result<uint64_t>
decodeArithmetic(ProgramOp program, const MachineProfile &machine,
                 const std::function<void(StepOp, double)> &add) {
  if (machine.cpu.byteDotMixed == 0) {
    return uint64_t{0};
  }
  AIR_ASSIGN_OR_RETURN(const codegen::CpuTarget target,
                       codegen::makeCpuTarget(machine));
  for (StepOp step : program.getOps<StepOp>()) {
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      if (dispatch.getLaunch()) {
        continue;
      }
      AIR_ASSIGN_OR_RETURN(const codegen::KernelSpec spec,
                           kernelSpecFromAttr(dispatch.getSpec()));
      if (spec.op == codegen::KernelOp::MatMul ||
          spec.op == codegen::KernelOp::GluMatMul) {
        add(step,
            codegen::operandBytes(spec, target.isa, dispatch.getWeightBytes()));
      }
    }
  }
  return codegen::operandRate(target.isa);
}

} // namespace air::compiler
