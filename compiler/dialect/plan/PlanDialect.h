//===- PlanDialect.h - the schedule -----------------------------*- C++ -*-===//
//
// The C++ side of the .td files in this folder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_H
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_H

#include "compiler/dialect/llm/LlmDialect.h"
#include "formats/plan/Layout.h"

#include "mlir/IR/BuiltinOps.h"

#include "compiler/dialect/plan/PlanDialect.h.inc"
#include "compiler/dialect/plan/PlanEnums.h.inc"
#include "compiler/dialect/plan/PlanInterfaces.h.inc"

namespace air::ir::plan {
// Attributes of the llm dialect that the plan dialect also uses.
using llm::DTypeAttr;
using llm::HyperparametersAttr;
using llm::RopeAttr;
using llm::WeightAttr;

/// Parses a layout's bare name, e.g. x16.
mlir::FailureOr<air::Layout> parseLayoutName(mlir::AsmParser &parser);
} // namespace air::ir::plan

#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/plan/PlanAttrs.h.inc"

#define GET_OP_CLASSES
#include "compiler/dialect/plan/PlanOps.h.inc"

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_H
