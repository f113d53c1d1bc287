//===- Dry.cpp - penalises tokens that would continue a repetition --------===//
#include "runtime/text/Reserved.h"
#include "runtime/text/sampling/RecentTokens.h"
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace air::rt {
namespace {

/// Says how many tokens have come since the last one in which a breaker ended.
/// A breaker may begin in one token and end in another.
class BreakerSearch {
public:
  BreakerSearch(const std::vector<std::string> &breakers,
                const Tokenizer *tokenizer)
      : breakers(breakers), tokenizer(tokenizer) {
    for (const std::string &breaker : breakers) {
      longest = std::max(longest, breaker.size());
    }
    if (longest != 0) {
      text.reserve(longest - 1 + tokenizer->longestPiece());
    }
  }

  void accept(int32_t id) {
    ++tokens;
    if (longest == 0) {
      return;
    }
    // `text` still holds the end of the text before this token, because a
    // breaker may begin there.
    const size_t before = text.size();
    text += tokenizer->piece(id, true);
    if (endsAfter(before)) {
      tokens = 0;
    }
    text.erase(0, text.size() - std::min(text.size(), longest - 1));
  }

  size_t tokensSince() const { return tokens; }

  bool isInside(int32_t id) const {
    return longest != 0 && containsBreaker(tokenizer->piece(id, true));
  }

  void reset() {
    text.clear();
    tokens = 0;
  }

private:
  /// True if a breaker in `text` ends after the first `before` bytes.
  bool endsAfter(size_t before) const {
    return std::ranges::any_of(breakers, [&](const std::string &breaker) {
      const size_t first = before - std::min(before, breaker.size() - 1);
      return text.find(breaker, first) != std::string::npos;
    });
  }

  bool containsBreaker(std::string_view piece) const {
    return std::ranges::any_of(breakers, [&](const std::string &breaker) {
      return piece.find(breaker) != std::string_view::npos;
    });
  }

  std::vector<std::string> breakers;
  const Tokenizer *tokenizer;
  size_t longest = 0;         ///< bytes of the longest breaker
  Reserved<std::string> text; ///< the last bytes, at most longest - 1
  size_t tokens = 0;
};

class DryStage : public CopyableStage<DryStage> {
public:
  DryStage(const SamplerOptions &options, int32_t vocabSize,
           const Tokenizer *tokenizer)
      : multiplier(options.dryMultiplier), base(options.dryBase),
        allowedLength(static_cast<size_t>(options.dryAllowedLength)),
        recent(static_cast<size_t>(options.dryLastN)),
        breaker(options.dryBreakers, tokenizer),
        repeated(static_cast<size_t>(options.dryLastN)),
        longest(static_cast<size_t>(vocabSize), kNone) {
    continuing.reserve(static_cast<size_t>(options.dryLastN));
  }

  Status apply(CandidateSet &set) override {
    const size_t limit = std::min(recent.size(), breaker.tokensSince());
    if (recent.size() <= allowedLength || limit < allowedLength) {
      return Status::ok();
    }
    findRepetitions(limit);
    if (continuing.empty()) {
      return Status::ok();
    }
    set.applyScale();
    std::span<Candidate> candidates = set.edit();
    if (set.isWhole()) {
      for (int32_t id : continuing) {
        penalize(candidates[static_cast<size_t>(id)]);
      }
    } else {
      for (Candidate &candidate : candidates) {
        penalize(candidate);
      }
    }
    for (int32_t id : continuing) {
      longest[static_cast<size_t>(id)] = kNone;
    }
    return Status::ok();
  }

  void accept(int32_t id) override {
    (void)recent.push(id);
    breaker.accept(id);
  }

  void reset() override {
    recent.clear();
    breaker.reset();
  }

private:
  static constexpr int32_t kNone = -1;

  /// Sets longest[t], for each token t that would continue a repetition of at
  /// least allowedLength tokens, to the length of the longest such repetition.
  /// Repetitions are cut to `limit` tokens.
  ///
  /// If the order of the tokens is reversed, the end of the text is a prefix.
  /// The Z-algorithm (Gusfield, "Algorithms on Strings, Trees, and Sequences",
  /// 1997, section 1.4) finds in linear time, for each position, the length of
  /// the part of this prefix that repeats there.
  void findRepetitions(size_t limit) {
    continuing.clear();
    const size_t count = recent.size();
    size_t begin = 0; // The repetition that reaches farthest is [begin, end).
    size_t end = 0;
    for (size_t i = 1; i < count; ++i) {
      size_t length = i < end ? std::min(repeated[i - begin], end - i) : 0;
      while (i + length < count &&
             recent.fromLast(length) == recent.fromLast(i + length)) {
        ++length;
      }
      repeated[i] = length;
      if (i + length > end) {
        begin = i;
        end = i + length;
      }
      length = std::min(length, limit);
      if (length >= allowedLength) {
        const int32_t next = recent.fromLast(i - 1);
        int32_t &most = longest[static_cast<size_t>(next)];
        if (most == kNone) {
          continuing.push_back(next);
        }
        most = std::max(most, static_cast<int32_t>(length));
      }
    }
  }

  void penalize(Candidate &candidate) const {
    const int32_t length = longest[static_cast<size_t>(candidate.id)];
    if (length == kNone || candidate.logit == -HUGE_VALF ||
        breaker.isInside(candidate.id)) {
      return;
    }
    const double power = std::pow(base, static_cast<double>(length) -
                                            static_cast<double>(allowedLength));
    // The logit stays finite, so the token can still be chosen.
    candidate.logit = static_cast<float>(std::max<double>(
        candidate.logit - std::min<double>(multiplier * power, FLT_MAX),
        -FLT_MAX));
  }

  double multiplier;
  double base;
  size_t allowedLength;
  RecentTokens recent;
  BreakerSearch breaker;
  /// Element i is the length of the longest token sequence that ends both the
  /// text and the text without its last i tokens.
  std::vector<size_t> repeated;
  std::vector<int32_t> longest; ///< see findRepetitions()
  /// The ids whose `longest` is set.
  Reserved<std::vector<int32_t>> continuing;
};

} // namespace

StagePtr makeDry(const SamplerOptions &options, int32_t vocabSize,
                 const Tokenizer *tokenizer) {
  return std::make_unique<DryStage>(options, vocabSize, tokenizer);
}

} // namespace air::rt
