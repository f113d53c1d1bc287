//===- Sampler.h - logits -> the next token ---------------------*- C++ -*-===//
//
// The chain, in llama.cpp's order: penalties, top-k, top-p, min-p, temperature,
// then one draw. Each stage works on what the one before it left; probabilities
// of top-p and min-p are those before temperature. Equal logits are ordered by
// lowest id.
//
// Deterministic: the n-th draw of a sampler depends on (seed, n) alone. The
// generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
// number generators", 2014), a counter through a mixing function; its upper 53
// bits make a number in [0, 1). Sums are in double precision and a fixed order.
//
// Ownership: owns scratch of 16 bytes a vocabulary entry; nothing is allocated
// after create(). Thread-safety: one sequence, one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLER_H
#define AIRPACK_RUNTIME_TEXT_SAMPLER_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

/// Ranges that keep every penalised logit finite: a logit of a model is far
/// below 2^100, and frequency penalties add up over at most
/// kLongestPenaltyWindow tokens.
inline constexpr double kMaxTemperature = 1000; ///< of either sign
inline constexpr double kMinRepeatPenalty = 0.01;
inline constexpr double kMaxRepeatPenalty = 100;
inline constexpr double kMaxPenalty = 1000; ///< of either sign
inline constexpr int32_t kLongestPenaltyWindow = 1 << 24;

struct SamplerOptions {
  float temperature = 0.8F; ///< <= 0: the best token (after penalties)
  int32_t topK = 40;        ///< keep the K best; <= 0: all
  float topP = 0.95F;       ///< keep the fewest best whose sum is >= P; 1: all
  float minP = 0.05F;       ///< drop those under P times the best one; 0: none
  /// Seen tokens: a positive logit is divided by this, others multiplied.
  float repeatPenalty = 1.0F;
  int32_t repeatLastN = 64; ///< tokens that the penalties look back at; 0: off
  float presencePenalty = 0.0F;  ///< subtracted once from seen tokens
  float frequencyPenalty = 0.0F; ///< subtracted for each time seen
  uint64_t seed = 0;
};

/// SplitMix64. Public for tests and for whoever needs the same draws.
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
  /// Errors: Usage names the option that is out of range.
  static Result<Sampler> create(const SamplerOptions &options,
                                int32_t vocabSize);

  /// The next token. `logits` has vocabSize entries; -inf masks a token.
  /// Errors: Usage when the length differs; Internal when a logit is NaN or
  /// +inf (its id in the message), or all are -inf.
  Result<int32_t> sample(std::span<const float> logits);

  /// Tells the penalties of a token: one of the prompt, or one sampled.
  void accept(int32_t id);

  /// Forgets all tokens and starts the draws again.
  void reset();

private:
  struct Candidate {
    float logit;
    int32_t id;
  };

  Sampler(const SamplerOptions &options, int32_t vocabSize);
  bool penalizes() const;
  void applyPenalties();
  size_t keepTopK(size_t count);
  size_t keepTopP(size_t count, bool sorted);
  size_t keepMinP(size_t count, bool sorted);
  int32_t draw(size_t count);

  SamplerOptions options;
  SplitMix64 random;
  std::vector<Candidate> candidates;
  std::vector<int32_t> seenCounts; ///< by id, within the window
  std::vector<int32_t> window;     ///< ring of the last repeatLastN tokens
  size_t windowNext = 0;
  size_t windowUsed = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLER_H
