//===- Sampler.h - chooses the next token from logits -----------*- C++ -*-===//
//
// The stages are in llama.cpp's order: penalties, top-k, top-p, min-p,
// temperature, then one draw. Each stage works on the candidates that the
// previous one kept. Top-p and min-p use the probabilities before temperature.
// Of tokens with equal logits, the one with the lowest id comes first.
//
// The random number of the n-th draw depends only on the seed and on n. The
// random generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable
// pseudorandom number generators", 2014), a counter with a mixing function. The
// upper 53 bits of its output form a number in [0, 1). Sums are computed in
// double precision and in a fixed order.
//
// Ownership: a sampler owns 12 bytes of scratch memory per entry of the
// vocabulary and 4 bytes per token of the penalty window, and allocates only in
// create(). Thread-safety: use one object per sequence, from one thread at a
// time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLER_H
#define AIRPACK_RUNTIME_TEXT_SAMPLER_H

#include "formats/support/Status.h"
#include "runtime/text/TokenFilter.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

/// The permitted ranges of the options. Within them, penalties cannot make a
/// logit infinite: the logits of a model are far below 2^100, and a frequency
/// penalty is subtracted at most kLongestPenaltyWindow times.
inline constexpr double kMaxTemperature = 1000; ///< largest |temperature|
inline constexpr double kMinRepeatPenalty = 0.01;
inline constexpr double kMaxRepeatPenalty = 100;
/// The largest magnitude of a presence or frequency penalty.
inline constexpr double kMaxPenalty = 1000;
inline constexpr int32_t kLongestPenaltyWindow = 1 << 24;

struct SamplerOptions {
  float temperature = 0.8F; ///< 0 or less: choose the best token
  int32_t topK = 40;        ///< number of tokens to keep; 0 or less keeps all
  /// Keeps the smallest set of most probable tokens whose probabilities add up
  /// to at least topP. 1 keeps all tokens.
  float topP = 0.95F;
  /// Drops tokens whose probability is below minP times that of the best token.
  /// 0 drops none.
  float minP = 0.05F;
  /// The logits of recent tokens are divided by this number if they are
  /// positive, and multiplied by it otherwise.
  float repeatPenalty = 1.0F;
  /// The number of most recent tokens that are penalised. 0 turns all penalties
  /// off.
  int32_t repeatLastN = 64;
  float presencePenalty = 0.0F; ///< subtracted from a recent token's logit
  /// Subtracted from a token's logit once per recent occurrence of the token.
  float frequencyPenalty = 0.0F;
  uint64_t seed = 0;
};

/// The random generator of the sampler. It is public for tests and for code
/// that needs the same random numbers.
class SplitMix64 {
public:
  explicit SplitMix64(uint64_t seed) : state(seed) {}
  uint64_t next();
  double nextUnit(); ///< in [0, 1)

private:
  uint64_t state;
};

class Sampler {
public:
  /// Errors: Usage, with the name of the option that is out of range.
  static Result<Sampler> create(const SamplerOptions &options,
                                int32_t vocabSize);

  /// Chooses the next token. `logits` has vocabSize entries; -inf excludes a
  /// token. If `filter` is not null, it allows the token: if it refuses the
  /// first choice, its mask is applied, and the token is chosen again. Errors:
  /// Usage if the number of logits is not vocabSize; Internal if a logit is NaN
  /// or +inf (the message states the id of its token), if all logits are -inf,
  /// or if the filter allows none of the tokens.
  Result<int32_t> sample(std::span<const float> logits,
                         TokenFilter *filter = nullptr);

  /// Records a token of the prompt, or a sampled one, for the penalties.
  void accept(int32_t id);

  /// Forgets all recorded tokens and restarts the random generator.
  void reset();

private:
  struct Candidate {
    float logit;
    int32_t id;
  };

  Sampler(const SamplerOptions &options, int32_t vocabSize);
  Result<int32_t> choose(std::span<const float> logits);
  bool penalizes() const;
  void applyPenalties();
  size_t keepTopK(size_t count);
  size_t keepTopP(size_t count, bool sorted);
  size_t keepMinP(size_t count, bool sorted);
  int32_t draw(size_t count);

  SamplerOptions options;
  SplitMix64 random;
  std::vector<Candidate> candidates;
  std::vector<int32_t> seenCounts; ///< per id: occurrences in the window
  std::vector<int32_t> window; ///< ring buffer of the last repeatLastN tokens
  std::vector<float> masked;   ///< logits to which a filter's mask was applied
  size_t windowNext = 0;
  size_t windowUsed = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLER_H
