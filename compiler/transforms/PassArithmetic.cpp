//===- PassArithmetic.cpp - adds up the matmuls of a pass -----------------===//
#include "compiler/transforms/PassArithmetic.h"

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

ProgramOp programFor(mlir::ModuleOp module, uint64_t tokens) {
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    if (program.getMinTokens() <= tokens && tokens <= program.getMaxTokens()) {
      return program;
    }
  }
  return {};
}

Result<CpuArithmetic>
passArithmetic(mlir::ModuleOp module, uint64_t tokens,
               const MachineProfile &machine,
               const std::function<void(StepOp, double)> &add) {
  ProgramOp program = programFor(module, tokens);
  if (machine.cpu.byteDotMixed == 0 || !program) {
    return CpuArithmetic();
  }
  AIR_ASSIGN_OR_RETURN(const codegen::CpuTarget target,
                       codegen::makeCpuTarget(machine));
  double sum = 0;
  for (StepOp step : program.getOps<StepOp>()) {
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      if (dispatch.getLaunch()) {
        continue;
      }
      AIR_ASSIGN_OR_RETURN(const codegen::KernelSpec spec,
                           kernelSpecFromAttr(dispatch.getSpec()));
      if (spec.op == codegen::KernelOp::MatMul ||
          spec.op == codegen::KernelOp::GluMatMul) {
        const double operands = codegen::operandBytes(
            spec, target.isa, dispatch.getWeightBytes(), tokens);
        sum += operands;
        if (add) {
          add(step, operands);
        }
      }
    }
  }
  return CpuArithmetic{static_cast<uint64_t>(sum),
                       codegen::operandRate(target.isa)};
}

} // namespace air::compiler
