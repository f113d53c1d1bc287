//===- Cubin.h - what a kernel's machine code is made of --------*- C++ -*-===//
//
// A cubin is an ELF file with the code of kernel NAME in section .text.NAME.
// Instructions of sm_70 and later take 16 bytes (CUDA Binary Utilities); the
// lowest 9 bits of each say what it does.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUBIN_H
#define AIRPACK_CODEGEN_CUDA_CUBIN_H

#include "formats/support/Status.h"

#include <map>
#include <span>
#include <string>

namespace air::codegen::cuda {

/// Instructions of a kernel by the lowest 9 bits of their code, the padding
/// after the last jump left out. Corrupt for anything that is no cubin with
/// that kernel.
Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUBIN_H
