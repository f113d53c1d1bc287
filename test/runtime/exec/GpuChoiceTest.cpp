//===- GpuChoiceTest.cpp - a GPU chooses the tokens of a session ----------===//
#include "formats/abi/TokenDraw.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/exec/GpuSessionFixture.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

class GpuChoiceTest : public GpuSessionTest {};

// The sequences have different lengths and reach new pages of the KV cache at
// different times. Only the chosen tokens are copied to the host, and nothing
// is copied to the GPU until a sequence needs another page. The same holds if
// passes run ahead.
TEST_F(GpuChoiceTest, ChosenTokensAreThoseOfTheLogits) {
  for (const auto &[count, runsAhead] :
       {std::pair(1, false), std::pair(1, true), std::pair(3, true),
        std::pair(8, false), std::pair(8, true)}) {
    SCOPED_TRACE(count);
    Result<Session> session =
        open([](plan::PlanT &plan) { setContext(plan, kFakeContext, 8); });
    ASSERT_TRUE(session) << session.status().message();
    ASSERT_TRUE(session->canChoose(static_cast<uint64_t>(count)));
    std::vector<SequenceId> sequences;
    std::vector<std::vector<int32_t>> histories;
    std::vector<int32_t> tokens;
    std::vector<int32_t> chosen(static_cast<size_t>(count));
    for (size_t i = 0; i < chosen.size(); ++i) {
      sequences.push_back(beginSequence(*session));
      histories.push_back(someTokens(50 + 3 * i, 20 + i));
      tokens.push_back(histories.back().back());
      histories.back().pop_back();
      ASSERT_TRUE(runRows(*session, histories.back(),
                          std::vector(histories.back().size(), sequences[i]),
                          {}));
    }
    for (int step = 0; step < 75; ++step) {
      const uint64_t written = gpu->writtenBytes;
      const uint64_t read = gpu->readBytes;
      bool needsPage = step == 0;
      for (size_t i = 0; i < chosen.size(); ++i) {
        needsPage |= histories[i].size() % AIR_KV_PAGE_TOKENS == 0;
      }
      const Status status =
          session->choose(tokens, sequences, chosen, runsAhead);
      ASSERT_TRUE(status.isOk()) << status.message();
      EXPECT_EQ(gpu->writtenBytes != written, needsPage) << step;
      EXPECT_EQ(gpu->readBytes - read, 4 * chosen.size());
      for (size_t i = 0; i < chosen.size(); ++i) {
        histories[i].push_back(tokens[i]);
        const std::vector<float> logits = fakeLogits(model, histories[i]);
        const auto best = std::ranges::max_element(logits);
        ASSERT_EQ(chosen[i], best - logits.begin()) << step;
        ASSERT_EQ(session->length(sequences[i]), histories[i].size());
      }
      tokens = chosen;
    }
  }
}

// Passes in which the GPU chooses tokens alternate with other passes. Some
// passes begin with a token other than the one that the GPU has chosen.
TEST_F(GpuChoiceTest, ChoicesMayAlternateWithOtherPasses) {
  Session session = opened();
  std::mt19937 random(5);
  std::vector<SequenceId> sequences = {beginSequence(session),
                                       beginSequence(session)};
  std::vector<std::vector<int32_t>> histories(2);
  int32_t last = 3;
  for (int step = 0; step < 120; ++step) {
    const size_t i = random() % 8 == 0 ? 1 : 0;
    const int32_t token = random() % 4 == 0 ? 11 : last;
    histories[i].push_back(token);
    if (random() % 3 == 0) {
      Result<Rows> rows = runRows(session, {token}, {sequences[i]}, {0});
      ASSERT_TRUE(rows) << rows.status().message();
      ASSERT_EQ((*rows)[0], fakeLogits(model, histories[i]));
    } else {
      const bool continues = random() % 4 != 0;
      ASSERT_TRUE(
          session.choose({&token, 1}, {&sequences[i], 1}, {&last, 1}, continues)
              .isOk());
      ASSERT_EQ(last, model.next[token]);
    }
    if (random() % 16 == 0) {
      histories[i].pop_back();
      ASSERT_TRUE(session.truncate(sequences[i], histories[i].size()).isOk());
    }
    if (random() % 16 == 0) {
      const Result<SequenceId> fork =
          session.fork(sequences[i], histories[i].size());
      ASSERT_TRUE(fork) << fork.status().message();
      session.endSequence(sequences[i]);
      sequences[i] = *fork;
    }
  }
}

