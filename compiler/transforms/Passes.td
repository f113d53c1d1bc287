//===- Passes.td - from a model to a plan ------------------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PASSES_TD
#define AIRPACK_COMPILER_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FuseSteps : Pass<"fuse-steps", "::mlir::ModuleOp"> {
  let summary = "llm.model -> plan.graph of fused steps";
  let description = [{
    Patterns first gather what one step does (attn_in, attn, attn_out, ffn_in,
    ffn_out, head); then every op that is left becomes a plain step (norm,
    matmul, add, glu). An op that no step does is an error that names it.

    Run `canonicalize` before: it brings llm.outputs next to the final norm.
  }];
  let dependentDialects = ["::air::ir::plan::PlanDialect"];
}

def VerifySteps : Pass<"verify-steps", "::mlir::ModuleOp"> {
  let summary = "What must hold of a plan.graph before kernels are selected";
  let description = [{
    Steps only; each layer appends and attends once, in order, with the heads
    that the model's hyperparameters tell; nothing reads a value after a step
    wrote over it; asked rows are selected once, and only steps that can work on
    them do; embedding and logits have the vocabulary's size.
  }];
}

#endif // AIRPACK_COMPILER_TRANSFORMS_PASSES_TD
