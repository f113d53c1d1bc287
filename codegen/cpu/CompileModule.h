//===- CompileModule.h - MLIR kernels to one ELF object ---------*- C++ -*-===//
//
// Two steps, so that kernels can be made on many threads and still give the
// same bytes: each kernel becomes optimised LLVM bitcode in its own context;
// then all bitcodes, in the order given, become one relocatable object.
//
// Thread-safety: compileToBitcode may run on many threads at once.
// Errors: Internal, with LLVM's or MLIR's own words and the kernel's name. No
// call prints, aborts or exits for what the kernels of this library emit.
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

/// Lets `emit` write the body of kernel `name`, verifies, lowers, optimises.
Result<std::string>
compileToBitcode(const std::string &name, const CpuTarget &target,
                 const std::function<void(KernelBuilder &)> &emit);

/// Links bitcodes (distinct kernel names) and generates code. The object
/// defines the kernels as its only global symbols and leaves none undefined;
/// Internal names the first that is.
Result<std::vector<uint8_t>> emitObject(std::span<const std::string> bitcodes,
                                        const CpuTarget &target);

/// The same code as assembly text, for tests and for reading.
Result<std::string> emitAssembly(std::span<const std::string> bitcodes,
                                 const CpuTarget &target);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_COMPILEMODULE_H
