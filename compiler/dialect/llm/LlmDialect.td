//===- LlmDialect.td - the model as a graph ----------------*- tablegen -*-===//
//
// The `llm` dialect describes a model as its file defines it: as a transformer
// graph on tensors.
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
  let summary = "A transformer model as its file defines it";
  let description = [{
    A module has one `llm.model`. Its body is a graph on activations
    `tensor<?xKxf32>` with one row per token of a batch, or after `llm.outputs`
    with one row per token whose logits are requested. The tokens may belong to
    any sequences at any positions. Weights are never values: an op names the
    source tensor that it reads (`#llm.weight`), so a model of any size is a
    small module.
  }];
  let useDefaultAttributePrinterParser = 1;
}

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMDIALECT_TD
