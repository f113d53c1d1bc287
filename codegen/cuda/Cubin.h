//===- Cubin.h - what the machine code of a kernel contains -----*- C++ -*-===//
//
// A cubin is an ELF file with the machine code of a GPU. The code of kernel
// NAME is in section .text.NAME, and its static shared memory is described by
// section .nv.shared.NAME. Instructions of sm_70 and later take 16 bytes (CUDA
// Binary Utilities), and the lowest 9 bits of each are its opcode.
//
// Section .nv.info has the number of registers, and .nv.info.NAME the
// parameters. Both consist of records: a byte for the format, a byte for the
// attribute, and two bytes for a value, or for the size of the data that
// follow. NVIDIA does not document these records; `cuobjdump --dump-elf` shows
// them.
//
// Thread-safety: pure functions. Errors: Corrupt if a file is not a cubin that
// contains the kernel, or does not state what is asked for.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CUBIN_H
#define AIRPACK_CODEGEN_CUDA_CUBIN_H

#include "formats/support/Status.h"

#include <map>
#include <span>
#include <string>

namespace air::codegen::cuda {

/// The resources of a GPU that a kernel needs.
struct CubinFacts {
  uint64_t codeBytes = 0; ///< size of the instructions
  uint32_t registers = 0; ///< registers per thread
  /// The bytes of shared memory that the kernel itself declares for a block.
  /// They include neither the dynamic shared memory of a launch nor what CUDA
  /// reserves.
  uint64_t staticSharedBytes = 0;
};

/// Returns the resources that kernel `name` of a cubin needs.
Result<CubinFacts> cubinFacts(std::span<const uint8_t> cubin,
                              const std::string &name);

/// Counts the instructions of kernel `name` by opcode, without the NOPs that
/// pad the end of its code.
Result<std::map<uint32_t, uint64_t>>
countInstructions(std::span<const uint8_t> cubin, const std::string &name);

/// Returns the number of parameters of kernel `name`.
Result<uint32_t> countParameters(std::span<const uint8_t> cubin,
                                 const std::string &name);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CUBIN_H
