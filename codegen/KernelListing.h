//===- KernelListing.h - kernels in readable forms --------------*- C++ -*-===//
#ifndef AIRPACK_CODEGEN_KERNELLISTING_H
#define AIRPACK_CODEGEN_KERNELLISTING_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// One kernel at three stages of its compilation.
struct KernelListing {
  std::string name;
  std::string mlir;            ///< as it is generated, before it is lowered
  std::string assembly;        ///< the target's instructions, as text
  std::vector<uint8_t> object; ///< a relocatable ELF file of this kernel alone
};

/// Compiles each kernel by itself. Arguments and errors are those of
/// compileKernels(). The listings are sorted by name; a spec that occurs
/// several times is listed once.
Result<std::vector<KernelListing>>
listKernels(std::span<const KernelSpec> specs, const MachineProfile &target,
            unsigned threads);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELLISTING_H
