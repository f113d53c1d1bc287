//===- CudaPrefill.h - kernels of a prefill ---------------------*- C++ -*-===//
//
// Chooses the kernels of a prefill that replace a kernel of a decode step.
// Their operands are those of the replaced kernel, under the same names, except
// for the arrays of the batch, and for "operands" and "scales", in which the
// first kernel of a matmul stores the activations for the second
// (codegen/cuda/PrefillMatMul.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_CUDAPREFILL_H
#define AIRPACK_COMPILER_TRANSFORMS_CUDAPREFILL_H

#include "codegen/cuda/CudaSpec.h"

namespace air::compiler {

/// Returns the kernels that compute the same as `decode`, the kernel of a
/// decode step, but for up to `maxRows` rows. These are the rows of the batch's
/// tokens or, if `outputs` is set, of the requested outputs. The kernels run in
/// the order of the result. Matmuls use wgmma if the target has it.
std::vector<codegen::cuda::CudaSpec>
prefillKernels(const codegen::cuda::CudaSpec &decode, uint32_t maxRows,
               bool outputs, const codegen::cuda::CudaTarget &target,
               uint32_t multiprocessors);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_CUDAPREFILL_H
