//===- PlanStepOps.td - fused steps in SSA -----------------*- tablegen -*-===//
//
// The ops of level 1 (see PlanDialect.td). Every op in this file except
// plan.model, plan.graph and plan.return is a step.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_PLANSTEPOPS_TD
#define AIRPACK_COMPILER_DIALECT_PLAN_PLANSTEPOPS_TD

include "compiler/dialect/llm/LlmTypes.td"
include "compiler/dialect/plan/PlanAttrs.td"
include "compiler/dialect/plan/PlanInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Plan_Op<string mnemonic, list<Trait> traits = []>
    : Op<Plan_Dialect, mnemonic, traits>;

def Plan_KvCache : Resource<"::air::ir::llm::KvCacheResource">;

def Plan_ModelOp : Plan_Op<"model", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "The model's hyperparameters; a module has one such op at every level";
  let arguments = (ins Llm_HyperparametersAttr:$hyperparameters);
  let assemblyFormat = "$hyperparameters attr-dict";
}

def Plan_GraphOp : Plan_Op<"graph", [IsolatedFromAbove, Symbol, SingleBlock]> {
  let summary = "The steps of a pass: token ids in, requested rows of logits out";
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let extraClassDeclaration = [{
    ::mlir::BlockArgument getIds() { return getBody().getArgument(0); }
  }];
  let hasRegionVerifier = 1;
}

def Plan_ReturnOp : Plan_Op<"return", [Pure, Terminator, HasParent<"GraphOp">]> {
  let summary = "The logits";
  let arguments = (ins Llm_Activation:$logits);
  let assemblyFormat = "$logits attr-dict `:` type($logits)";
}

// The base class of all steps of a plan.graph. Steps are never reordered or
// merged: the runtime executes them in the order of the graph.
class Plan_GraphStep<string mnemonic, string kind, string layer, list<Trait> traits = []>
    : Plan_Op<mnemonic, !listconcat(traits, [Plan_StepOpInterface])> {
  let results = (outs Llm_Activation:$result);
  code stepMethods = [{
    ::air::ir::plan::StepKind getStepKind() { return StepKind::}] # kind # [{; }
    int64_t getStepLayer() { return }] # layer # [{; }
  }];
  let extraClassDeclaration = stepMethods;
  let hasVerifier = 1;
}

class Plan_LayerStep<string mnemonic, string kind, list<Trait> traits = []>
    : Plan_GraphStep<mnemonic, kind, "static_cast<int64_t>(getLayer())", traits>;

def Plan_EmbedOp : Plan_GraphStep<"embed", "Embed", "-1", [Pure]> {
  let summary = "x = scale * rows of the table";
  let arguments = (ins Llm_TokenIds:$ids, Llm_WeightAttr:$table,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let assemblyFormat = [{
    $ids $table (`scale` $scale^)? attr-dict `:` type($result)
  }];
}

def Plan_AttnInOp : Plan_LayerStep<"attn_in", "AttnIn", [
    MemoryEffects<[MemWrite<Plan_KvCache>]>]> {
  let summary = "x -> q; appends k and v to a cache";
  let description = [{
    In order: the norm if present, the three projections with their biases,
    QK-norm if present, rope if present, and the append. A row of the result
    holds q, then k and v: (heads + 2 * kv_heads) * head_dim elements.
  }];
  let arguments = (ins
    Llm_Activation:$x,
    Plan_Size:$layer, Plan_Size:$cache,
    I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim,
    OptionalAttr<Llm_WeightAttr>:$norm, OptionalAttr<F32Attr>:$epsilon,
    Llm_WeightAttr:$q, OptionalAttr<Llm_WeightAttr>:$q_bias,
    Llm_WeightAttr:$k, OptionalAttr<Llm_WeightAttr>:$k_bias,
    Llm_WeightAttr:$v, OptionalAttr<Llm_WeightAttr>:$v_bias,
    OptionalAttr<Llm_WeightAttr>:$q_norm, OptionalAttr<Llm_WeightAttr>:$k_norm,
    OptionalAttr<F32Attr>:$qk_epsilon,
    OptionalAttr<Llm_RopeAttr>:$rope);
  let assemblyFormat = [{
    $x `layer` $layer `cache` $cache `heads` $heads `kv_heads` $kv_heads `head_dim` $head_dim
    (`norm` $norm^ `epsilon` $epsilon)?
    `q` $q (`bias` $q_bias^)? `k` $k (`bias` $k_bias^)? `v` $v (`bias` $v_bias^)?
    (`q_norm` $q_norm^ `k_norm` $k_norm `epsilon` $qk_epsilon)?
    (`rope` $rope^)? attr-dict `:` type($x) `->` type($result)
  }];
}

def Plan_AttnOp : Plan_LayerStep<"attn", "Attn", [
    MemoryEffects<[MemRead<Plan_KvCache>]>]> {
  let summary = "q and a cache -> heads";
  let arguments = (ins Llm_Activation:$qkv, Plan_Size:$layer, Plan_Size:$cache,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim,
                       F32Attr:$scale);
  let assemblyFormat = [{
    $qkv `layer` $layer `cache` $cache `heads` $heads `kv_heads` $kv_heads `head_dim` $head_dim
    `scale` $scale attr-dict `:` type($qkv) `->` type($result)
  }];
}

class Plan_ProjectAddOp<string mnemonic, string kind>
    : Plan_LayerStep<mnemonic, kind, [Pure, AllTypesMatch<["residual", "result"]>]> {
  let arguments = (ins Llm_Activation:$x, Llm_Activation:$residual,
                       Plan_Size:$layer, Llm_WeightAttr:$weight,
                       OptionalAttr<Llm_WeightAttr>:$bias);
  let assemblyFormat = [{
    $x `into` $residual `layer` $layer $weight (`bias` $bias^)? attr-dict
    `:` type($x) `->` type($result)
  }];
  let extraClassDeclaration = stepMethods # [{
    ::mlir::Value getOverwritten() { return getResidual(); }
  }];
}

