//===- Importer.cpp - ModelSource -> llm dialect ----------------*- C++ -*-===//
#include "compiler/import/Importer.h"

#include "compiler/dialect/llm/LlmDialect.h"
#include "compiler/import/Families.h"
#include "formats/support/Printable.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

namespace air::compiler {

std::vector<std::string> supportedArchitectures() {
  std::vector<std::string> names;
  for (const Family &family : families()) {
    names.emplace_back(family.architecture);
  }
  return names;
}

static Result<const Family *> familyOf(const ModelSource &source) {
  std::string known;
  for (const std::string &name : supportedArchitectures()) {
    known += (known.empty() ? "" : ", ") + name;
  }
  std::optional<std::string> architecture =
      source.getString("general.architecture");
  if (!architecture) {
    return corruptError(
        "key 'general.architecture' is missing; supported architectures: " +
        known);
  }
  // GGUF files may also hold adapters and projectors, which are not whole
  // models.
  std::string type = source.getString("general.type").value_or("model");
  if (type != "model") {
    return unsupportedError("key 'general.type' is " + inQuotes(type) +
                            "; only 'model' is supported");
  }
  for (const Family &family : families()) {
    if (family.architecture == *architecture) {
      return &family;
    }
  }
  return unsupportedError(
      "architecture " + inQuotes(*architecture) +
      " is not supported; supported architectures: " + known);
}

Result<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source,
            std::vector<std::string> *notes) {
  AIR_ASSIGN_OR_RETURN(const Family *family, familyOf(source));
  context.loadDialect<ir::llm::LlmDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(
      mlir::NameLoc::get(mlir::StringAttr::get(&context, "model")));

  SourceReader reader(source, std::string(family->architecture));
  AIR_RETURN_IF_ERROR(family->build(reader, *module));
  AIR_RETURN_IF_ERROR(reader.finish());
  if (notes != nullptr) {
    notes->insert(notes->end(), reader.notes().begin(), reader.notes().end());
  }

  std::string complaint;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          complaint += diagnostic.str();
                                          return mlir::success();
                                        });
  if (mlir::failed(mlir::verify(*module))) {
    return internalError("the imported model fails verification: " + complaint);
  }
  return module;
}

} // namespace air::compiler
