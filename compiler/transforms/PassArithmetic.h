//===- PassArithmetic.h - the work of a pass with few tokens ----*- C++ -*-===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PASSARITHMETIC_H
#define AIRPACK_COMPILER_TRANSFORMS_PASSARITHMETIC_H

#include "compiler/dialect/plan/PlanDialect.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <functional>

namespace air::compiler {

/// The bytes of weights that the module's program for one token reads.
uint64_t decodeWeightBytes(mlir::ModuleOp module);

/// The part of decodeWeightBytes() that the kernels of the GPU read or, if
/// `onGpu` is false, those of the CPU.
uint64_t decodeWeightBytesOf(mlir::ModuleOp module, bool onGpu);

/// The module's program for batches of `tokens` tokens; null if there is none.
ir::plan::ProgramOp programFor(mlir::ModuleOp module, uint64_t tokens);

/// The arithmetic of the CPU's matmuls in a pass. Both fields are 0 if the rate
/// of the CPU is not known.
struct CpuArithmetic {
  uint64_t operands = 0; ///< bytes of vector operands
  uint64_t rate = 0;     ///< bytes/s of all cores
};

/// Calls `add` for each matmul of the CPU in a pass of `tokens` tokens whose
/// logits are all computed. The arguments of `add` are the step of the matmul
/// and the amount of its arithmetic, in bytes of vector operands
/// (kMixedOperandBytes in CpuRates.h). Returns the sum of these amounts, and
/// how many such bytes all cores together process per second. Returns zeros and
/// calls nothing if the machine does not state the rates of its cores, or if no
/// program runs such a pass. Fails as makeCpuTarget() and kernelSpecFromAttr()
/// do.
Result<CpuArithmetic>
passArithmetic(mlir::ModuleOp module, uint64_t tokens,
               const MachineProfile &machine,
               const std::function<void(ir::plan::StepOp, double)> &add = {});

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PASSARITHMETIC_H
