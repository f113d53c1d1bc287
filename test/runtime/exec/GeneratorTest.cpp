//===- GeneratorTest.cpp - when generation ends, and what is shown --------===//
#include "runtime/exec/Generator.h"

#include "formats/plan/PlanConvert.h"
#include "test/runtime/fake/FakePlan.h"
#include "test/runtime/fake/LateGpu.h"

#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

struct Answer {
  std::vector<int32_t> ids;
  /// What each call of next() returned, and at the end what finish() returned.
  std::vector<std::string> pieces;
  std::string text;
  FinishReason reason = FinishReason::NotFinished;
};

class GeneratorTest : public testing::Test {
protected:
  void SetUp() override { path = temporaryPath("plan.air"); }
  void TearDown() override { std::remove(path.c_str()); }

  void open(const std::string &text) { open(text, /*onGpu=*/false); }

  /// Opens a plan for the CPU, or for a fake GPU, to which `gpu` then points.
  void open(const std::string &text, bool onGpu) {
    FakeModel model;
    model.say(text);
    SessionOptions options;
    if (onGpu) {
      writeFakeGpuPlan(path, model);
      options.gpu =
          [&](const plan::Device &) -> Result<std::unique_ptr<Device>> {
        auto made = std::make_unique<LateGpu>(fakeGpuKernels());
        gpu = made.get();
        return std::unique_ptr<Device>(std::move(made));
      };
    } else {
      writeFakePlan(path, model);
      options.threads = 1;
    }
    Result<Session> opened = Session::open(path, options);
    ASSERT_TRUE(opened) << opened.status().message();
    session.emplace(*std::move(opened));
    Result<Tokenizer> made =
        Tokenizer::create(fromPlan(*session->plan().tokenizer()));
    ASSERT_TRUE(made) << made.status().message();
    tokenizer.emplace(*std::move(made));
  }

  static GenerateOptions greedy() {
    GenerateOptions options;
    options.sampler.temperature = 0;
    return options;
  }

  Answer answer(const GenerateOptions &options,
                const std::vector<int32_t> &prompt = {kFakeBos}) {
    Answer got;
    Result<std::unique_ptr<Generator>> generator =
        Generator::create(*session, &*tokenizer, options);
    EXPECT_TRUE(generator) << generator.status().message();
    Status status = (*generator)->prompt(prompt);
    EXPECT_TRUE(status.isOk()) << status.message();
    while (true) {
      Result<std::optional<GeneratedToken>> token = (*generator)->next();
      EXPECT_TRUE(token) << token.status().message();
      if (!token || !*token) {
        break;
      }
      got.ids.push_back((*token)->id);
      got.pieces.emplace_back((*token)->text);
    }
    got.pieces.emplace_back((*generator)->finish());
    got.reason = (*generator)->reason();
    for (const std::string &piece : got.pieces) {
      got.text += piece;
    }
    return got;
  }

  std::string path;
  std::optional<Session> session;
  std::optional<Tokenizer> tokenizer;
  LateGpu *gpu = nullptr;
};

TEST_F(GeneratorTest, EndsWithTheModelsOwnEnd) {
  open("Once upatim");
  Answer got = answer(greedy());
  EXPECT_EQ(got.text, "Once upatim");
  EXPECT_EQ(got.reason, FinishReason::EndOfText);
  EXPECT_EQ(got.ids.size(), 11U);
}

TEST_F(GeneratorTest, EndsAtTheLimitWithoutAWastedPass) {
  open("abcdef");
  GenerateOptions options = greedy();
  options.maxTokens = 3;
  session->executor().resetCounters();
  Answer got = answer(options);
  EXPECT_EQ(got.text, "abc");
  EXPECT_EQ(got.reason, FinishReason::Length);
  EXPECT_EQ(session->executor().counters().passes, 3U);
}

