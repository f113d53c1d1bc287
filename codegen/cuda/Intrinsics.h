//===- Intrinsics.h - the instructions that kernels use ---------*- C++ -*-===//
//
// Kernels are C++ text that uses a small set of functions ap_*. On a GPU most
// of them are one PTX instruction (PTX ISA 8.x). The tests have a second text
// of the same functions, which runs on the host with fibers. A kernel's text
// includes no headers.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_INTRINSICS_H
#define AIRPACK_CODEGEN_CUDA_INTRINSICS_H

#include <string_view>

namespace air::codegen::cuda {

/// Types, and functions that need no special instruction. The texts for the GPU
/// and for the host both begin with it.
std::string_view commonText();

/// The functions ap_* for the GPU, as inline PTX.
std::string_view deviceIntrinsicsText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_INTRINSICS_H