// When choose() returns, the next pass has been enqueued, but the host has not
// waited for it. The next call of choose() returns the tokens that this pass
// has chosen, and enqueues only the pass after it. At the end of a page of the
// KV cache, no pass runs ahead.
TEST_F(GpuChoiceTest, APassRunsAheadOfTheHost) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  int32_t token = 9;
  constexpr uint64_t kLaunches = 5; // kernels in a pass that chooses a token
  for (uint64_t length = 1; length < 70; ++length) {
    const bool continues = length < 69;
    int32_t chosen = -1;
    ASSERT_TRUE(
        session.choose({&token, 1}, {&sequence, 1}, {&chosen, 1}, continues)
            .isOk());
    EXPECT_EQ(chosen, model.next[token]);
    EXPECT_EQ(session.length(sequence), length);
    EXPECT_EQ(gpu->launches, length * kLaunches);
    EXPECT_EQ(session.executor().counters().passes, length);
    const uint64_t enqueued = gpu->enqueuedLaunches;
    EXPECT_EQ(enqueued,
              kLaunches * (continues && length % 64 != 0 ? length + 1 : length))
        << length;
    token = chosen;
  }
}

// A pass has run ahead with token 11, which follows token 10. The next pass has
// the same token at the same position, in a sequence with the same page and the
// same id. In that pass, however, token 11 follows token 20, so the results of
// the first pass must not be used.
TEST_F(GpuChoiceTest, APassThatRanAheadOfOtherTokensIsDropped) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  const SequenceId other = beginSequence(session);
  const auto choose = [&](int32_t token, SequenceId of, bool continues) {
    int32_t chosen = -1;
    EXPECT_TRUE(
        session.choose({&token, 1}, {&of, 1}, {&chosen, 1}, continues).isOk());
    return chosen;
  };
  EXPECT_EQ(choose(20, other, false), model.next[20]);
  EXPECT_EQ(choose(10, sequence, true), 11);
  session.endSequence(sequence);
  const Result<SequenceId> fork = session.fork(other, 1);
  ASSERT_TRUE(fork) << fork.status().message();
  // The fork has the id of the sequence that has ended. When the fork grows, it
  // also gets the page of that sequence.
  ASSERT_EQ(*fork, sequence);
  EXPECT_EQ(choose(11, *fork, false), 12);
  const Result<Rows> rows = runRows(session, {12}, {*fork}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, {20, 11, 12}));
}

// While passes are timed, each step runs by itself. A pass that ran ahead would
// not be timed, so no pass runs ahead.
TEST_F(GpuChoiceTest, TimedPassesDoNotRunAhead) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  std::vector<uint64_t> times(4);
  int32_t token = 9;
  constexpr uint64_t kLaunches = 5; // kernels in a pass that chooses a token
  const auto enqueuedByChoice = [&] {
    const uint64_t before = gpu->enqueuedLaunches;
    int32_t chosen = -1;
    EXPECT_TRUE(session
                    .choose({&token, 1}, {&sequence, 1}, {&chosen, 1},
                            /*continues=*/true)
                    .isOk());
    EXPECT_EQ(chosen, model.next[token]);
    token = chosen;
    return gpu->enqueuedLaunches - before;
  };
  EXPECT_EQ(enqueuedByChoice(), 2 * kLaunches);
  session.executor().timeSteps(true);
  EXPECT_EQ(enqueuedByChoice(), kLaunches);
  session.executor().timeSteps(false);
  EXPECT_EQ(enqueuedByChoice(), 2 * kLaunches);
  session.executor().timeDispatches(times);
  EXPECT_EQ(enqueuedByChoice(), kLaunches);
  for (const uint64_t nanoseconds : times) {
    EXPECT_GT(nanoseconds, 0U);
  }
}