TEST_F(GeneratorTest, ALimitOfNothingOnlyReadsThePrompt) {
  open("abcdef");
  GenerateOptions options = greedy();
  options.maxTokens = 0;
  session->executor().resetCounters();
  Answer got = answer(options, {kFakeBos, 4, 5});
  EXPECT_EQ(got.text, "");
  EXPECT_EQ(got.reason, FinishReason::Length);
  EXPECT_EQ(session->executor().counters().tokens, 3U);
  EXPECT_EQ(session->executor().counters().outputs, 0U);
}

TEST_F(GeneratorTest, GoesOnPastTheEndWhenToldTo) {
  open("ab");
  GenerateOptions options = greedy();
  options.maxTokens = 5;
  options.ignoreEndOfText = true;
  Answer got = answer(options);
  EXPECT_EQ(got.ids.size(), 5U);
  EXPECT_EQ(got.ids[2], kFakeEos);
  EXPECT_EQ(got.reason, FinishReason::Length);
}

TEST_F(GeneratorTest, ACharacterIsShownWhole) {
  // Between "a" and "!" are e acute, which has two bytes, and the euro sign,
  // which has three. Each byte is one token.
  open("a\xC3\xA9\xE2\x82\xAC!");
  Answer got = answer(greedy());
  EXPECT_EQ(got.pieces, (std::vector<std::string>{"a", "", "\xC3\xA9", "", "",
                                                  "\xE2\x82\xAC", "!", ""}));
}

TEST_F(GeneratorTest, ACharacterCutByTheLimitIsReplaced) {
  open("a\xE2\x82\xAC");
  GenerateOptions options = greedy();
  options.maxTokens = 3;
  EXPECT_EQ(answer(options).text, "a\xEF\xBF\xBD");
}

TEST_F(GeneratorTest, AStopStringIsNeverShownNotEvenItsBeginning) {
  open("abcdefgh");
  GenerateOptions options = greedy();
  options.stops = {"xyz", "def"};
  Answer got = answer(options);
  EXPECT_EQ(got.text, "abc");
  EXPECT_EQ(got.reason, FinishReason::StopString);
  EXPECT_EQ(got.ids.size(), 6U);
}

TEST_F(GeneratorTest, WhatOnlyLookedLikeAStopStringIsShown) {
  open("abcdefgh");
  GenerateOptions options = greedy();
  options.stops = {"dex", "ghi"};
  Answer got = answer(options);
  EXPECT_EQ(got.text, "abcdefgh");
  EXPECT_EQ(got.reason, FinishReason::EndOfText);
  EXPECT_EQ(got.pieces[3], "");
  EXPECT_EQ(got.pieces[5], "def");
}

TEST_F(GeneratorTest, TheEarliestOfSeveralStopsWins) {
  open("abcdefgh");
  GenerateOptions options = greedy();
  options.stops = {"de", "bcde"};
  EXPECT_EQ(answer(options).text, "a");
}

TEST_F(GeneratorTest, TheContextIsAnEndNotAnError) {
  open("ab");
  GenerateOptions options = greedy();
  options.maxTokens = 1000;
  options.ignoreEndOfText = true;
  std::vector<int32_t> prompt(100, 50);
  Answer got = answer(options, prompt);
  EXPECT_EQ(got.reason, FinishReason::ContextFull);
  // The last token is sampled from the logits of the last position but does not
  // get a position in the context.
  EXPECT_EQ(got.ids.size(), kFakeContext - 100 + 1);
}

TEST_F(GeneratorTest, PromptsThatCannotBeAreRefused) {
  open("ab");
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, greedy());
  ASSERT_TRUE(generator) << generator.status().message();
  EXPECT_EQ((*generator)->prompt({}).code(), ErrorCode::Usage);
  std::vector<int32_t> tooLong(kFakeContext + 1, 5);
  Status status = (*generator)->prompt(tooLong);
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(status.message().find("151 tokens"), std::string::npos)
      << status.message();
  const int32_t outside = FAKE_VOCABULARY;
  EXPECT_EQ((*generator)->prompt({&outside, 1}).code(), ErrorCode::Usage);
}

