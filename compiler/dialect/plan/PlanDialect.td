//===- PlanDialect.td - the schedule -----------------------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::air::ir::plan";
  let summary = "What a machine does, step by step, to run a model";
  let description = [{
    One module a plan. It is lowered in place, through three altitudes:

    1. `plan.graph`: fused steps in SSA on activations (PlanStepOps.td). Weights
       are still names of the source's tensors.
    2. After kernel selection (PlanOps.td): `plan.tensor`s as kernels read them,
       `plan.buffer`s, and one `plan.program` a class of batch sizes, whose
       `plan.step`s hold `plan.dispatch`es. No SSA values are left.
    3. After planning: segments, the read order, the arena's offsets, budgets and
       predictions. What formats/plan/plan.fbs holds, field by field.
  }];
  let dependentDialects = ["::air::ir::llm::LlmDialect"];
  let useDefaultAttributePrinterParser = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_TD
