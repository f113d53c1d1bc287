//===- Sampler.cpp - chooses the next token from logits ---------*- C++ -*-===//
#include "runtime/text/Sampler.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace air::rt {
namespace {

/// Top-p does not know in advance how many candidates it will keep, so it
/// begins with this number of the best candidates and sorts more if needed.
constexpr size_t kFirstChunk = 128;

/// Returns Usage unless `value` is in [least, most]. NaN is in no range. The
/// bounds are rounded to float, as the value was, so that the bounds themselves
/// are valid.
Status checkRange(const char *name, double value, double least, double most) {
  if (value >= static_cast<double>(static_cast<float>(least)) &&
      value <= static_cast<double>(static_cast<float>(most))) {
    return Status::ok();
  }
  char text[128];
  std::snprintf(text, sizeof text, "sampler: %s is %g, but must be %g to %g",
                name, value, least, most);
  return usageError(text);
}

} // namespace

uint64_t SplitMix64::next() {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double SplitMix64::nextUnit() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

Result<Sampler> Sampler::create(const SamplerOptions &options,
                                int32_t vocabSize) {
  if (vocabSize <= 0) {
    return usageError("sampler: the vocabulary has " +
                      std::to_string(vocabSize) +
                      " tokens, but must have at least 1");
  }
  AIR_RETURN_IF_ERROR(checkRange("temperature", options.temperature,
                                 -kMaxTemperature, kMaxTemperature));
  AIR_RETURN_IF_ERROR(checkRange("top-p", options.topP, 0, 1));
  AIR_RETURN_IF_ERROR(checkRange("min-p", options.minP, 0, 1));
  AIR_RETURN_IF_ERROR(checkRange("repeat penalty", options.repeatPenalty,
                                 kMinRepeatPenalty, kMaxRepeatPenalty));
  AIR_RETURN_IF_ERROR(checkRange("presence penalty", options.presencePenalty,
                                 -kMaxPenalty, kMaxPenalty));
  AIR_RETURN_IF_ERROR(checkRange("frequency penalty", options.frequencyPenalty,
                                 -kMaxPenalty, kMaxPenalty));
  AIR_RETURN_IF_ERROR(checkRange("repeat window", options.repeatLastN, 0,
                                 kLongestPenaltyWindow));
  return Sampler(options, vocabSize);
}

Sampler::Sampler(const SamplerOptions &chosen, int32_t vocabSize)
    : options(chosen), random(chosen.seed), candidates(vocabSize),
      seenCounts(vocabSize), window(chosen.repeatLastN) {}

bool Sampler::penalizes() const {
  return options.repeatPenalty != 1.0F || options.presencePenalty != 0.0F ||
         options.frequencyPenalty != 0.0F;
}

void Sampler::accept(int32_t id) {
  if (window.empty() || id < 0 ||
      id >= static_cast<int32_t>(seenCounts.size())) {
    return;
  }
  if (windowUsed == window.size()) {
    --seenCounts[window[windowNext]];
  } else {
    ++windowUsed;
  }
  window[windowNext] = id;
  ++seenCounts[id];
  windowNext = (windowNext + 1) % window.size();
}

void Sampler::reset() {
  random = SplitMix64(options.seed);
  std::fill(seenCounts.begin(), seenCounts.end(), 0);
  windowNext = 0;
  windowUsed = 0;
}

void Sampler::applyPenalties() {
  for (size_t i = 0; i < windowUsed; ++i) {
    int32_t id = window[i];
    int32_t count = seenCounts[id];
    // A token may occur in the window several times. A negative count marks a
    // token that has been penalised already.
    if (count < 0) {
      continue;
    }
    seenCounts[id] = -count;
    float &logit = candidates[id].logit;
    if (logit > 0) {
      logit /= options.repeatPenalty;
    } else {
      logit *= options.repeatPenalty;
    }
    logit -= static_cast<float>(count) * options.frequencyPenalty +
             options.presencePenalty;
  }
  for (size_t i = 0; i < windowUsed; ++i) {
    int32_t &count = seenCounts[window[i]];
    count = count < 0 ? -count : count;
  }
}

namespace {

/// Orders candidates from the best to the worst. This is a total order, so the
/// result of sorting is unique.
constexpr auto kBetter = [](const auto &a, const auto &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

} // namespace

size_t Sampler::keepTopK(size_t count) {
  size_t keep = static_cast<size_t>(options.topK);
  auto first = candidates.begin();
  std::partial_sort(first, first + keep, first + count, kBetter);
  return keep;
}

size_t Sampler::keepTopP(size_t count, bool sorted) {
  auto first = candidates.begin();
  double best = std::max_element(first, first + count,
                                 [](const Candidate &a, const Candidate &b) {
                                   return a.logit < b.logit;
                                 })
                    ->logit;
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    total += std::exp(candidates[i].logit - best);
  }
  double wanted = total * static_cast<double>(options.topP);
  double sum = 0;
  size_t ready = sorted ? count : 0;
  for (size_t i = 0; i < count; ++i) {
    if (i == ready) {
      size_t chunk = std::max(kFirstChunk, ready * 3);
      ready = std::min(count, ready + chunk);
      std::partial_sort(first + i, first + ready, first + count, kBetter);
    }
    sum += std::exp(candidates[i].logit - best);
    if (sum >= wanted) {
      return i + 1;
    }
  }
  return count;
}

size_t Sampler::keepMinP(size_t count, bool sorted) {
  auto first = candidates.begin();
  double best = candidates[0].logit;
  for (size_t i = 1; i < count && !sorted; ++i) {
    best = std::max(best, static_cast<double>(candidates[i].logit));
  }
  double least = best + std::log(static_cast<double>(options.minP));
  auto end = std::remove_if(first, first + count, [least](const Candidate &c) {
    return c.logit < least;
  });
  return static_cast<size_t>(end - first);
}

int32_t Sampler::draw(size_t count) {
  double best = candidates[0].logit;
  for (size_t i = 1; i < count; ++i) {
    best = std::max(best, static_cast<double>(candidates[i].logit));
  }
  double scale = 1.0 / static_cast<double>(options.temperature);
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    total += std::exp((candidates[i].logit - best) * scale);
  }
  double target = random.nextUnit() * total;
  double sum = 0;
  int32_t last = candidates[0].id;
  for (size_t i = 0; i < count; ++i) {
    double weight = std::exp((candidates[i].logit - best) * scale);
    if (weight <= 0) {
      continue;
    }
    sum += weight;
    last = candidates[i].id;
    if (target < sum) {
      break;
    }
  }
  return last;
}

