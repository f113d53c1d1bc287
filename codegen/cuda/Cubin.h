//===- Cubin.h - counts the instructions of a kernel ------------*- C++ -*-===//
//
// A cubin is an ELF file that has the code of kernel NAME in section
// .text.NAME. Instructions of sm_70 and later take 16 bytes (CUDA Binary
// Utilities), and the lowest 9 bits of each are its opcode.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUBIN_H
#define AIRPACK_CODEGEN_CUDA_CUBIN_H

#include "formats/support/Status.h"

#include <map>
#include <span>
#include <string>

namespace air::codegen::cuda {

/// The number of instructions of a kernel by opcode, without the padding after
/// the last branch. Corrupt for anything that is not a cubin with that kernel.
Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUBIN_H
