//===- Sampler.h - chooses the next token from logits -----------*- C++ -*-===//
//
// A sampler is a chain of small samplers. The logit biases come first, then
// SamplerOptions::samplers in their order, then one draw (or adaptive-p, which
// chooses in another way). If Mirostat is on, it takes the place of all
// samplers but the temperature, and of the draw. Each sampler works on the
// candidates that the previous one kept. Top-p and min-p therefore use the
// probabilities before temperature is applied, if temperature comes after them.
// Tokens with equal logits are ordered by id.
//
// The random number of the n-th draw depends only on the seed and on n
// (SplitMix64.h). Top-p and the draw use integer weights, whose sums are exact
// (DrawWeights.h). Other sums are computed in double precision and in a fixed
// order.
//
// Ownership: a sampler owns 16 bytes of scratch memory per entry of the
// vocabulary. Penalties add 4 bytes per entry, and 4 per token of their window.
// DRY adds 4 bytes per entry, and 16 per token of its window. Apart from error
// messages, a sampler allocates only in create(), when it is copied, and when a
// filter first refuses a token. Thread-safety: use one object per sequence,
// from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLER_H
#define AIRPACK_RUNTIME_TEXT_SAMPLER_H

#include "formats/support/Status.h"
#include "runtime/text/SamplerOptions.h"
#include "runtime/text/SplitMix64.h"
#include "runtime/text/TokenFilter.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

class Sampler {
public:
  /// `tokenizer` must outlive the sampler and its copies. It may be null unless
  /// needsTokenTexts(options). Errors: those of checkSamplerOptions(); Usage if
  /// a tokenizer is needed but is null.
  static Result<Sampler> create(const SamplerOptions &options,
                                int32_t vocabSize,
                                const Tokenizer *tokenizer = nullptr);

  /// A copy has the same state, and continues with the same random numbers.
  Sampler(const Sampler &other);
  Sampler &operator=(const Sampler &other);
  Sampler(Sampler &&) noexcept = default;
  Sampler &operator=(Sampler &&) noexcept = default;

  /// Chooses the next token. `logits` has vocabSize entries; -inf excludes a
  /// token. If `filter` is not null and refuses the first choice, its mask is
  /// applied, and the whole chain chooses again. Errors: Usage if the number of
  /// logits is not vocabSize, or if the biases exclude all tokens; Internal if
  /// a logit is NaN or +inf, or becomes +inf by a penalty (the message states
  /// the id of its token), if all logits are or become -inf, or if the filter
  /// allows none of the tokens.
  Result<int32_t> sample(std::span<const float> logits,
                         TokenFilter *filter = nullptr);

  /// Records a token of the prompt, or a sampled one, for the penalties and the
  /// samplers that adapt.
  void accept(int32_t id);

  /// The number of draws since create() or the last reset(), including skipped
  /// ones. If a filter refuses the first choice, sample() makes two draws.
  uint64_t draws() const { return drawn; }

  /// Leaves out the next draw, because another device makes it.
  void skipDraw();

  /// Forgets all recorded tokens and restarts the random generators.
  void reset();

private:
  Sampler(int32_t vocabSize, std::vector<StagePtr> made)
      : set(vocabSize), vocabulary(vocabSize), stages(std::move(made)) {}
  Result<int32_t> choose(std::span<const float> logits);

  CandidateSet set;
  int32_t vocabulary;
  uint64_t drawn = 0;
  std::vector<StagePtr> stages;
  std::vector<float> masked; ///< logits to which a filter's mask was applied
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLER_H
