//===- ChooseToken.h - sampling as CUDA text --------------------*- C++ -*-===//
//
// Kernels that choose the next token of each sequence from its logits. They
// write its id, and can also move the sequence to its next position, so that
// the next decode step needs nothing from the host.
//
// `Greedy` chooses the largest logit. `Random` has the stages of the runtime's
// sampler (runtime/text/Sampler.h) without penalties and min-p: top-k, then
// top-p on the probabilities before temperature, then temperature and one draw.
// If logits are equal, the token with the lowest id comes first.
//
// The weight of a token is an integer: 2^32 times its probability relative to
// the best token's, rounded down. Sums of weights are therefore exact, and do
// not depend on the order of threads. The random number of a draw is the output
// of SplitMix64 with index SamplingSettings::draws, counted from 0, divided by
// 2^64. The probabilities, in the order of ids, divide [0, 1) into one interval
// per token. The interval that contains the random number determines the chosen
// token.
//
// If a logit is NaN or infinite, the chosen id is 2^32 - 1.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H
#define AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

enum class Choice : uint8_t { Greedy, Random };

/// The settings with which a kernel chooses one token, in device memory.
struct SamplingSettings {
  float temperature = 1; ///< 0 or less: choose the best token
  float topP = 1;        ///< 1 or more keeps all tokens
  uint32_t topK = 0;     ///< 0 keeps all tokens
  uint32_t draws = 0;    ///< number of draws so far; each draw adds 1
  uint64_t seed = 0;
};
static_assert(sizeof(SamplingSettings) == 24);

struct ChooseToken {
  Choice choice = Choice::Greedy;
  uint32_t vocabulary = 0;
  uint32_t tokens = 1; ///< 1 to 8
  uint32_t blocks = 1; ///< thread blocks per token; 1 for Random
  uint32_t warps = 8;  ///< 1 to 32, or 1 to 16 for Random
  /// Whether to add 1 to each token's elements of "positions" and
  /// "rope_positions". The number of tokens is then read from device memory,
  /// and the elements of padding tokens stay as they are.
  bool advance = false;
  bool dependentLaunch = false;
};

std::string chooseTokenName(const ChooseToken &spec, const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "logits" (float32
/// [tokens][vocabulary]) and "token_ids" (uint32 [tokens], written); for
/// Greedy, "partials" and "counters"; for Random, "sampling" (SamplingSettings
/// [tokens]); and if `advance` is set, "token_count" (uint32), "positions" and
/// "rope_positions" (uint32 [tokens]). Errors are those of
/// generateDecodeMatMul.
Result<CudaKernel> generateChooseToken(const ChooseToken &spec,
                                       const CudaTarget &target,
                                       std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_CHOOSETOKEN_H
