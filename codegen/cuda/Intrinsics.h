//===- Intrinsics.h - the instructions that kernels use ---------*- C++ -*-===//
//
// Kernels are C++ text that calls a small set of functions named ap_*. On a GPU
// most of these functions are one PTX instruction (PTX ISA 8.x). The tests have
// another text of these functions, which runs kernels on the host, with a fiber
// for each GPU thread. A kernel's text includes no headers.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_INTRINSICS_H
#define AIRPACK_CODEGEN_CUDA_INTRINSICS_H

#include <string_view>

namespace air::codegen::cuda {

/// The types that kernels use. The text of a kernel begins with them, for the
/// GPU and for the host.
std::string_view commonText();

/// The text of the functions ap_* for the GPU, with inline PTX.
std::string_view deviceIntrinsicsText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_INTRINSICS_H
