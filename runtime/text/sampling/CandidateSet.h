//===- CandidateSet.h - the tokens that a sampler may choose ----*- C++ -*-===//
//
// The samplers of a chain work on one set, one after the other. Most of them
// need only the best few of 150,000 candidates, so the set is sorted only as
// far as a sampler needs.
//
// A temperature does not change the logits, because storing rounded products
// would be less exact. Instead, it changes `scale`, a factor by which all
// logits are to be multiplied.
//
// Ownership: the set owns 16 bytes per entry of the vocabulary. Apart from
// error messages, it allocates only in its constructor.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATESET_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATESET_H

#include "formats/support/Status.h"
#include "runtime/text/sampling/Candidate.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

class CandidateSet {
public:
  explicit CandidateSet(int32_t vocabSize)
      : items(static_cast<size_t>(vocabSize)),
        weightOf(static_cast<size_t>(vocabSize)) {}

  /// Makes every token a candidate. There must be one logit per entry of the
  /// vocabulary. Errors: Internal if a logit is NaN or +infinity (the message
  /// states the id of its token), or if all are -infinity.
  Status load(std::span<const float> logits);

  std::span<const Candidate> candidates() const {
    return {items.data(), count};
  }
  size_t size() const { return count; }

  /// True if the candidate at index i is token i, which holds until a
  /// candidate is dropped or the set is sorted.
  bool isWhole() const { return whole; }
  bool isSorted() const { return sortedFirst >= count; }
  double scale() const { return logitScale; }

  /// Divides scale() by `temperature`, which must be positive.
  void divideBy(double temperature);

  /// Multiplies all logits by scale(), and sets scale() to 1, so that the
  /// caller can change single logits.
  void applyScale();

  /// Returns the candidates, whose logits the caller may then change.
  std::span<Candidate> edit() {
    sortedFirst = 0;
    largestIsKnown = false;
    weightsAreKnown = false;
    return {items.data(), count};
  }

  /// Returns the candidates, which the caller may then reorder.
  std::span<Candidate> orderAnew() {
    whole = false;
    return edit();
  }

  /// The index of the first candidate in the order of kBetter.
  size_t best();
  float largestLogit();

  /// Moves the n best candidates to the beginning, in the order of kBetter.
  void sortBest(size_t n);

  /// Keeps only the n candidates with the largest logits, in their current
  /// order. If logits are equal, the earlier candidates are kept.
  void keepBest(size_t n);

  /// Drops all candidates but the first n.
  void truncate(size_t n);

  /// Drops all candidates for whose index `keep` returns false, and keeps the
  /// order of the others.
  template <typename Keep> void filter(Keep keep) {
    const bool inOrder = isSorted();
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      if (keep(i)) {
        items[kept++] = items[i];
      }
    }
    if (kept != count) {
      sortedFirst = inOrder ? kept : 0;
      whole = false;
      largestIsKnown = false;
      weightsAreKnown = false;
      count = kept;
    }
  }

  /// Sets each weight to exp(scaled logit - largest scaled logit), and returns
  /// their sum: a weight divided by the sum is a probability. Returns 0 if all
  /// logits are -infinity. Nothing is computed if nothing has changed since the
  /// previous call.
  double computeWeights();

  /// Like computeWeights(), but with the rounded weights of DrawWeights.h.
  double computeDrawWeights();

  /// The weights that computeWeights() or computeDrawWeights() has set,
  /// whichever was called last. They are valid until scale() changes, or a
  /// candidate is changed, moved or dropped.
  std::span<const double> weights() const { return {weightOf.data(), count}; }

  /// Returns the array of weights, for the caller to write to.
  std::span<double> editWeights() {
    weightsAreKnown = false;
    return {weightOf.data(), count};
  }

  /// The mean of (scaled logit - largest scaled logit), weighted by
  /// probability. `total`, which is not 0, is the sum of the weights.
  double meanDistance(double total);

  /// Chooses a candidate with a probability in proportion to its weight. `unit`
  /// is a random number in [0, 1), and `total` the sum of the weights.
  void choose(double total, double unit);

  /// The index of the candidate that the last sampler of a chain chose.
  size_t chosen() const { return chosenIndex; }

private:
  std::vector<Candidate> items;
  std::vector<double> weightOf;
  size_t count = 0;
  size_t chosenIndex = 0;
  double logitScale = 1;
  size_t sortedFirst = 0; ///< number of best candidates that are in order
  bool whole = true;
  float largest = 0;       ///< valid if largestIsKnown
  double weightsTotal = 0; ///< valid if weightsAreKnown
  bool largestIsKnown = false;
  bool weightsAreKnown = false;
  bool weightsAreRounded = false; ///< by computeDrawWeights()
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_CANDIDATESET_H