Result<int32_t> Sampler::sample(std::span<const float> logits,
                                TokenFilter *filter) {
  AIR_ASSIGN_OR_RETURN(int32_t id, choose(logits));
  if (filter == nullptr || filter->allows(id)) {
    return id;
  }
  masked.assign(logits.begin(), logits.end());
  filter->mask(masked);
  if (std::ranges::all_of(masked,
                          [](float logit) { return logit == -HUGE_VALF; })) {
    return internalError("sampler: the token filter allows none of the " +
                         std::to_string(masked.size()) + " tokens");
  }
  return choose(masked);
}

Result<int32_t> Sampler::choose(std::span<const float> logits) {
  size_t count = candidates.size();
  if (logits.size() != count) {
    return usageError("sampler: " + std::to_string(logits.size()) +
                      " logits were passed, but the vocabulary has " +
                      std::to_string(count) + " tokens");
  }
  for (size_t i = 0; i < count; ++i) {
    candidates[i] = {logits[i], static_cast<int32_t>(i)};
  }
  if (penalizes()) {
    applyPenalties();
  }
  size_t best = 0;
  for (size_t i = 0; i < count; ++i) {
    float logit = candidates[i].logit;
    if (std::isnan(logit) || logit == HUGE_VALF) {
      return internalError(
          "sampler: the logit of token " + std::to_string(i) +
          (std::isnan(logit) ? " is NaN" : " is infinite") +
          (std::isfinite(logits[i]) ? " after penalties" : ""));
    }
    best = logit > candidates[best].logit ? i : best;
  }
  if (candidates[best].logit == -HUGE_VALF) {
    return internalError("sampler: all " + std::to_string(count) +
                         " logits are -infinity, so no token can be chosen");
  }
  if (options.temperature <= 0) {
    return static_cast<int32_t>(best);
  }
  bool sorted = false;
  if (options.topK > 0 && static_cast<size_t>(options.topK) < count) {
    count = keepTopK(count);
    sorted = true;
  }
  if (options.topP < 1) {
    count = keepTopP(count, sorted);
    sorted = true;
  }
  if (options.minP > 0) {
    count = keepMinP(count, sorted);
  }
  return draw(count);
}

} // namespace air::rt
