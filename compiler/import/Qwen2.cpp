//===- Qwen2.cpp - Qwen2 and Qwen2.5 ----------------------------*- C++ -*-===//
//
// q, k and v have biases. RoPE pairs each element of the first half of a head
// with one of the second half (RopeKind::Neox).
//
//===----------------------------------------------------------------------===//
#include "compiler/import/DenseDecoder.h"
#include "compiler/import/Families.h"

namespace air::compiler {

Status buildQwen2(SourceReader &reader, mlir::ModuleOp module) {
  DenseDecoderTraits traits;
  traits.rope = ir::llm::RopeKind::Neox;
  traits.qkvBias = Presence::Always;
  traits.headBias = Presence::Optional;
  return buildDenseDecoder(traits, reader, module);
}

} // namespace air::compiler
