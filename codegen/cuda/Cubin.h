//===- Cubin.h - instructions and parameters of a kernel --------*- C++ -*-===//
//
// A cubin is an ELF file with the machine code of a GPU. The code of kernel
// NAME is in section .text.NAME. Instructions of sm_70 and later take 16 bytes
// (CUDA Binary Utilities), and the lowest 9 bits of each are its opcode.
// Section .nv.info.NAME consists of records: a byte for the format, a byte for
// the kind, and two bytes for a value, or for the size of the data that follow.
// NVIDIA does not document these records; `cuobjdump --dump-elf` shows them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUBIN_H
#define AIRPACK_CODEGEN_CUDA_CUBIN_H

#include "formats/support/Status.h"

#include <map>
#include <span>
#include <string>

namespace air::codegen::cuda {

/// Counts the instructions of kernel `name` by opcode, without the NOPs that
/// pad the end of its code. Returns Corrupt if `cubin` is not a cubin that
/// contains this kernel.
Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name);

/// Returns the number of parameters of kernel `name`. Returns Corrupt if
/// `cubin` is not a cubin that contains this kernel.
Result<uint32_t> countParameters(std::span<const uint8_t> cubin,
                                 const std::string &name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUBIN_H
