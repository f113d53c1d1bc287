//===- PrefillOperands.h - the activations of a prefill matmul --*- C++ -*-===//
//
// Private to codegen/cuda. The layout of "operands", which one kernel writes
// and another one reads (PrefillMatMul.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PREFILLOPERANDS_H
#define AIRPACK_CODEGEN_CUDA_PREFILLOPERANDS_H

#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/PrefillMatMul.h"

namespace air::codegen::cuda {

struct PrefillOperands {
  T16Unit unit;
  ActivationForm form;
  bool wgmma;
  uint32_t units; ///< T16 units that the columns of a matrix take
  /// Used only if form.split is true, so that each activation is stored as two
  /// 16-bit numbers: the byte offset at which the second numbers of all
  /// activations begin in a chunk.
  uint32_t lowOffset;
  uint32_t sumOffset;  ///< offset of the sums in a chunk
  uint32_t chunkBytes; ///< size of a chunk, a multiple of 16
};

/// Checks a PrefillInput (whose `input` and `epsilon` may be anything) for
/// `target`. A message begins with `where`.
Result<PrefillOperands> prefillOperands(const PrefillInput &spec,
                                        const CudaTarget &target,
                                        const std::string &where);

/// Returns the text of the constants that describe the operands.
std::string operandLiterals(const PrefillOperands &operands);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PREFILLOPERANDS_H