// A pass runs ahead and writes to the last page of a sequence. A fork then
// shares this page, so the original sequence gets a copy of the page before it
// grows. The pass that ran ahead writes to the old page, so its results are
// dropped.
TEST_F(GpuChoiceTest, APassThatRanAheadOfAForkIsDropped) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  const auto choose = [&](int32_t token) {
    int32_t chosen = -1;
    EXPECT_TRUE(
        session.choose({&token, 1}, {&sequence, 1}, {&chosen, 1}, true).isOk());
    return chosen;
  };
  EXPECT_EQ(choose(10), 11);
  EXPECT_EQ(choose(11), 12);
  const Result<SequenceId> fork = session.fork(sequence, 2);
  ASSERT_TRUE(fork) << fork.status().message();
  EXPECT_EQ(choose(12), 13);
  for (const auto &[of, history] :
       {std::pair(*fork, std::vector<int32_t>{10, 11, 30}),
        std::pair(sequence, std::vector<int32_t>{10, 11, 12, 40})}) {
    const Result<Rows> rows = runRows(session, {history.back()}, {of}, {0});
    ASSERT_TRUE(rows) << rows.status().message();
    EXPECT_EQ((*rows)[0], fakeLogits(model, history));
  }
}

// The first choice fails. If `continues` is true, the next pass has already
// been enqueued by then.
TEST_F(GpuChoiceTest, AFailedChoiceChangesNothing) {
  model.unknownBias = std::numeric_limits<float>::infinity();
  for (const bool continues : {false, true}) {
    SCOPED_TRACE(continues);
    Session session = opened();
    const SequenceId sequence = beginSequence(session);
    const int32_t token = 9;
    int32_t chosen = -1;
    const auto choose = [&] {
      return session.choose({&token, 1}, {&sequence, 1}, {&chosen, 1},
                            continues);
    };
    // The first pass chooses no token, because one logit is infinite, and
    // writes UINT32_MAX in place of a token id. If `continues` is true, the
    // pass that runs ahead computes with this id.
    const Status status = choose();
    EXPECT_EQ(status.code(), ErrorCode::Unsupported);
    EXPECT_TRUE(status.message().starts_with(
        "step 'head' computes NaN or infinite numbers"))
        << status.message();
    EXPECT_EQ(session.length(sequence), 0U);
    // A pass has five kernels. If `continues` is true, those of the second pass
    // are enqueued before the failure of the first pass is noticed. After the
    // failure, the first pass is repeated to find the step that failed. Its
    // last kernel, which chooses a token, is left out of the repetition.
    EXPECT_EQ(gpu->enqueuedLaunches, 5U + (continues ? 5 : 0) + 4);
    gpu->workFailure = ioError("the fake GPU has failed");
    EXPECT_EQ(choose().message(), "the fake GPU has failed");
    EXPECT_EQ(session.length(sequence), 0U);
    EXPECT_EQ(chosen, -1);
  }
}

