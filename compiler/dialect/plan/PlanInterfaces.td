//===- PlanInterfaces.td - what every step has -------------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD

include "mlir/IR/OpBase.td"

def Plan_StepOpInterface : OpInterface<"StepOpInterface"> {
  let cppNamespace = "::air::ir::plan";
  let description = "A step of a `plan.graph`.";
  let methods = [
    InterfaceMethod<"What it does; the plan file's word for it.",
      "::air::ir::plan::StepKind", "getStepKind">,
    InterfaceMethod<"The decoder layer, or -1 outside layers.",
      "int64_t", "getStepLayer">,
    InterfaceMethod<[{
        The value that the step writes its result over (the residual stream), or
        null. Nothing may read it after the step.
      }], "::mlir::Value", "getOverwritten", (ins), [{}],
      [{ return {}; }]>
  ];
  let extraClassDeclaration = [{
    /// "layer.3.attn_in" in a layer, else "embed": the name in the plan and in
    /// traces.
    std::string getStepName();
  }];
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANINTERFACES_TD
