//===- LlmTypes.td - the tensors that ops work on ----------*- tablegen -*-===//
#ifndef AIRPACK_COMPILER_DIALECT_LLM_LLMTYPES_TD
#define AIRPACK_COMPILER_DIALECT_LLM_LLMTYPES_TD

include "mlir/IR/CommonTypeConstraints.td"

def Llm_Activation
    : Type<CPred<"::air::ir::llm::isActivation($_self)">,
           "activations tensor<?xKxf32> with one row per token",
           "::mlir::RankedTensorType">;

def Llm_TokenIds
    : Type<CPred<"::air::ir::llm::isTokenIds($_self)">,
           "token ids tensor<?xi32>", "::mlir::RankedTensorType">,
      BuildableType<"::air::ir::llm::tokenIdsType($_builder.getContext())">;

#endif // AIRPACK_COMPILER_DIALECT_LLM_LLMTYPES_TD
