//===- DecodeMatMulText.h - the pieces of the kernel's text -----*- C++ -*-===//
//
// Private to codegen/cuda. A kernel's text consists of the literals, the unit
// of the dtype, the ring of the fetch, the activations and the main loop.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

/// The form in which a dtype's kernels need the activations.
struct ActivationForm {
  bool halves = false;       ///< order "halves" of columns (layout/T16.h)
  bool split = false;        ///< two bfloat16 numbers instead of a float16
  uint32_t sumColumns = 0;   ///< columns per sum; 0 means no sums
  bool sumsAsHalves = false; ///< sums as float16 and remainder, for minima
  float evenFactor = 0;      ///< factor of the sums of even blocks of 32
  float oddFactor = 0;
};

Result<ActivationForm> activationForm(DType dtype);

/// Text of struct Unit, loadUnit, struct Sums, multiplyUnit and totalOf.
std::string unitText(DType dtype);

/// Text of take16, take8 and take4, with which loadUnit reads.
std::string_view takeText(WeightFetch fetch);

/// Text of struct Ring, which prefetches a warp's units.
std::string ringText(WeightFetch fetch);

/// Text of stageActivations, and of the kernel with its reductions.
std::string_view activationText();
std::string_view kernelText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
