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
  /// If form.split is true, each activation is stored as two 16-bit numbers.
  /// The second numbers of all activations then begin at this byte offset in a
  /// chunk. Otherwise, this offset is not used.
  uint32_t lowOffset;
  uint32_t sumOffset;  ///< offset of the sums in a chunk
  uint32_t chunkBytes; ///< size of a chunk, a multiple of 16
};

/// Returns the layout of the operands that the kernel of `spec` writes on
/// `target`. Does not check spec.input and spec.epsilon. Returns Unsupported if
/// anything else in `spec` is not supported. The message begins with `where`,
/// which names the kernel, unless the dtype has no layout t16.
Result<PrefillOperands> prefillOperands(const PrefillInput &spec,
                                        const CudaTarget &target,
                                        const std::string &where);

/// Returns the text of the constants that describe the operands.
std::string operandLiterals(const PrefillOperands &operands);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PREFILLOPERANDS_H
