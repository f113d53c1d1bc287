//===- PlanInterfaces.td - the interface of steps ----------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD

include "mlir/IR/OpBase.td"

def Plan_StepOpInterface : OpInterface<"StepOpInterface"> {
  let cppNamespace = "::air::ir::plan";
  let description = "A step of a `plan.graph`.";
  let methods = [
    InterfaceMethod<"What the step computes, as the plan file names it.",
      "::air::ir::plan::StepKind", "getStepKind">,
    InterfaceMethod<"The decoder layer, or -1 outside layers.",
      "int64_t", "getStepLayer">,
    InterfaceMethod<[{
        The value that the step overwrites with its result (the residual
        stream), or null. Nothing may read that value after the step.
      }], "::mlir::Value", "getOverwritten", (ins), [{}],
      [{ return {}; }]>
  ];
  let extraClassDeclaration = [{
    /// The step's name in the plan and in traces: "layer.3.attn_in" for a step
    /// of layer 3, "embed" for a step that belongs to no layer.
    std::string getStepName();
  }];
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD
