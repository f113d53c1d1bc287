//===- CandidateSet.cpp - the tokens that a sampler may choose ------------===//
#include "runtime/text/sampling/CandidateSet.h"
#include "runtime/text/sampling/DrawWeights.h"
#include "runtime/text/sampling/Exponentials.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <functional>

namespace air::rt {
namespace {

/// computeWeights() calls std::exp() for each candidate if there are at most
/// this many.
constexpr size_t kFew = 1024;

} // namespace

Status CandidateSet::load(std::span<const float> logits) {
  count = items.size();
  whole = true;
  sortedFirst = 0;
  logitScale = 1;
  weightsAreKnown = false;
  // `isValid` becomes false for NaN too, because comparisons with NaN are
  // false.
  bool isValid = true;
  float most = -HUGE_VALF;
  for (size_t i = 0; i < count; ++i) {
    const float logit = logits[i];
    isValid &= logit < HUGE_VALF;
    most = logit > most ? logit : most;
    items[i] = {logit, static_cast<int32_t>(i)};
  }
  largest = most;
  largestIsKnown = true;
  if (!isValid) {
    const auto bad = static_cast<size_t>(
        std::ranges::find_if(logits, [](float l) { return !(l < HUGE_VALF); }) -
        logits.begin());
    return internalError(
        "sampler: the logit of token " + std::to_string(bad) +
        (std::isnan(logits[bad]) ? " is NaN" : " is infinite"));
  }
  if (most == -HUGE_VALF) {
    return internalError("sampler: all " + std::to_string(count) +
                         " logits are -infinity, so no token can be chosen");
  }
  return Status::ok();
}

void CandidateSet::divideBy(double temperature) {
  logitScale *= 1.0 / temperature;
  weightsAreKnown = false;
}

void CandidateSet::applyScale() {
  if (logitScale == 1) {
    return;
  }
  for (Candidate &candidate : edit()) {
    if (candidate.logit != -HUGE_VALF) {
      candidate.logit = static_cast<float>(
          std::clamp<double>(candidate.logit * logitScale, -FLT_MAX, FLT_MAX));
    }
  }
  logitScale = 1;
}

size_t CandidateSet::best() {
  assert(count != 0);
  if (sortedFirst != 0) {
    return 0;
  }
  const float most = largestLogit();
  size_t found = count;
  for (size_t i = 0; i < count; ++i) {
    if (items[i].logit == most &&
        (found == count || items[i].id < items[found].id)) {
      found = i;
    }
  }
  return found;
}

float CandidateSet::largestLogit() {
  if (sortedFirst != 0) {
    return items[0].logit;
  }
  if (!largestIsKnown) {
    largest = -HUGE_VALF;
    for (size_t i = 0; i < count; ++i) {
      largest = items[i].logit > largest ? items[i].logit : largest;
    }
    largestIsKnown = true;
  }
  return largest;
}

void CandidateSet::sortBest(size_t n) {
  if (n <= sortedFirst) {
    return;
  }
  std::partial_sort(items.begin() + sortedFirst, items.begin() + n,
                    items.begin() + count, kBetter);
  sortedFirst = n;
  whole = false;
  weightsAreKnown = false;
}

void CandidateSet::keepBest(size_t n) {
  if (n >= count) {
    return;
  }
  if (n <= sortedFirst) {
    truncate(n);
    return;
  }
  weightsAreKnown = false;
  // std::nth_element() rearranges copies of the logits instead of the
  // candidates, so it does not matter how it orders equal elements. The array
  // of weights serves as scratch memory for the copies.
  for (size_t i = 0; i < count; ++i) {
    weightOf[i] = items[i].logit;
  }
  std::nth_element(weightOf.begin(), weightOf.begin() + (n - 1),
                   weightOf.begin() + count, std::greater<>());
  const auto least = static_cast<float>(weightOf[n - 1]);
  size_t atLeast = n;
  for (const Candidate &candidate : candidates()) {
    atLeast -= candidate.logit > least ? 1 : 0;
  }
  filter([&](size_t i) {
    if (items[i].logit != least) {
      return items[i].logit > least;
    }
    return atLeast != 0 && atLeast-- != 0;
  });
}

void CandidateSet::truncate(size_t n) {
  if (n == count) {
    return;
  }
  count = n;
  sortedFirst = std::min(sortedFirst, count);
  whole = false;
  largestIsKnown = false;
  weightsAreKnown = false;
}

double CandidateSet::computeWeights() {
  if (weightsAreKnown && !weightsAreRounded) {
    return weightsTotal;
  }
  weightsAreKnown = true;
  weightsAreRounded = false;
  const double best = largestLogit();
  if (best == -HUGE_VAL) {
    std::fill_n(weightOf.begin(), count, 0);
    weightsTotal = 0;
  } else if (count > kFew) {
    computeExponentials(candidates(), best, logitScale, weightOf);
    weightsTotal = sumOf(weights());
  } else {
    weightsTotal = 0;
    for (size_t i = 0; i < count; ++i) {
      weightOf[i] = std::exp((items[i].logit - best) * logitScale);
      weightsTotal += weightOf[i];
    }
  }
  return weightsTotal;
}

double CandidateSet::computeDrawWeights() {
  if (weightsAreKnown && weightsAreRounded) {
    return weightsTotal;
  }
  weightsAreKnown = true;
  weightsAreRounded = true;
  const double best = largestLogit();
  if (best == -HUGE_VAL) {
    std::fill_n(weightOf.begin(), count, 0);
  } else {
    air::rt::computeDrawWeights(candidates(), best, logitScale, weightOf);
  }
  weightsTotal = sumOf(weights());
  return weightsTotal;
}

double CandidateSet::meanDistance(double total) {
  const double best = largestLogit();
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  for (size_t i = 0; i < count; ++i) {
    // This is NaN if the weight is 0 and the distance is infinite.
    const double product = weightOf[i] * ((items[i].logit - best) * logitScale);
    sums[i % kSums] += weightOf[i] > 0 ? product : 0;
  }
  return sumOf(sums) / total;
}

void CandidateSet::choose(double total, double unit) {
  const double target = unit * total;
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    if (weightOf[i] <= 0) {
      continue;
    }
    sum += weightOf[i];
    chosenIndex = i;
    if (target < sum) {
      break;
    }
  }
}

} // namespace air::rt
