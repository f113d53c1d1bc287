//===- DecodeMatMulText.h - the pieces of the kernel's text -----*- C++ -*-===//
//
// Private to codegen/cuda. A kernel is: literals, the dtype's unit, the ring of
// its fetch, the loop.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

/// What a dtype needs of the activations beside themselves.
struct ActivationForm {
  bool halves = false;       ///< order of columns (codegen/layout/T16.h)
  bool split = false;        ///< as two bfloat16 instead of a float16
  uint32_t sumColumns = 0;   ///< columns of a sum; 0: none
  bool sumsAsHalves = false; ///< float16 and remainder, for minima
  float evenFactor = 0;      ///< what a sum of even blocks of 32 is times
  float oddFactor = 0;
};

Result<ActivationForm> activationForm(DType dtype);

/// struct Unit, loadUnit, struct Sums, multiplyUnit, totalOf.
std::string unitText(DType dtype);

/// take16, take8, take4: a unit's loads.
std::string_view takeText(WeightFetch fetch);

/// struct Ring: what a warp fetches ahead.
std::string ringText(WeightFetch fetch);

/// Activations to shared memory, and the kernel.
std::string_view activationText();
std::string_view kernelText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
