//===- Intrinsics.h - the instructions that kernels name --------*- C++ -*-===//
//
// Kernels are C++ text over a small set of functions ap_*. On a GPU each is an
// instruction of PTX (PTX ISA 8.x); the tests have a second text of the same
// functions for the host, over fibers. A kernel's text includes no header.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_INTRINSICS_H
#define AIRPACK_CODEGEN_CUDA_INTRINSICS_H

#include <string_view>

namespace air::codegen::cuda {

/// Types, and functions without an instruction of one machine: both the GPU's
/// and the host's text begin with it.
std::string_view commonText();

/// The functions as PTX.
std::string_view deviceIntrinsicsText();

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_INTRINSICS_H
