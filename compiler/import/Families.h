//===- Families.h - the table of architectures ------------------*- C++ -*-===//
//
// A new family needs one file with its build function, a declaration of this
// function below, and one row in Families.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_FAMILIES_H
#define AIRPACK_COMPILER_IMPORT_FAMILIES_H

#include "compiler/import/SourceReader.h"

#include "mlir/IR/BuiltinOps.h"

#include <span>

namespace air::compiler {

/// Adds the llm.model to `module`, built from the source that `reader` reads.
using BuildModel = Status (*)(SourceReader &reader, mlir::ModuleOp module);

struct Family {
  std::string_view architecture; ///< value of the key general.architecture
  BuildModel build;
};

/// Returns all families, sorted by architecture.
std::span<const Family> families();

Status buildLlama(SourceReader &reader, mlir::ModuleOp module);
Status buildQwen2(SourceReader &reader, mlir::ModuleOp module);
Status buildQwen3(SourceReader &reader, mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_FAMILIES_H