TEST_F(GeneratorTest, StopsNeedTextAndContent) {
  open("ab");
  GenerateOptions options = greedy();
  options.stops = {""};
  EXPECT_EQ(Generator::create(*session, &*tokenizer, options).status().code(),
            ErrorCode::Usage);
  options.stops = {"a"};
  EXPECT_EQ(Generator::create(*session, nullptr, options).status().code(),
            ErrorCode::Usage);
}

TEST_F(GeneratorTest, WithoutATokenizerThePlansEndStillEnds) {
  open("ab");
  Answer withText = answer(greedy());
  ASSERT_EQ(withText.reason, FinishReason::EndOfText);
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, nullptr, greedy());
  ASSERT_TRUE(generator) << generator.status().message();
  const int32_t bos = kFakeBos;
  ASSERT_TRUE((*generator)->prompt({&bos, 1}).isOk());
  std::vector<int32_t> ids;
  while (true) {
    Result<std::optional<GeneratedToken>> token = (*generator)->next();
    ASSERT_TRUE(token) << token.status().message();
    if (!*token) {
      break;
    }
    ids.push_back((*token)->id);
  }
  EXPECT_EQ(ids, withText.ids);
  EXPECT_EQ((*generator)->reason(), FinishReason::EndOfText);
}

TEST_F(GeneratorTest, AControlTokensTextStopsAtTheToken) {
  open("ab");
  GenerateOptions options = greedy();
  options.ignoreEndOfText = true;
  // "b" is held back because it begins the stop string "bx", and is shown at
  // the end.
  options.stops = {"</s>", "bx"};
  Answer got = answer(options);
  EXPECT_EQ(got.text, "ab");
  EXPECT_EQ(got.ids.size(), 2U);
  EXPECT_EQ(got.reason, FinishReason::StopToken);
}

TEST_F(GeneratorTest, MoreTokensEndTheAnswer) {
  open("abc");
  GenerateOptions options = greedy();
  // The byte 'b' has the id 3 + 'b'.
  options.endTokens = {3 + 'b'};
  Answer got = answer(options);
  EXPECT_EQ(got.text, "a");
  EXPECT_EQ(got.reason, FinishReason::EndOfText);
}

TEST_F(GeneratorTest, AControlTokenIsShownIfItShouldBe) {
  open("ab");
  GenerateOptions options = greedy();
  options.ignoreEndOfText = true;
  options.maxTokens = 3;
  EXPECT_EQ(answer(options).text, "ab");
  options.shownTokens = {kFakeEos};
  EXPECT_EQ(answer(options).text, "ab</s>");
}

TEST_F(GeneratorTest, AnInterruptionEndsItBetweenTokens) {
  open("abcdef");
  std::atomic<bool> interrupted{false};
  GenerateOptions options = greedy();
  options.interrupted = &interrupted;
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, options);
  ASSERT_TRUE(generator) << generator.status().message();
  const int32_t bos = kFakeBos;
  ASSERT_TRUE((*generator)->prompt({&bos, 1}).isOk());
  Result<std::optional<GeneratedToken>> token = (*generator)->next();
  ASSERT_TRUE(token && *token);
  EXPECT_EQ((*token)->text, "a");
  interrupted = true;
  token = (*generator)->next();
  ASSERT_TRUE(token);
  EXPECT_FALSE(token->has_value());
  EXPECT_EQ((*generator)->reason(), FinishReason::Interrupted);
}

TEST_F(GeneratorTest, OnlyWhatWasComputedOfAPromptCounts) {
  open("abcdef");
  std::atomic<bool> interrupted{false};
  GenerateOptions options = greedy();
  options.interrupted = &interrupted;
  // One pass cannot take all of these tokens.
  const std::vector<int32_t> tokens(2 * kFakeMaxTokens + 1, kFakeBos);
  for (bool isInterrupted : {false, true}) {
    interrupted = isInterrupted;
    Result<std::unique_ptr<Generator>> generator =
        Generator::create(*session, &*tokenizer, options);
    ASSERT_TRUE(generator) << generator.status().message();
    EXPECT_EQ((*generator)->promptTokens(), 0U);
    ASSERT_TRUE((*generator)->prompt(tokens).isOk());
    EXPECT_EQ((*generator)->promptTokens(), isInterrupted ? 0U : tokens.size());
  }
}

