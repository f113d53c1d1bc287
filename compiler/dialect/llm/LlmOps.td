//===- LlmOps.td - operations of the llm dialect -----------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_LLM_LLMOPS_TD
#define AIRPACK_COMPILER_DIALECT_LLM_LLMOPS_TD

include "compiler/dialect/llm/LlmAttrs.td"
include "compiler/dialect/llm/LlmTypes.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Llm_Op<string mnemonic, list<Trait> traits = []>
    : Op<Llm_Dialect, mnemonic, traits>;

// The KV cache, which has one part per layer. Attention appends to it and reads
// it.
def Llm_KvCache : Resource<"::air::ir::llm::KvCacheResource">;

def Llm_ModelOp : Llm_Op<"model", [
    IsolatedFromAbove, Symbol, SingleBlock]> {
  let summary = "A model: token ids in, logits of the requested rows out";
  let description = [{
    ```mlir
    llm.model @model <name = "tiny", architecture = "llama", ...> {
    ^bb0(%ids: tensor<?xi32>):
      ...
      llm.return %logits : tensor<?x512xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       Llm_HyperparametersAttr:$hyperparameters);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name $hyperparameters attr-dict-with-keyword $body
  }];
  let extraClassDeclaration = [{
    ::mlir::BlockArgument getIds() { return getBody().getArgument(0); }
  }];
  let hasRegionVerifier = 1;
}

def Llm_ReturnOp : Llm_Op<"return", [Pure, Terminator, HasParent<"ModelOp">]> {
  let summary = "The model's logits";
  let arguments = (ins Llm_Activation:$logits);
  let assemblyFormat = "$logits attr-dict `:` type($logits)";
}

def Llm_EmbedOp : Llm_Op<"embed", [Pure]> {
  let summary = "The rows of the embedding table for the token ids, times scale";
  let arguments = (ins Llm_TokenIds:$ids, Llm_WeightAttr:$table,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = [{
    $ids $table (`scale` $scale^)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Llm_RmsNormOp : Llm_Op<"rms_norm", [Pure, SameOperandsAndResultType]> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * weight, row by row";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$weight, F32Attr:$epsilon);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x $weight `epsilon` $epsilon attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Llm_LinearOp : Llm_Op<"linear", [Pure]> {
  let summary = "y[m][n] = sum over k of weight[n][k] * x[m][k], plus bias[n]";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$weight,
                       OptionalAttr<Llm_WeightAttr>:$bias);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = [{
    $x $weight (`bias` $bias^)? attr-dict `:` type($x) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Llm_HeadNormOp : Llm_Op<"head_norm", [Pure, SameOperandsAndResultType]> {
  let summary = "RMS norm of each head by itself: the QK-norm";
  let arguments = (ins Llm_Activation:$x, Llm_WeightAttr:$weight, F32Attr:$epsilon);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x $weight `epsilon` $epsilon attr-dict `:` type($x)";
  let description = "The head size is the number of elements of `weight`.";
  let hasVerifier = 1;
}

def Llm_RopeOp : Llm_Op<"rope", [Pure, SameOperandsAndResultType]> {
  let summary = "Rotates pairs of each head's elements by the token's position";
  let arguments = (ins Llm_Activation:$x, Llm_RopeAttr:$rope, I64Attr:$head_dim);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x $rope `head_dim` $head_dim attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Llm_AttentionOp : Llm_Op<"attention", [
    MemoryEffects<[MemRead<Llm_KvCache>, MemWrite<Llm_KvCache>]>]> {
  let summary = "Appends k and v to the cache, then computes causal attention";
  let description = [{
    softmax(scale * q.k) v over all tokens of the same sequence up to and
    including the token's own position. Query head h reads key/value head
    h / (heads / kv_heads).
  }];
  let arguments = (ins Llm_Activation:$q, Llm_Activation:$k, Llm_Activation:$v,
                       I64Attr:$layer, I64Attr:$heads, I64Attr:$kv_heads,
                       I64Attr:$head_dim, F32Attr:$scale);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = [{
    $q `,` $k `,` $v `layer` $layer `heads` $heads `kv_heads` $kv_heads
    `head_dim` $head_dim `scale` $scale attr-dict
    `:` type($q) `,` type($k) `,` type($v) `->` type($result)
  }];
  let hasVerifier = 1;
}

class Llm_UnaryOp<string mnemonic> : Llm_Op<mnemonic, [Pure, SameOperandsAndResultType]> {
  let arguments = (ins Llm_Activation:$x);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

class Llm_BinaryOp<string mnemonic>
    : Llm_Op<mnemonic, [Pure, Commutative, SameOperandsAndResultType]> {
  let arguments = (ins Llm_Activation:$lhs, Llm_Activation:$rhs);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def Llm_SiluOp : Llm_UnaryOp<"silu"> {
  let summary = "x / (1 + exp(-x))";
}

def Llm_MulOp : Llm_BinaryOp<"mul"> {
  let summary = "Elementwise product";
}

def Llm_AddOp : Llm_BinaryOp<"add"> {
  let summary = "Elementwise sum";
}

def Llm_ScaleOp : Llm_Op<"scale", [Pure, SameOperandsAndResultType]> {
  let summary = "x times a constant";
  let arguments = (ins Llm_Activation:$x, F32Attr:$factor);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x `by` $factor attr-dict `:` type($x)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Llm_OutputsOp : Llm_Op<"outputs", [Pure, SameOperandsAndResultType]> {
  let summary = "The rows for which the batch requests logits";
  let description = [{
    In general the result has fewer rows than `x`. Neither number is known at
    compile time. Ops that work row by row commute with this op. Its canonical
    place is before those that have one operand and whose result nothing else
    reads, so that they compute fewer rows.
  }];
  let arguments = (ins Llm_Activation:$x);
  let results = (outs Llm_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasCanonicalizer = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMOPS_TD
