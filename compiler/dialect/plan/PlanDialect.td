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
  let summary = "The schedule by which a machine runs a model, step by step";
  let description = [{
    A module holds one plan. It is lowered in place through three levels:

    1. `plan.graph` holds fused steps in SSA form on activations
       (PlanStepOps.td). Weights are still names of source tensors.
    2. After kernel selection (PlanOps.td) there are `plan.tensor`s as kernels
       read them, `plan.buffer`s, and one `plan.program` per class of batch
       sizes, whose `plan.step`s hold `plan.dispatch`es. No SSA values are left.
    3. After planning there are also segments, the read order, the offsets of
       buffers in their arenas, budgets and predictions, which correspond to the
       records of formats/plan/plan.fbs.
  }];
  let dependentDialects = ["::air::ir::llm::LlmDialect"];
  let useDefaultAttributePrinterParser = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANDIALECT_TD
