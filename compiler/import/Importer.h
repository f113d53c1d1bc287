//===- Importer.h - ModelSource -> llm dialect ------------------*- C++ -*-===//
//
// Reads a model's metadata and tensor index (never a tensor's bytes) and builds
// its graph: a module with one llm.model. Every tensor of the source and every
// metadata key of the architecture must have an effect on the graph, or be
// known to have no effect on what the model computes. Any other tensor or key
// is refused by name, because without it the graph might not compute what the
// model computes.
//
// Errors: An Unsupported error names the architecture, tensor or key, and what
// is supported. A Corrupt error names a key or tensor that is missing, a key
// with an invalid value, or a tensor with the wrong shape, with both this shape
// and the required one. An Internal error means that the graph which was built
// is not valid.
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

/// Loads the llm dialect into `context` and builds the model of `source`.
/// Oddities that do not change what the model computes are appended to `notes`,
/// one sentence each.
Result<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source,
            std::vector<std::string> *notes = nullptr);

/// Returns the architectures that importModel supports, sorted by name.
std::vector<std::string> supportedArchitectures();

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_IMPORTER_H
