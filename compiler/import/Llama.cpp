//===- Llama.cpp - Llama 2, Llama 3, Mistral --------------------*- C++ -*-===//
//
// The converters to GGUF permute the rows of q and k, so that RoPE rotates
// pairs of adjacent elements (RopeKind::Norm). Llama 3's frequency scaling is
// stored in the tensor rope_freqs.weight. Mistral has the same graph, but the
// number of heads times the head size may differ from the model's width.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/DenseDecoder.h"
#include "compiler/import/Families.h"

namespace air::compiler {

Status buildLlama(SourceReader &reader, mlir::ModuleOp module) {
  DenseDecoderTraits traits;
  traits.rope = ir::llm::RopeKind::Norm;
  traits.qkvBias = Presence::Optional;
  traits.outputBias = Presence::Optional;
  traits.ffnBias = Presence::Optional;
  traits.ropeFactors = Presence::Optional;
  return buildDenseDecoder(traits, reader, module);
}

} // namespace air::compiler
