//===- DenseDecoder.h - pre-norm decoders with a gated FFN ------*- C++ -*-===//
//
// The graph that Llama, Mistral, Qwen2 and Qwen3 share, with GGUF's names:
//
//   x = embed(ids)
//   layer: x += attn_output . attention(rope(norm(q)), rope(norm(k)), v)
//                q, k, v = attn_{q,k,v} . rms_norm(x)
//          x += ffn_down . (silu(ffn_gate . n) * (ffn_up . n)), n = rms_norm(x)
//   logits = output . rms_norm(x); without output.weight, token_embd is used
//
// Here `.` multiplies by a matrix, and norm is the QK-norm, which only some
// families have. The names and meanings of keys and tensors are GGUF's:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_DENSEDECODER_H
#define AIRPACK_COMPILER_IMPORT_DENSEDECODER_H

#include "compiler/dialect/llm/LlmDialect.h"
#include "compiler/import/SourceReader.h"

#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

enum class Presence : uint8_t { Never, Optional, Always };

/// What distinguishes one architecture family from the others that share the
/// graph.
struct DenseDecoderTraits {
  ir::llm::RopeKind rope = ir::llm::RopeKind::Norm;
  Presence qkvBias = Presence::Never;     ///< tensors attn_{q,k,v}.bias
  Presence outputBias = Presence::Never;  ///< tensor attn_output.bias
  Presence ffnBias = Presence::Never;     ///< tensors ffn_{gate,up,down}.bias
  Presence headBias = Presence::Never;    ///< tensor output.bias
  bool qkNorm = false;                    ///< tensors attn_{q,k}_norm.weight
  Presence ropeFactors = Presence::Never; ///< tensor rope_freqs.weight
};

Status buildDenseDecoder(const DenseDecoderTraits &traits, SourceReader &reader,
                         mlir::ModuleOp module);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_DENSEDECODER_H
