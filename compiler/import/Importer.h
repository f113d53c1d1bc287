//===- Importer.h - ModelSource -> llm dialect ------------------*- C++ -*-===//
//
// Reads a model's metadata and tensor index (never a tensor's bytes) and builds
// its graph: a module with one llm.model. Every tensor of the source must have
// a place in the graph, and every metadata key of the architecture must be
// understood. If one of them were ignored, the graph might not compute what the
// model computes, so whatever is left over is refused by name.
//
// Errors: An Unsupported error names the architecture, tensor or key, and what
// is supported. A Corrupt error names a key or tensor that is missing, a key
// with an invalid value, or a tensor with the wrong shape. For a tensor, it
// states both the shape and the required one.
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
