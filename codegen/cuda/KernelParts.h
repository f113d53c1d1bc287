//===- KernelParts.h - what the kernels' generators share -------*- C++ -*-===//
//
// Private to codegen/cuda.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_KERNELPARTS_H
#define AIRPACK_CODEGEN_CUDA_KERNELPARTS_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

constexpr bool isNormed(MatMulInput input) {
  return input == MatMulInput::RmsNorm || input == MatMulInput::LayerNorm;
}
constexpr bool isGlu(MatMulOutput output) {
  return output == MatMulOutput::SiluGlu || output == MatMulOutput::GeluGlu;
}
constexpr uint32_t divideUp(uint32_t a, uint32_t b) {
  return a / b + (a % b ? 1 : 0);
}
constexpr uint32_t roundUp(uint32_t a, uint32_t b) {
  return divideUp(a, b) * b;
}

/// The dtype's name in lower case, and "_i" if the layout is t16i.
std::string nameInKernels(DType dtype, Layout layout = Layout::T16);
/// The parts of a kernel's name that state its input and its output.
std::string inputName(MatMulInput input);
std::string outputName(MatMulOutput output);

/// Returns Unsupported if no prefill kernel supports `maxTokens` tokens, or if
/// `dependentLaunch` is set and the target has no dependent launches. The
/// message begins with `where`.
Status checkPrefill(uint32_t maxTokens, bool dependentLaunch,
                    const CudaTarget &target, const std::string &where);

/// Returns the text that defines AP_DEPENDENT_LAUNCH as 1 or 0.
std::string dependentLaunchText(bool dependentLaunch);

/// Returns the text of three functions. With copyPieces, a warp starts to copy
/// a multiple of 16 bytes to shared memory. endCopies ends a group of copies,
/// and waitForCopies<n> waits for all groups but the latest n.
std::string_view copyText(const CudaTarget &target);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_KERNELPARTS_H
