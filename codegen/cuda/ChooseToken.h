//===- ChooseToken.h - sampling as CUDA text --------------------*- C++ -*-===//
//
// Kernels that choose the next token of each sequence from its logits. They
// write its id, and can also move the sequence to its next position, so that
// the next decode step needs nothing from the host.
//
// `Greedy` chooses the largest logit or, if several tokens have it, the one
// with the lowest id. `Draw` does what the TokenDraw of each token says
// (formats/abi/TokenDraw.h): the same, or top-k, then top-p on the
// probabilities before temperature, then min-p, then temperature and one draw.
//
// A draw chooses the same token as the host's sampler (runtime/text/Sampler.h)
// with the same logits, seed and number of draws. The weights of tokens are
// integers that both compute with the same operations (DrawWeights.h there), so
// sums are exact in any order. Draw needs a top-k of 1 to kMostKeptTokens: it
// finds the lowest logit that top-k keeps by counting, then lists the kept
// tokens in shared memory and sorts them there, as the host does.
//
// If a logit is NaN or infinite, or if a record asks for something else, the
// chosen id is 2^32 - 1.
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
  /// Thread blocks per token. All of them look for the largest logit, and the
  /// last one to finish draws.
  uint32_t blocks = 1;
  uint32_t warps = 8; ///< 1 to 32, or 1 to 16 for Draw
  /// Whether to add 1 to each token's elements of "positions" and
  /// "rope_positions". The number of tokens is then read from device memory,
  /// and the elements of padding tokens stay as they are. Draw requires it.
  bool advance = false;
  bool dependentLaunch = false;
};

std::string chooseTokenName(const ChooseToken &spec, const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "logits" (float32
/// [tokens][vocabulary]), "token_ids" (uint32 [tokens], written), "partials",
/// "counters"; and if `advance` is set, "token_count" (uint32, followed by the
/// records of TokenDraw.h, which Draw reads and changes), "positions" and
/// "rope_positions" (uint32 [tokens]). Errors are those of
/// generateDecodeMatMul.
Result<CudaKernel> generateChooseToken(const ChooseToken &spec,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H
