//===- ChooseToken.h - sampling as CUDA text --------------------*- C++ -*-===//
//
// Kernels that choose the next token of each sequence from the sequence's
// logits. They write the token's id, and can also move the sequence to its next
// position, so that the next decode step needs nothing from the host.
//
// `Greedy` chooses the token with the largest logit or, if several tokens have
// it, the one with the lowest id. `Draw` does what the TokenDraw record of each
// token says (formats/abi/TokenDraw.h): it either chooses as `Greedy` does, or
// applies top-k, then top-p (to the probabilities before temperature), then
// min-p, then temperature, and draws one of the remaining tokens.
//
// A draw chooses the same token as the host's sampler (runtime/text/Sampler.h)
// with the same logits, seed and number of earlier draws. The weights of tokens
// are integers that both compute with the same operations
// (runtime/text/sampling/DrawWeights.h), so sums are exact in any order. A draw
// needs a top-k of 1 to kMostKeptTokens: the kernel finds the lowest logit that
// top-k keeps by counting, then lists the kept tokens in shared memory and
// sorts them there, as the host does.
//
// The chosen id is 2^32 - 1 if a logit is NaN or infinite, if the top-k of a
// draw is out of range, or if no token with a weight other than 0 remains.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H
#define AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

enum class Choice : uint8_t { Greedy, Draw };

struct ChooseToken {
  Choice choice = Choice::Greedy;
  uint32_t vocabulary = 0;
  uint32_t tokens = 1; ///< 1 to 8
  /// The number of thread blocks per token. Each of them finds the largest
  /// logit in its share of the vocabulary, and the last one to finish chooses
  /// the token.
  uint32_t blocks = 1;
  uint32_t warps = 8; ///< 1 to 32, or 1 to 16 for Draw
  /// Whether to add 1 to each token's elements of "positions" and
  /// "rope_positions". The number of tokens is then read from device memory,
  /// and the elements of padding tokens stay as they are. `advance` must be
  /// true for Draw.
  bool advance = false;
  bool dependentLaunch = false;
};

std::string chooseTokenName(const ChooseToken &spec, const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "logits" (float32
/// [tokens][vocabulary]), "token_ids" (uint32 [tokens], written), "partials"
/// (scratch, uint64 [tokens][blocks]), "counters" (scratch, uint32 [tokens],
/// zero before and after a launch); and if `advance` is set, "token_count" (one
/// uint32, and from byte kTokenDrawOffset on TokenDraw [tokens], which Draw
/// reads and changes), "positions" and "rope_positions" (uint32 [tokens] each,
/// read and written). `intrinsics` is as for generateDecodeMatMul.
///
/// Returns Unsupported if a number is out of range, if the target does not
/// support the dependent launches that are requested, or if Draw is requested
/// without `advance`.
Result<CudaKernel> generateChooseToken(const ChooseToken &spec,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H
