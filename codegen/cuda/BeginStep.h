//===- BeginStep.h - embeddings and rotation angles as CUDA text *- C++ -*-===//
//
// The kernel that begins a decode step or a prefill: for each token, it
// dequantises the token's row of the embedding table, and computes the cosines
// and sines of RoPE for the token's position. Token ids and positions lie in
// device memory, so a step can be repeated without the host. If other kernels
// have computed the embeddings, the kernel only computes the angles.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_BEGINSTEP_H
#define AIRPACK_CODEGEN_CUDA_BEGINSTEP_H

#include "codegen/cuda/PrefillMatMul.h"

namespace air::codegen::cuda {

struct BeginStep {
  /// The dtype of the table of embeddings, which may be any dtype of weights.
  /// The table's rows are stored as in GGUF.
  DType dtype = DType::Q4_K;
  /// The number of rows of the table; 0 if no embeddings are needed.
  uint32_t vocabulary = 0;
  uint32_t columns = 0;
  uint32_t tokens = 1; ///< 1 to kMaxPrefillTokens
  /// Whether the number of tokens is read from device memory. `tokens` is then
  /// the largest number of tokens.
  bool countInMemory = false;
  float scale = 1;      ///< factor for the embeddings
  uint32_t ropeDim = 0; ///< even; 0 if no angles are needed
  float angleScale = 1; ///< factor for the cosines and sines
  bool dependentLaunch = false;
};

std::string beginStepName(const BeginStep &spec, const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: if vocabulary is not 0,
/// "token_ids" (uint32 [tokens]), "table" and "x" (float32 [tokens][columns]);
/// if ropeDim is not 0, "rope_positions" (uint32 [tokens]), "inverse_frequency"
/// (float64 [ropeDim/2], with values in [0, 2^19]) and "angles" (float32
/// [tokens][ropeDim], as RopeAngles in codegen/KernelSpec.h); and if
/// countInMemory is set, "token_count" (uint32). If a token's id is outside the
/// vocabulary, its row of x is all NaN. Returns Unsupported if a number is out
/// of range, the dtype is not one of weights, the target does not support the
/// dependent launches that are requested, or the kernel would compute nothing.
Result<CudaKernel> generateBeginStep(const BeginStep &spec,
                                     const CudaTarget &target,
                                     std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_BEGINSTEP_H
