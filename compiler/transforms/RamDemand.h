//===- RamDemand.h - the RAM that a plan module needs -----------*- C++ -*-===//
//
// These functions collect the input of planner/Budget.h from the ops of a
// packed module.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H
#define AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H

#include "compiler/planner/Budget.h"
#include "formats/machine/MachineProfile.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

/// Returns what the plan needs in RAM besides its weights. Kernels count with
/// the size of their segment. `vocabularyBytes` is the size of the vocabulary
/// in the plan's metadata, in bytes. `reference` says whether the plan is a
/// reference plan.
RamDemand ramDemandOf(mlir::ModuleOp module, const MachineProfile &profile,
                      uint64_t vocabularyBytes, bool reference);

/// Returns the RAM that airrun itself takes for the module's plan, including
/// the digests of its segments.
uint64_t processBytesOf(mlir::ModuleOp module, uint64_t vocabularyBytes);

/// Returns the segments of weights and the sizes of the tables (segments of
/// kind Table), both in the order in which the module lists them. For each
/// segment of weights, the result states which steps need which of its bytes.
/// Steps are numbered from 0 in each program, and all programs share one set of
/// numbers: step i of the result needs the bytes that step i of at least one
/// program needs.
WeightProblem weightProblemOf(mlir::ModuleOp module);

/// The options of the passes place-weights and compile-kernels that concern
/// RAM.
struct PlacementOptions {
  uint64_t ram = 0;    ///< bytes; 0 means the memory of the machine
  bool streams = true; ///< whether weights may be read from the disk
  int pinned = -1;     ///< percent of the weights in RAM; -1: all that fit
};
RamLimit ramLimitOf(const PlacementOptions &options,
                    const MachineProfile &profile);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_RAMDEMAND_H