// When choose() fails, any part of the batch's arrays may have changed. The
// test makes the GPU fail before each piece of its work in turn. If the GPU
// fails only after the work that this call of choose() waits for, for example
// in a pass that runs ahead, the call still returns its token, and the next
// call returns the error.
TEST_F(GpuChoiceTest, AChoiceAfterAFailedOneIsRight) {
  for (const bool continues : {false, true}) {
    SCOPED_TRACE(continues);
    Session session = opened();
    const SequenceId sequence = beginSequence(session);
    std::vector<int32_t> history = {9};
    const auto choose = [&] {
      int32_t chosen = -1;
      const uint64_t length = session.length(sequence);
      const Status status = session.choose({&history.back(), 1}, {&sequence, 1},
                                           {&chosen, 1}, continues);
      EXPECT_EQ(session.length(sequence), length + (status.isOk() ? 1 : 0));
      if (status.isOk()) {
        EXPECT_EQ(chosen, model.next[history.back()]);
        history.push_back(chosen);
      }
      return status;
    };
    // The first pass also copies the weights.
    ASSERT_TRUE(choose().isOk());
    // How many pieces of work the GPU completes before it fails.
    uint64_t done = 0;
    for (bool isComplete = false; !isComplete; ++done) {
      SCOPED_TRACE(done);
      gpu->workFailure = ioError("the fake GPU has failed");
      gpu->workBeforeFailure = done;
      isComplete = choose().isOk();
      if (isComplete) {
        EXPECT_EQ(choose().message(), "the fake GPU has failed");
      }
      gpu->workFailure = Status::ok();
      ASSERT_TRUE(choose().isOk());
      ASSERT_TRUE(choose().isOk());
    }
    // A pass has five kernels, and each of them is a piece of work.
    EXPECT_GT(done, 5U);
    const Result<Rows> rows =
        runRows(session, {history.back()}, {sequence}, {0});
    ASSERT_TRUE(rows) << rows.status().message();
    EXPECT_EQ((*rows)[0], fakeLogits(model, history));
  }
}

// An error occurs when the next pass, which is to run ahead, is enqueued:
// before any of its kernels is enqueued, after some of them, or after all. The
// caller still gets the tokens of the present pass. If the error persists, the
// next call returns it.
TEST_F(GpuChoiceTest, AnErrorAheadIsReturnedByTheNextCall) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  std::vector<int32_t> history = {9};
  const auto choose = [&] {
    int32_t chosen = -1;
    const Status status = session.choose({&history.back(), 1}, {&sequence, 1},
                                         {&chosen, 1}, /*continues=*/true);
    if (status.isOk()) {
      EXPECT_EQ(chosen, model.next[history.back()]);
      history.push_back(chosen);
    }
    return status;
  };
  ASSERT_TRUE(choose().isOk());
  constexpr uint64_t kLaunches = 5; // kernels in a pass that chooses a token
  for (uint64_t enqueued = 0; enqueued <= kLaunches; ++enqueued) {
    SCOPED_TRACE(enqueued);
    for (const bool persists : {false, true}) {
      // The previous call has already enqueued the pass whose token the next
      // call returns. Only the pass that is to run ahead cannot be enqueued.
      gpu->runFailure = doesNotFitError("the fake GPU has no room for a graph");
      gpu->launchesBeforeFailure = enqueued;
      ASSERT_TRUE(choose().isOk());
      EXPECT_EQ(session.length(sequence) + 1, history.size());
      if (persists) {
        EXPECT_TRUE(choose().message().ends_with("no room for a graph"));
        EXPECT_EQ(session.length(sequence) + 1, history.size());
      }
      gpu->runFailure = Status::ok();
      const uint64_t before = gpu->enqueuedLaunches;
      ASSERT_TRUE(choose().isOk());
      EXPECT_EQ(gpu->enqueuedLaunches - before, 2 * kLaunches);
    }
  }
  const Result<Rows> rows = runRows(session, {history.back()}, {sequence}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, history));
}

