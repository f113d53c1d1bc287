//===- LlmAttrs.td - weights, rope and hyperparameters -----*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_LLM_LLMATTRS_TD
#define AIRPACK_COMPILER_DIALECT_LLM_LLMATTRS_TD

include "compiler/dialect/llm/LlmDialect.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"

class Llm_Attr<string name, string attrMnemonic> : AttrDef<Llm_Dialect, name> {
  let mnemonic = attrMnemonic;
}

// A float64 parameter. It is printed so that parsing restores the same bits.
class Llm_F64 : APFloatParameter<"float64"> {
  let parser = "::air::ir::llm::parseF64($_parser)";
  let printer = "$_printer.printFloat($_self)";
}

def Llm_F64Parameter : Llm_F64;
def Llm_F64OneByDefault : Llm_F64 {
  let defaultValue = "::llvm::APFloat(1.0)";
}

def Llm_DTypeAttr : Llm_Attr<"DType", "dtype"> {
  let summary = "A numeric format, by its name in formats/dtype/DType.h";
  let parameters = (ins AttrParameter<"::air::DType", "numeric format">:$value);
  let hasCustomAssemblyFormat = 1;
}

def Llm_WeightAttr : Llm_Attr<"Weight", "weight"> {
  let summary = "A tensor of the source, by name";
  let description = [{
    `#llm.weight<"blk.0.attn_q.weight", Q4_K, 4096x4096>` gives the name of the
    source tensor, its dtype, and its shape with the outermost extent first. A
    matrix has the shape outputs x inputs, and a vector has one extent. A matrix
    may have a scale: `scale "blk.0.attn_q.scale"` names a tensor of one element
    that multiplies every element of the matrix.
  }];
  let parameters = (ins
    StringRefParameter<"tensor name in the source">:$name,
    AttrParameter<"::air::DType", "numeric format">:$dtype,
    ArrayRefParameter<"int64_t", "extents, outermost first">:$shape,
    StringRefParameter<"name of the scale's tensor, or empty">:$scale);
  let extraClassDeclaration = [{
    bool isMatrix() const { return getShape().size() == 2; }
    bool isVector() const { return getShape().size() == 1; }
    /// The number of outputs (N) of a matrix; 1 for a vector.
    int64_t getRows() const { return isMatrix() ? getShape()[0] : 1; }
    /// The number of inputs (K) of a matrix, or of elements of a vector.
    int64_t getColumns() const { return getShape().back(); }
  }];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Llm_RopeKind : I32Enum<"RopeKind", "which elements of a head form a rope pair", [
  // RoPE pair i consists of the elements 2i and 2i + 1 of a head.
  I32EnumCase<"Norm", 1, "norm">,
  // RoPE pair i consists of the elements i and i + dim/2 of a head, where dim
  // is the number of elements that are rotated.
  I32EnumCase<"Neox", 2, "neox">
]> {
  let cppNamespace = "::air::ir::llm";
}

def Llm_YarnAttr : Llm_Attr<"Yarn", "yarn"> {
  let summary = "How YaRN extends the context of rotary positions";
  let description = [{
    Pairs that make more than `beta_fast` rotations over `original_context`
    tokens keep their frequency. Pairs that make fewer than `beta_slow` rotations
    have it divided by `factor`. Pairs in between get a blend of both. `mix`
    multiplies the weight of the unchanged frequency: if it is 0, the frequency
    of every pair is divided. compiler/emit/RopeFrequencies.h has the formula.
  }];
  let parameters = (ins
    Llm_F64Parameter:$factor,
    Llm_F64Parameter:$original_context,
    Llm_F64Parameter:$beta_fast,
    Llm_F64Parameter:$beta_slow,
    Llm_F64OneByDefault:$mix);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Llm_RopeAttr : Llm_Attr<"Rope", "rope"> {
  let summary = "How rotary position embedding rotates a head's elements";
  let description = [{
    The first `dim` elements of every head form pairs. Pair i in [0, dim/2) is
    rotated by the angle `position * f[i]`, where
    `f[i] = base^(-2i/dim) / linear_factor / factors[i]`. Without `factors` the
    last divisor is 1. `yarn`, if present, is then applied to f. Cosines and
    sines are multiplied by `magnitude`.
  }];
  let parameters = (ins
    EnumParameter<Llm_RopeKind>:$kind,
    "int64_t":$dim,
    Llm_F64Parameter:$base,
    Llm_F64OneByDefault:$linear_factor,
    OptionalParameter<"::air::ir::llm::WeightAttr">:$factors,
    Llm_F64OneByDefault:$magnitude,
    OptionalParameter<"::air::ir::llm::YarnAttr">:$yarn);
  let assemblyFormat = [{
    `<` $kind `,`
    struct($dim, $base, $linear_factor, $factors, $magnitude, $yarn) `>`
  }];
  let genVerifyDecl = 1;
}

def Llm_HyperparametersAttr : Llm_Attr<"Hyperparameters", "hyperparameters"> {
  let summary = "A model's hyperparameters, as in the plan file";
  let parameters = (ins
    StringRefParameter<"general.name, or empty">:$name,
    StringRefParameter<"architecture of the source">:$architecture,
    "int64_t":$vocabulary,
    "int64_t":$width,
    "int64_t":$layers,
    "int64_t":$heads,
    "int64_t":$kv_heads,
    "int64_t":$head_dim,
    "int64_t":$ffn_width,
    "int64_t":$trained_context,
    "int64_t":$parameters);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMATTRS_TD
