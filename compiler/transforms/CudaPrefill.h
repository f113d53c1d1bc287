//===- CudaPrefill.h - kernels of a prefill ---------------------*- C++ -*-===//
//
// Chooses the kernels of a prefill that replace a kernel of a decode step.
// An operand that has the name of an operand of the replaced kernel is bound to
// the same tensor or buffer. Apart from arrays of the batch, only the operands
// "operands" and "scales" are new: the first kernel of a matmul stores the
// activations in them, and the second kernel reads them
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
/// the order of the result. There are none for a ChooseToken. Matmuls use wgmma
/// if the target and the dtype allow it.
std::vector<codegen::cuda::CudaSpec>
prefillKernels(const codegen::cuda::CudaSpec &decode, uint32_t maxRows,
               bool outputs, const codegen::cuda::CudaTarget &target,
               uint32_t multiprocessors);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_CUDAPREFILL_H