TEST_F(GpuChoiceTest, ABatchThatCannotBeChosenForIsRefused) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  EXPECT_FALSE(session.canChoose(0));
  EXPECT_FALSE(session.canChoose(9));
  const std::vector<int32_t> tokens(9, 1);
  const std::vector<SequenceId> sequences(9, sequence);
  std::vector<int32_t> chosen(9);
  const auto messageOf = [&](size_t count, size_t results) {
    const Status status = session.choose(std::span(tokens).first(count),
                                         std::span(sequences).first(count),
                                         std::span(chosen).first(results));
    EXPECT_EQ(status.code(), ErrorCode::Usage);
    EXPECT_EQ(session.length(sequence), 0U);
    return status.message();
  };
  EXPECT_NE(messageOf(9, 9).find("no GPU program that chooses 9 next tokens"),
            std::string::npos);
  EXPECT_NE(messageOf(1, 2).find("2 next tokens are requested for 1 sequence;"),
            std::string::npos);
  EXPECT_NE(messageOf(2, 1).find("1 next token is requested for 2 sequences;"),
            std::string::npos);
  EXPECT_NE(messageOf(2, 2).find("has several tokens"), std::string::npos);
}

TEST_F(GpuChoiceTest, ADrawThatIsNotPossibleIsRefused) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  const auto messageOf = [&](const auto &change) {
    TokenDraw draw;
    draw.isBest = 0;
    draw.topK = 1;
    draw.topP = 0;
    change(draw);
    const int32_t token = 1;
    int32_t chosen = -1;
    const Status status = session.choose({&token, 1}, {&sequence, 1},
                                         {&chosen, 1}, false, {&draw, 1});
    EXPECT_EQ(status.code(), ErrorCode::Usage);
    EXPECT_EQ(session.length(sequence), 0U);
    return status.message();
  };
  using D = TokenDraw;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::function<void(D &)> wrong[] = {
      [](D &d) { d.topK = 0; },
      [](D &d) { d.topK = 1025; },
      [](D &d) { d.topP = -0.1; },
      [](D &d) { d.topP = 1.1; },
      [&](D &d) { d.topP = kNan; },
      [](D &d) { d.minPDistance = 0.1; },
      [&](D &d) { d.minPDistance = kNan; },
      [](D &d) { d.scale = -1; },
      [&](D &d) { d.scale = kNan; },
      [&](D &d) { d.scale = kInfinity; },
  };
  for (const auto &change : wrong) {
    const std::string message = messageOf(change);
    EXPECT_TRUE(message.starts_with("batch: draw 0 has top-k")) << message;
  }
  // These settings are in range, but this plan has no kernel that draws tokens.
  const std::function<void(D &)> right[] = {
      [](D &) {},
      [](D &d) { d.topK = 1024; },
      [](D &d) { d.topP = 1; },
      [&](D &d) { d.minPDistance = -kInfinity; },
      [](D &d) { d.scale = 0; },
  };
  for (const auto &change : right) {
    const std::string message = messageOf(change);
    EXPECT_TRUE(message.ends_with(
        "no GPU program that draws 1 next token; request logits "
        "instead"))
        << message;
  }
}

// A pass that runs ahead would not wait for weights that it has to copy. In
// this plan each pass copies weights, so no pass may run ahead.
TEST_F(GpuChoiceTest, NoPassRunsAheadOfWeightsThatArrive) {
  for (const auto &[isRead, isEarly] :
       {std::pair(false, false), std::pair(false, true), std::pair(true, false),
        std::pair(true, true)}) {
    SCOPED_TRACE(testing::Message() << isRead << " " << isEarly);
    uploadsEarly = isEarly;
    Result<Session> session =
        open([&](plan::PlanT &plan) { copyInEveryPass(plan, isRead); });
    ASSERT_TRUE(session) << session.status().message();
    const SequenceId sequence = beginSequence(*session);
    int32_t token = 9;
    for (uint64_t passes = 1; passes < 12; ++passes) {
      int32_t chosen = -1;
      const Status status = session->choose({&token, 1}, {&sequence, 1},
                                            {&chosen, 1}, /*continues=*/true);
      ASSERT_TRUE(status.isOk()) << status.message();
      EXPECT_EQ(chosen, model.next[token]);
      EXPECT_EQ(gpu->enqueuedLaunches, 5 * passes);
      token = chosen;
    }
  }
}

} // namespace