def Plan_AttnOutOp : Plan_ProjectAddOp<"attn_out", "AttnOut"> {
  let summary = "residual += projection of the heads";
}

def Plan_FfnOutOp : Plan_ProjectAddOp<"ffn_out", "FfnOut"> {
  let summary = "residual += down projection";
}

def Plan_FfnInOp : Plan_LayerStep<"ffn_in", "FfnIn", [Pure]> {
  let summary = "h = silu(gate . n) * (up . n), n = norm(x) or x";
  let arguments = (ins Llm_Activation:$x, Plan_Size:$layer,
                       OptionalAttr<Llm_WeightAttr>:$norm,
                       OptionalAttr<F32Attr>:$epsilon,
                       Llm_WeightAttr:$gate, Llm_WeightAttr:$up);
  let assemblyFormat = [{
    $x `layer` $layer (`norm` $norm^ `epsilon` $epsilon)? `gate` $gate `up` $up
    attr-dict `:` type($x) `->` type($result)
  }];
}

def Plan_HeadOp : Plan_GraphStep<"head", "Head", "-1", [Pure]> {
  let summary = "Logits of the requested rows: select, norm, project";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$norm, F32Attr:$epsilon,
                       Llm_WeightAttr:$weight, OptionalAttr<Llm_WeightAttr>:$bias);
  let assemblyFormat = [{
    $x `norm` $norm `epsilon` $epsilon $weight (`bias` $bias^)? attr-dict
    `:` type($x) `->` type($result)
  }];
}

// ---- plain steps: ops that no fused step covers -----------------------------

// `layer` is -1 for a step that belongs to no layer.
def Plan_NormOp : Plan_LayerStep<"norm", "Norm", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "RMS norm; `select` keeps only the requested rows";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$weight,
                       F32Attr:$epsilon, UnitAttr:$select,
                       DefaultValuedAttr<I64Attr, "-1">:$layer);
  let assemblyFormat = [{
    $x (`layer` $layer^)? $weight `epsilon` $epsilon (`select` $select^)? attr-dict `:` type($x)
  }];
}

def Plan_MatMulOp : Plan_LayerStep<"matmul", "MatMul", [Pure]> {
  let summary = "y = weight . x, plus bias";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$weight,
                       OptionalAttr<Llm_WeightAttr>:$bias,
                       DefaultValuedAttr<Plan_RowsFromAttr, "RowsFrom::Tokens">:$rows,
                       DefaultValuedAttr<I64Attr, "-1">:$layer);
  let assemblyFormat = [{
    $x (`layer` $layer^)? $weight (`bias` $bias^)? (`rows` $rows^)? attr-dict
    `:` type($x) `->` type($result)
  }];
}

def Plan_AddOp : Plan_LayerStep<"add", "Add", [
    Pure, AllTypesMatch<["x", "residual", "result"]>]> {
  let summary = "residual += x";
  let arguments = (ins Llm_Activation:$x, Llm_Activation:$residual,
                       DefaultValuedAttr<I64Attr, "-1">:$layer);
  let assemblyFormat = [{
    $x `into` $residual (`layer` $layer^)? attr-dict `:` type($x)
  }];
  let extraClassDeclaration = stepMethods # [{
    ::mlir::Value getOverwritten() { return getResidual(); }
  }];
}

def Plan_GluOp : Plan_LayerStep<"glu", "Glu", [
    Pure, AllTypesMatch<["gate", "up", "result"]>]> {
  let summary = "silu(gate) * up";
  let arguments = (ins Llm_Activation:$gate, Llm_Activation:$up,
                       DefaultValuedAttr<I64Attr, "-1">:$layer);
  let assemblyFormat = "$gate `,` $up (`layer` $layer^)? attr-dict `:` type($gate)";
}

#endif // AIRPACK_COMPILER_DIALECT_PLAN_PLANSTEPOPS_TD
