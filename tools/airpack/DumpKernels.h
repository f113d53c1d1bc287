//===- DumpKernels.h - the kernels of a plan as files -----------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_DUMPKERNELS_H
#define AIRPACK_TOOLS_AIRPACK_DUMPKERNELS_H

#include "compiler/driver/Compiler.h"

#include <string>

namespace air {

/// Finds out, before any work is done, whether kernels can be written into
/// `folder`. Changes nothing.
Status checkDumpFolder(const std::string &folder, const std::string &output);

/// Writes each kernel of the plan into `folder`, which is created if need be: a
/// CPU kernel as MLIR, assembly and an object file, and a GPU kernel as CUDA
/// C++ and as a cubin, PTX, or both, whichever the plan has.
Status dumpKernels(compiler::Compiler &compiler, const std::string &folder);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_DUMPKERNELS_H
