//===- CompileModule.h - MLIR kernels to one ELF object ---------*- C++ -*-===//
//
// Compilation has two steps, so that it can run on many threads and still
// produce the same bytes. First, each kernel becomes optimised LLVM bitcode in
// a context of its own. Then all bitcodes, in the order in which the caller
// passes them, become one relocatable object.
//
// Thread-safety: compileToBitcode may run on many threads at once. Errors:
// Internal. The message contains that of LLVM or MLIR if there is one. If
// compileToBitcode() fails because of the kernel, it names the kernel. For
// kernels that this library emits, LLVM and MLIR neither print anything nor
// abort.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_COMPILEMODULE_H
#define AIRPACK_CODEGEN_CPU_COMPILEMODULE_H

#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/builder/KernelBuilder.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace air::codegen {

/// Calls `emit` to write the body of kernel `name`, then verifies, lowers and
/// optimises the kernel. Returns LLVM bitcode. If `mlir` is not null, it
/// receives the text of the kernel before it is lowered.
Result<std::string>
compileToBitcode(const std::string &name, const CpuTarget &target,
                 const std::function<void(KernelBuilder &)> &emit,
                 std::string *mlir = nullptr);

/// Links bitcodes, whose kernel names must be distinct, and returns a
/// relocatable ELF object. The kernels are the only global symbols that the
/// object defines. If the object has undefined symbols, an Internal error names
/// the first one.
Result<std::vector<uint8_t>> emitObject(std::span<const std::string> bitcodes,
                                        const CpuTarget &target);

/// Returns, as assembly text, the code that emitObject() puts into the object.
/// This is for tests and inspection.
Result<std::string> emitAssembly(std::span<const std::string> bitcodes,
                                 const CpuTarget &target);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_COMPILEMODULE_H