TEST_F(GeneratorTest, SequencesAreGivenBack) {
  open("abc");
  for (int round = 0; round < 50; ++round) {
    ASSERT_EQ(answer(greedy()).text, "abc");
  }
}

/// Forbids one token, and records the tokens that are passed to accept().
class WithoutFilter : public TokenFilter {
public:
  explicit WithoutFilter(int32_t id) : forbidden(id) {}
  bool allows(int32_t id) override { return id != forbidden; }
  void mask(std::span<float> logits) override {
    logits[static_cast<size_t>(forbidden)] = -HUGE_VALF;
  }
  Status accept(int32_t id) override {
    accepted.push_back(id);
    return accepted.size() < 4 ? Status::ok() : usageError("four are enough");
  }

  int32_t forbidden;
  std::vector<int32_t> accepted;
};

TEST_F(GeneratorTest, AFilterSeesTheAnswerButNotThePromptNorTheEnd) {
  open("abc");
  const std::vector<int32_t> free = answer(greedy()).ids;
  ASSERT_EQ(free.size(), 3U);
  GenerateOptions options = greedy();
  WithoutFilter harmless(kFakeBos);
  options.filter = &harmless;
  EXPECT_EQ(answer(options).ids, free);
  EXPECT_EQ(harmless.accepted, free);
  WithoutFilter strict(free[1]);
  options.filter = &strict;
  options.maxTokens = 3;
  const std::vector<int32_t> other = answer(options).ids;
  EXPECT_EQ(other[0], free[0]);
  EXPECT_NE(other[1], free[1]);
  EXPECT_EQ(strict.accepted, other);
}

class AnyToken : public TokenFilter {
public:
  bool allows(int32_t) override { return true; }
  void mask(std::span<float>) override {}
  Status accept(int32_t) override { return Status::ok(); }
};

// If the sampler always takes the most likely token, the GPU chooses the tokens
// itself, and only their ids are copied to the host. Otherwise the logits are
// copied. The first pass computes a prompt of two tokens, after which the
// logits are always copied.
TEST_F(GeneratorTest, AGpuChoosesTheTokensOfGreedyAnswers) {
  constexpr uint64_t kRow = FAKE_VOCABULARY * sizeof(float);
  GenerateOptions topOne;
  topOne.sampler.topK = 1;
  GenerateOptions stopped = greedy();
  stopped.stops = {"ati"};
  GenerateOptions penalty = greedy();
  penalty.sampler.repeatPenalty = 1.01F;
  GenerateOptions warm;
  warm.sampler.temperature = 0.01F;
  AnyToken any;
  GenerateOptions filtered = greedy();
  filtered.filter = &any;
  const struct {
    GenerateOptions options;
    bool copiesLogits;
  } cases[] = {{greedy(), false}, {topOne, false}, {stopped, false},
               {penalty, true},   {warm, true},    {filtered, true}};
  for (const auto &test : cases) {
    SCOPED_TRACE(&test - cases);
    open("Once upatim");
    const Answer cpu = answer(test.options, {5, kFakeBos});
    open("Once upatim", /*onGpu=*/true);
    const Answer got = answer(test.options, {5, kFakeBos});
    EXPECT_EQ(got.ids, cpu.ids);
    EXPECT_EQ(got.pieces, cpu.pieces);
    EXPECT_EQ(got.reason, cpu.reason);
    ASSERT_GT(got.ids.size(), 5U);
    const uint64_t passes = session->executor().counters().passes;
    EXPECT_EQ(gpu->readBytes,
              kRow + (passes - 1) * (test.copiesLogits ? kRow : 4));
  }
}

