//===- Importer.h - ModelSource -> llm dialect ------------------*- C++ -*-===//
//
// Reads a model's metadata and tensor index (never a tensor's bytes) and builds
// its graph: a module with one llm.model. An imported module has used up its
// source: every tensor has a place in the graph, and every metadata key of the
// architecture was understood. What is left over would make a model that
// computes something else with no error, so it is refused by name.
//
// Errors: Unsupported (architecture, tensor or key, and what is supported),
// Corrupt (a key or tensor is missing or of the wrong shape: both numbers).
//
// Thread-safety: concurrent imports into different contexts are independent.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_IMPORTER_H
#define AIRPACK_COMPILER_IMPORT_IMPORTER_H

#include "formats/model/ModelSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace air::compiler {

/// Loads the llm dialect into `context` and builds the model of `source`. What
/// is odd about the source and changes nothing is appended to `notes`, one
/// sentence each.
Result<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source,
            std::vector<std::string> *notes = nullptr);

/// Architectures that importModel knows, sorted.
std::vector<std::string> supportedArchitectures();

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_IMPORTER_H
