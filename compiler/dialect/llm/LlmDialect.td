//===- LlmDialect.td - the model as a graph ----------------*- tablegen -*-===//
//
// The `llm` dialect: a transformer graph on tensors, as a model file tells it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_TD
#define AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Llm_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::air::ir::llm";
  let summary = "A transformer model as its file tells it";
  let description = [{
    One `llm.model` a module. Its body is a graph on activations
    `tensor<?xKxf32>`: one row a token of a batch, tokens of any sequences at any
    positions. Weights are never values: an op names the tensor of the source
    that it reads (`#llm.weight`), so that a model of any size is a small module.
  }];
  let useDefaultAttributePrinterParser = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_TD