// While the host shows a token, the GPU already computes the next one. No pass
// is computed for a token that the caller does not ask for.
TEST_F(GeneratorTest, AGpuRunsAheadOfAnAnswerUntilItsLastToken) {
  open("abcdef", /*onGpu=*/true);
  GenerateOptions options = greedy();
  options.maxTokens = 4;
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, options);
  ASSERT_TRUE(generator) << generator.status().message();
  ASSERT_TRUE((*generator)->prompt(std::vector<int32_t>{kFakeBos}).isOk());
  // For each token, how many kernels have been enqueued but have not run when
  // next() returns the token. A pass has five kernels.
  std::vector<uint64_t> pending;
  for (uint64_t i = 0; i < options.maxTokens; ++i) {
    const auto token = (*generator)->next();
    ASSERT_TRUE(token && *token);
    pending.push_back(gpu->enqueuedLaunches - gpu->launches);
  }
  EXPECT_EQ(pending, (std::vector<uint64_t>{5, 5, 5, 0}));
}

// The context of 150 tokens has three pages.
TEST_F(GeneratorTest, AGpuGoesOnUntilTheContextIsFull) {
  open("abc", /*onGpu=*/true);
  GenerateOptions options = greedy();
  options.maxTokens = 1000;
  options.ignoreEndOfText = true;
  const Answer got = answer(options, {kFakeBos});
  EXPECT_EQ(got.reason, FinishReason::ContextFull);
  EXPECT_EQ(got.ids.size(), kFakeContext);
  const std::vector<int32_t> cpu = [&] {
    open("abc");
    return answer(options, {kFakeBos}).ids;
  }();
  EXPECT_EQ(got.ids, cpu);
}

TEST_F(GeneratorTest, AnErrorOfTheFilterEndsTheGeneration) {
  open("abcdef");
  GenerateOptions options = greedy();
  WithoutFilter filter(kFakeBos);
  options.filter = &filter;
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, options);
  ASSERT_TRUE(generator) << generator.status().message();
  ASSERT_TRUE((*generator)->prompt(std::vector<int32_t>{kFakeBos}).isOk());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE((*generator)->next());
  }
  EXPECT_EQ((*generator)->next().status().message(), "four are enough");
}

TEST_F(GeneratorTest, TheSameSeedDrawsTheSame) {
  open("abc");
  GenerateOptions options;
  options.maxTokens = 40;
  options.ignoreEndOfText = true;
  options.sampler.temperature = 200;
  options.sampler.topK = 0;
  options.sampler.topP = 1;
  options.sampler.minP = 0;
  options.sampler.seed = 5;
  Answer first = answer(options);
  EXPECT_EQ(first.ids, answer(options).ids);
  options.sampler.seed = 6;
  EXPECT_NE(first.ids, answer(options).ids);
}

/// Runs `tokens` in `kept`, and returns the logits after the last one.
std::vector<float> runIn(Session &session, KeptSequence &kept,
                         std::span<const int32_t> tokens) {
  const std::vector<SequenceId> sequences(tokens.size(), kept.id());
  const auto last = static_cast<uint32_t>(tokens.size() - 1);
  std::vector<float> got;
  const Status status =
      session.run({tokens, sequences, {&last, 1}},
                  [&](uint64_t, std::span<const float> logits) {
                    got.assign(logits.begin(), logits.end());
                    return Status::ok();
                  });
  EXPECT_TRUE(status.isOk()) << status.message();
  kept.append(tokens);
  return got;
}

// The fake model's logits depend on every token and its position.
TEST_F(GeneratorTest, KeptSequenceKeepsTheCommonPrefix) {
  open("Once upatim");
  FakeModel model;
  model.say("Once upatim");
  Result<KeptSequence> kept = KeptSequence::create(*session);
  ASSERT_TRUE(kept) << kept.status().message();
  const std::vector<int32_t> first = {1, 10, 11, 12, 13};
  EXPECT_EQ(*kept->keepPrefix(first), 0U);
  EXPECT_EQ(runIn(*session, *kept, first), fakeLogits(model, first));
  const std::vector<int32_t> second = {1, 10, 11, 50, 51, 52, 53};
  EXPECT_EQ(*kept->keepPrefix(second), 3U);
  EXPECT_EQ(runIn(*session, *kept, std::span(second).subspan(3)),
            fakeLogits(model, second));
  // The last token is always computed again, because its logits are needed.
  EXPECT_EQ(*kept->keepPrefix(second), 6U);
  EXPECT_EQ(runIn(*session, *kept, std::span(second).subspan(6)),
            fakeLogits(model, second));
  const std::vector<int32_t> shorter = {1, 10};
  EXPECT_EQ(*kept->keepPrefix(shorter), 1U);
  EXPECT_EQ(session->length(kept->id()), 1U);
  EXPECT_EQ(kept->tokens().size(), 1U);
}

