//===- DecodeArithmetic.h - the work of a decode pass -----------*- C++ -*-===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_DECODEARITHMETIC_H
#define AIRPACK_COMPILER_TRANSFORMS_DECODEARITHMETIC_H

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

/// Calls `add` for each matmul of `program`, which must be the program for one
/// token. The arguments of `add` are the step of the matmul and the amount of
/// its arithmetic, in bytes of vector operands (kMixedOperandBytes in
/// CpuRates.h). Returns how many such bytes all cores together process per
/// second. Returns 0 and calls nothing if the machine does not state the rates
/// of its cores. Fails as makeCpuTarget() and kernelSpecFromAttr() do.
Result<uint64_t>
decodeArithmetic(ir::plan::ProgramOp program, const MachineProfile &machine,
                 const std::function<void(ir::plan::StepOp, double)> &add);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_DECODEARITHMETIC_H
