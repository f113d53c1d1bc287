//===- CudaSpecAttr.h - kernels of a GPU <-> attribute ----------*- C++ -*-===//
//
// A plan.dispatch with a launch carries its CudaSpec as a dictionary, in the
// form that KernelSpecAttr.h describes. `op` names the type of the spec in
// snake case; for example, it is decode_matmul for a DecodeMatMul.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_CUDASPECATTR_H
#define AIRPACK_COMPILER_DIALECT_PLAN_CUDASPECATTR_H

#include "codegen/cuda/CudaSpec.h"
#include "compiler/dialect/plan/PlanDialect.h"

namespace air::ir::plan {

mlir::DictionaryAttr cudaSpecToAttr(mlir::MLIRContext *context,
                                    const codegen::cuda::CudaSpec &spec);

/// Converts a dictionary back to a CudaSpec. A Corrupt error names the entry
/// that is unknown, of the wrong kind, or out of range.
Result<codegen::cuda::CudaSpec> cudaSpecFromAttr(mlir::DictionaryAttr attr);

/// How the kernel multiplies activations by weights.
Arithmetic arithmeticOf(const codegen::cuda::CudaSpec &spec);

} // namespace air::ir::plan

#endif // AIRPACK_COMPILER_DIALECT_PLAN_CUDASPECATTR_H
