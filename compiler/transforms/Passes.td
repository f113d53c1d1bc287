//===- Passes.td - from a model to a plan ------------------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PASSES_TD
#define AIRPACK_COMPILER_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FuseSteps : Pass<"fuse-steps", "::mlir::ModuleOp"> {
  let summary = "Lower llm.model to a plan.graph of fused steps";
  let description = [{
    Patterns first fuse ops into the steps attn_in, attn, attn_out, ffn_in,
    ffn_out and head, and llm.embed becomes the step embed. Every op that is left
    then becomes a plain step (norm, matmul, add, glu) or part of one. If no step
    can compute an op, the pass fails with an error that names the op.

    `canonicalize` must run before, because it moves llm.outputs in front of the
    final norm.
  }];
  let dependentDialects = ["::air::ir::plan::PlanDialect"];
}

def VerifySteps : Pass<"verify-steps", "::mlir::ModuleOp"> {
  let summary = "Check a plan.graph before kernels are selected";
  let description = [{
    The graph consists of steps. Unless the model has no attention, its layers
    come in order, and each has one attn_in followed by one attn, with the KV
    heads of the model's hyperparameters. Caches are numbered in the same order.
    Nothing reads a value after a step has overwritten it. The requested rows are
    selected once, and from then on only matmul steps work on them. The embedding
    and the logits have the vocabulary's size.
  }];
}

#endif // AIRPACK_COMPILER_TRANSFORMS_PASSES_TD
