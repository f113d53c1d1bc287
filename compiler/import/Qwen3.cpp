//===- Qwen3.cpp - dense Qwen3 ----------------------------------*- C++ -*-===//
//
// Each head of q and k is normalised before RoPE, which is of the kind
// RopeKind::Neox. The number of heads times the head size may differ from the
// model's width.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/DenseDecoder.h"
#include "compiler/import/Families.h"

namespace air::compiler {

Status buildQwen3(SourceReader &reader, mlir::ModuleOp module) {
  DenseDecoderTraits traits;
  traits.rope = ir::llm::RopeKind::Neox;
  traits.qkNorm = true;
  return buildDenseDecoder(traits, reader, module);
}

} // namespace air::compiler