// When a stop string ends an answer, a pass has run ahead. It writes keys and
// values at a position that the next prompt uses.
TEST_F(GeneratorTest, AKeptSequenceDropsThePassThatRanAhead) {
  open("Once upatim", /*onGpu=*/true);
  FakeModel model;
  model.say("Once upatim");
  Result<KeptSequence> kept = KeptSequence::create(*session);
  ASSERT_TRUE(kept) << kept.status().message();
  GenerateOptions options = greedy();
  options.stops = {"up"};
  std::vector<int32_t> prompt = {kFakeBos};
  for (int turn = 0; turn < 3; ++turn) {
    SCOPED_TRACE(turn);
    Result<std::unique_ptr<Generator>> generator =
        Generator::create(*session, &*tokenizer, options, &*kept);
    ASSERT_TRUE(generator) << generator.status().message();
    ASSERT_TRUE((*generator)->prompt(prompt).isOk());
    while (true) {
      const auto token = (*generator)->next();
      ASSERT_TRUE(token) << token.status().message();
      if (!*token) {
        break;
      }
    }
    EXPECT_EQ((*generator)->reason(), FinishReason::StopString);
    EXPECT_EQ(gpu->enqueuedLaunches - gpu->launches, 5U);
    prompt.assign(kept->tokens().begin(), kept->tokens().end());
    // The prompt of the second turn adds one token to the kept sequence. This
    // is not the token that the GPU chose. The prompt of the third turn adds
    // two tokens.
    if (turn == 1) {
      prompt.push_back(60);
    }
    prompt.push_back(kFakeBos);
  }
  std::vector<int32_t> all(kept->tokens().begin(), kept->tokens().end());
  all.push_back(70);
  EXPECT_EQ(runIn(*session, *kept, {{70}}), fakeLogits(model, all));
}

TEST_F(GeneratorTest, ComputesOnlyWhatAKeptSequenceLacks) {
  open("Once upatim");
  Result<KeptSequence> kept = KeptSequence::create(*session);
  ASSERT_TRUE(kept) << kept.status().message();
  const auto ask = [&](const std::vector<int32_t> &prompt) {
    Result<std::unique_ptr<Generator>> generator =
        Generator::create(*session, &*tokenizer, greedy(), &*kept);
    EXPECT_TRUE(generator) << generator.status().message();
    Status status = (*generator)->prompt(prompt);
    EXPECT_TRUE(status.isOk()) << status.message();
    std::string text;
    while (true) {
      Result<std::optional<GeneratedToken>> token = (*generator)->next();
      EXPECT_TRUE(token) << token.status().message();
      if (!token || !*token) {
        break;
      }
      text += (*token)->text;
    }
    return text + " " + std::to_string((*generator)->reusedTokens()) + "+" +
           std::to_string((*generator)->promptTokens());
  };
  EXPECT_EQ(ask({50, kFakeBos}), "Once upatim 0+2");
  // The model ran on all tokens except the one that ended the answer.
  EXPECT_EQ(kept->tokens().size(), 2U + 11U);
  std::vector<int32_t> next(kept->tokens().begin(), kept->tokens().end());
  next.insert(next.end(), {60, kFakeBos});
  EXPECT_EQ(ask(next), "Once upatim 13+2");
  // A prompt that fills the whole context is accepted, whatever tokens the
  // sequence holds.
  std::vector<int32_t> full(session->context(), 70);
  EXPECT_EQ(ask(full).substr(1), " 0+150");
  full.push_back(70);
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, greedy(), &*kept);
  EXPECT_EQ((*generator)->prompt(full).code(), ErrorCode::DoesNotFit);
}

} // namespace
