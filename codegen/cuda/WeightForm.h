//===- WeightForm.h - which layout a GPU multiplies faster ------*- C++ -*-===//
//
// IQ1, IQ2 and IQ3 have two layouts for GPUs: t16 with a code for each element
// (formats/plan/T16.h), and t16i with indices of a codebook
// (formats/plan/T16Indices.h). The latter is smaller, but its kernels execute
// more instructions and look up random words in shared memory. Which one is
// faster depends on the GPU. The model here predicts the time of a decode step
// with one token as the longest of three times, in clock cycles of a
// multiprocessor per weight:
//
//   memory  the bytes of a weight / (the bytes that VRAM delivers to a
//           multiprocessor per cycle)
//   issue   the instructions for a weight / (128 * 0.7): each of a
//           multiprocessor's four schedulers issues one instruction for 32
//           threads per cycle, and real code reaches 70 % of that
//   shared  the cycles in which the shared memory is occupied
//
// Latencies are not part of the model. Kernels for t16i have longer chains of
// instructions that wait for each other, so a small predicted gain does not
// count. Nor does the model take into account that a multiprocessor of some
// GPUs executes fewer than 128 integer instructions per cycle (PRMT, shifts and
// logic).
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_WEIGHTFORM_H
#define AIRPACK_CODEGEN_CUDA_WEIGHTFORM_H

#include "codegen/cuda/CudaTarget.h"
#include "formats/plan/Layout.h"

namespace air::codegen::cuda {

/// What a weight costs in a kernel of a decode step with one token.
struct WeightWork {
  double bytes;
  double instructions; ///< of a thread, as CudaCompileTest counts them
  double sharedCycles;
};

/// Returns the costs of a dtype in layout t16 or t16i, or Unsupported if the
/// dtype does not have both layouts.
Result<WeightWork> weightWork(DType dtype, Layout layout);

/// The three times that the model predicts for a decode step with one token, in
/// clock cycles of a multiprocessor per weight (see the top of this file).
struct WeightTime {
  double memory, issue, shared;
  double longest() const;
};
WeightTime weightTime(const WeightWork &work, double bytesPerCycle);

/// Returns the bytes that one multiprocessor gets from VRAM per clock cycle, at
/// a clock frequency that is typical of the target's architecture.
/// `memoryBandwidth` is that of the whole GPU, in bytes/s. Returns 0 if the
/// result is not known, because `memoryBandwidth` or `multiprocessors` is 0 or
/// no clock frequency is known for the architecture.
double bytesPerCycle(const CudaTarget &target, uint32_t multiprocessors,
                     uint64_t memoryBandwidth);

inline constexpr double kFasterThan = 0.9;

/// The layout of a weight matrix on a GPU: t16i if the dtype has it and its
/// predicted time is less than kFasterThan times that of t16. Otherwise it is
/// t16, also if nothing can be predicted because bytesPerCycle() returns 0.
Layout weightLayout(DType dtype, const CudaTarget &target,
                    uint32_t multiprocessors, uint64_t memoryBandwidth);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_WEIGHTFORM_H
