//===- SessionTest.cpp - opening a plan, and batches of every shape -------===//
#include "runtime/exec/Session.h"

#include "formats/dtype/DType.h"
#include "runtime/io/StreamStore.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/fake/FakeRoot.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

class SessionTest : public testing::Test {
protected:
  void SetUp() override { path = temporaryPath("plan.air"); }
  void TearDown() override { std::remove(path.c_str()); }

  Result<Session> open(SessionOptions options = {},
                       const std::function<void(plan::PlanT &)> &change = {}) {
    writeFakePlan(path, model, change);
    return Session::open(path, options);
  }
  Session opened(SessionOptions options = {}) {
    Result<Session> session = open(options);
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }
  static SequenceId begin(Session &session) { return beginSequence(session); }

  FakeModel model;
  std::string path;
};

/// Runs batches of `m` tokens, requests all logits, and compares them with
/// fakeLogits().
class SessionBatch
    : public SessionTest,
      public testing::WithParamInterface<std::pair<size_t, uint32_t>> {};

TEST_P(SessionBatch, LogitsOfEveryTokenAreRight) {
  auto [m, threads] = GetParam();
  Session session = opened({.threads = threads});
  EXPECT_EQ(session.threads(), threads);
  checkAllLogits(session, model, someTokens(100), m);
}

INSTANTIATE_TEST_SUITE_P(SizesAndThreads, SessionBatch,
                         testing::Values(std::pair{1, 1U}, std::pair{1, 2U},
                                         std::pair{2, 3U}, std::pair{3, 1U},
                                         std::pair{4, 1U}, std::pair{8, 2U},
                                         std::pair{9, 1U}, std::pair{64, 2U},
                                         std::pair{100, 3U}));

// The largest float32 is 3.4e38, so 3e38 + 3e38 overflows in the step that sums
// up the history. The error must name the first step that produces an infinity
// or NaN.
TEST_F(SessionTest, LogitsThatAreNotFiniteNameTheirStep) {
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    float inHistory;
    float bias;
    bool isHalf;
    const char *message;
  } cases[] = {
      {infinity, 0, false, "step 'embed' computes NaN"},
      {std::nanf(""), 0, false, "step 'embed' computes NaN"},
      {3e38F, 0, false, "step 'layer.0.attn' computes NaN"},
      {3e38F, 0, true,
       "step 'layer.0.attn': keys or values of this model exceed 65504, the "
       "largest number that the float16 KV cache holds; pack the model again "
       "with --kv-type f32"},
      {0, std::nanf(""), false, "step 'head' computes NaN"},
      {0, -infinity, true, "step 'head' computes NaN"},
  };
  for (const auto &test : cases) {
    model.unknownInHistory = test.inHistory;
    model.unknownBias = test.bias;
    Result<Session> session = open({}, [&](plan::PlanT &plan) {
      // In float16, a KV head has twice as many elements, so that the KV cache
      // has the same layout in bytes.
      if (test.isHalf) {
        plan::CacheT &cache = *plan.caches[0];
        cache.key_dtype = cache.value_dtype = static_cast<uint16_t>(DType::F16);
        cache.key_dim = cache.value_dim = 2;
      }
    });
    ASSERT_TRUE(session) << session.status().message();
    SequenceId sequence = begin(*session);
    // The error must occur with a few tokens and with the largest number that
    // one pass takes.
    for (const size_t tokens : {size_t{3}, kFakeMaxTokens}) {
      Result<Rows> rows = runRows(*session, std::vector<int32_t>(tokens, 0),
                                  std::vector<SequenceId>(tokens, sequence),
                                  {static_cast<uint32_t>(tokens - 1)});
      ASSERT_FALSE(rows);
      EXPECT_EQ(rows.status().code(), ErrorCode::Unsupported);
      EXPECT_TRUE(rows.status().message().starts_with(test.message))
          << rows.status().message();
      EXPECT_EQ(session->length(sequence), 0U);
    }
    // If the bias is not the cause, the error occurs only in sequences that
    // contain token 0. A sequence of other tokens must still work.
    if (test.bias == 0) {
      Result<Rows> rows = runRows(*session, {5, 6}, {sequence, sequence}, {1});
      EXPECT_TRUE(rows) << rows.status().message();
    }
  }
}

TEST_F(SessionTest, TokensOfSeveralSequencesMayMix) {
  Session session = opened();
  checkMixedSequences(session, model);
}

TEST_F(SessionTest, AForkGoesItsOwnWay) {
  Session session = opened();
  checkFork(session, model);
}

// Without attention, the fake model's logits do not depend on earlier tokens,
// so a token has the same logits at every position.
TEST_F(SessionTest, AModelWithoutAttentionHasNoCaches) {
  Result<Session> session = open({}, [](plan::PlanT &plan) {
    plan.cache_groups.clear();
    plan.caches.clear();
    plan.model->heads = plan.model->kv_heads = plan.model->head_dim = 0;
    for (const auto &program : plan.programs) {
      std::erase_if(program->steps, [](const auto &step) {
        return step->kind == plan::StepKind::Attn;
      });
    }
    // The output head is the first step that needs the weights, and is now step
    // 1.
    plan.reads[0]->first_step = 1;
    for (const auto &item : plan.placements[0]->items) {
      item->bytes = item->name == "kv" ? 0 : item->bytes;
    }
  });
  ASSERT_TRUE(session) << session.status().message();
  EXPECT_EQ(session->context(), kFakeContext);
  const SequenceId sequence = begin(*session);
  const std::vector<int32_t> tokens = someTokens(kFakeContext);
  std::vector<uint32_t> outputs(tokens.size());
  std::iota(outputs.begin(), outputs.end(), 0);
  const Result<Rows> rows =
      runRows(*session, tokens, std::vector(tokens.size(), sequence), outputs);
  ASSERT_TRUE(rows) << rows.status().message();
  for (size_t i = 0; i < tokens.size(); ++i) {
    // The logits of fakeLogits() include the history (FakePlan.h), which for a
    // single token is the token's id. Without attention, the model does not add
    // the history.
    std::vector<float> expected = fakeLogits(model, {tokens[i]});
    for (float &logit : expected) {
      logit -= static_cast<float>(tokens[i]);
    }
    ASSERT_EQ((*rows)[i], expected) << i;
  }
  EXPECT_EQ(session->executor().counters().kvBytes, 0U);
  EXPECT_EQ(runRows(*session, {1}, {sequence}, {}).status().code(),
            ErrorCode::DoesNotFit);
  const Result<SequenceId> fork = session->fork(sequence, 10);
  ASSERT_TRUE(fork) << fork.status().message();
  EXPECT_TRUE(runRows(*session, {1}, {*fork}, {}));
}

TEST_F(SessionTest, ABatchBeyondTheContextIsRefusedWhole) {
  Session session = opened();
  SequenceId sequence = begin(session);
  size_t most = session.context();
  std::vector<int32_t> tokens = someTokens(most + 1);
  Result<Rows> rows =
      runRows(session, tokens, std::vector<SequenceId>(most + 1, sequence), {});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.status().code(), ErrorCode::DoesNotFit);
  EXPECT_NE(rows.status().message().find("context of 150"), std::string::npos)
      << rows.status().message();
  EXPECT_EQ(session.length(sequence), 0U);
  tokens.pop_back();
  rows = runRows(session, tokens, std::vector<SequenceId>(most, sequence),
                 {static_cast<uint32_t>(most - 1)});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  EXPECT_EQ(runRows(session, {1}, {sequence}, {}).status().code(),
            ErrorCode::DoesNotFit);
  // Two sequences that fill their contexts use all six pages of the KV cache.
  SequenceId second = begin(session);
  SequenceId third = begin(session);
  ASSERT_TRUE(
      runRows(session, tokens, std::vector<SequenceId>(most, second), {}));
  EXPECT_EQ(runRows(session, {1}, {third}, {}).status().code(),
            ErrorCode::DoesNotFit);
  session.endSequence(second);
  EXPECT_TRUE(runRows(session, {1}, {third}, {}));
}

TEST_F(SessionTest, BadBatchesAreRefusedAndChangeNothing) {
  Session session = opened();
  SequenceId sequence = begin(session);
  auto codeOf = [&](const std::vector<int32_t> &tokens,
                    const std::vector<SequenceId> &sequences,
                    const std::vector<uint32_t> &outputs) {
    return runRows(session, tokens, sequences, outputs).status().code();
  };
  EXPECT_EQ(codeOf({}, {}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1, 2}, {sequence}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({-1}, {sequence}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({FAKE_VOCABULARY}, {sequence}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1}, {sequence + 1}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1}, {4'000'000'000U}, {}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1, 2}, {sequence, sequence}, {1, 1}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1, 2}, {sequence, sequence}, {1, 0}), ErrorCode::Usage);
  EXPECT_EQ(codeOf({1, 2}, {sequence, sequence}, {2}), ErrorCode::Usage);
  EXPECT_EQ(session.length(sequence), 0U);
}

TEST_F(SessionTest, WhatTheSinkRefusesIsUndone) {
  Session session = opened();
  SequenceId sequence = begin(session);
  std::vector<int32_t> tokens = someTokens(20);
  std::vector<SequenceId> sequences(20, sequence);
  std::vector<uint32_t> outputs = allOf(20);
  Status status = session.run(
      {tokens, sequences, outputs}, [](uint64_t first, std::span<const float>) {
        return first < 10 ? Status::ok() : ioError("sink is full");
      });
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_EQ(session.length(sequence), 0U);
  Result<Rows> rows = runRows(session, {4}, {sequence}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, {4}));
}

TEST_F(SessionTest, CountsBytesAndOperations) {
  Session session = opened();
  SequenceId sequence = begin(session);
  std::vector<int32_t> tokens = someTokens(8);
  ASSERT_TRUE(
      runRows(session, tokens, std::vector<SequenceId>(8, sequence), {7}));
  session.executor().resetCounters();
  ASSERT_TRUE(runRows(session, {1}, {sequence}, {0}));
  constexpr uint64_t kRow = FAKE_WIDTH * sizeof(float);
  constexpr uint64_t kHead = FAKE_VOCABULARY * sizeof(float);
  // A position takes 8 bytes: one float of K and one of V.
  constexpr uint64_t kPosition = 8;
  RunCounters counters = session.executor().counters();
  EXPECT_EQ(counters.passes, 1U);
  EXPECT_EQ(counters.tokens, 1U);
  EXPECT_EQ(counters.outputs, 1U);
  EXPECT_EQ(counters.weightBytes, kRow + kHead);
  EXPECT_EQ(counters.weightBytes, minimalWeightBytes(session.plan()));
  EXPECT_EQ(counters.kvBytes, kPosition * (9 + 1));
  EXPECT_EQ(counters.flops, 40U);
  // Eleven tokens take two passes, because a pass takes at most eight. The
  // first pass has four outputs, for which the output head runs twice, because
  // one run takes at most three. The sequence has nine tokens already, so the
  // passes read K and V of 17 and of 20 positions, and together write 11
  // positions.
  session.executor().resetCounters();
  ASSERT_TRUE(runRows(session, someTokens(11),
                      std::vector<SequenceId>(11, sequence), {0, 1, 2, 3}));
  counters = session.executor().counters();
  EXPECT_EQ(counters.passes, 2U);
  EXPECT_EQ(counters.tokens, 11U);
  EXPECT_EQ(counters.weightBytes, 11 * kRow + 2 * kHead);
  EXPECT_EQ(counters.kvBytes, kPosition * (17 + 20 + 11));
  EXPECT_EQ(counters.flops, 10U * (11 * 3 + 4));
}

TEST_F(SessionTest, TimedStepsComputeTheSame) {
  Session session = opened();
  SequenceId sequence = begin(session);
  session.executor().timeSteps(true);
  std::vector<int32_t> tokens = someTokens(12);
  Result<Rows> rows =
      runRows(session, tokens, std::vector<SequenceId>(12, sequence), {11});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  const StepTimes &times = session.executor().stepTimes();
  EXPECT_GT(times[static_cast<size_t>(plan::StepKind::Attn)], 0U);
  EXPECT_GT(times[static_cast<size_t>(plan::StepKind::Head)], 0U);
  EXPECT_EQ(times[static_cast<size_t>(plan::StepKind::FfnIn)], 0U);
}

TEST_F(SessionTest, TimedDispatchesComputeTheSame) {
  Session session = opened();
  SequenceId sequence = begin(session);
  size_t dispatches = 0;
  for (const plan::Step *step : *session.plan().programs()->Get(0)->steps()) {
    dispatches += step->dispatches()->size();
  }
  std::vector<int32_t> tokens = someTokens(12);
  std::vector<SequenceId> sequences(12, sequence);
  std::vector<uint64_t> times(dispatches);
  session.executor().timeDispatches(times);
  Result<Rows> rows = runRows(session, tokens, sequences, {11});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  for (uint64_t nanoseconds : times) {
    EXPECT_GT(nanoseconds, 0U);
  }
  // If the list has fewer elements than the pass has dispatches, the pass is
  // refused, and the sequence is unchanged.
  session.executor().timeDispatches(std::span(times).first(1));
  rows = runRows(session, {7}, {sequence}, {0});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.status().code(), ErrorCode::Usage);
  EXPECT_EQ(session.length(sequence), 12U);
  // With an empty list, nothing is timed.
  session.executor().timeDispatches({});
  std::vector<uint64_t> before = times;
  tokens.push_back(7);
  rows = runRows(session, {7}, {sequence}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  EXPECT_EQ(times, before);
}

TEST_F(SessionTest, CanBeMovedWhileSequencesLive) {
  Session session = opened();
  SequenceId sequence = begin(session);
  ASSERT_TRUE(runRows(session, {7}, {sequence}, {}));
  Session moved = std::move(session);
  Result<Rows> rows = runRows(moved, {8}, {sequence}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, {7, 8}));
}

TEST_F(SessionTest, ChangedWeightsAreFoundBeforeAnyLogits) {
  for (uint32_t segment : {0U, 2U}) {
    writeFakePlan(path, model);
    uint64_t offset = 0;
    {
      Result<PlanFile> plan = PlanFile::open(path);
      ASSERT_TRUE(plan) << plan.status().message();
      offset = plan->plan().segments()->Get(segment)->offset();
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset + 9));
    file.put(0x5a);
    file.close();
    Result<Session> session = Session::open(path, {});
    ASSERT_TRUE(session) << session.status().message();
    SequenceId sequence = begin(*session);
    Result<Rows> rows = runRows(*session, {7}, {sequence}, {0});
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.status().code(), ErrorCode::VerificationFailed);
    EXPECT_EQ(session->length(sequence), 0U);
    // If no outputs are requested, the output head does not run, but its
    // segment is still verified.
    rows = runRows(*session, {7}, {sequence}, {});
    EXPECT_EQ(rows.status().code(), ErrorCode::VerificationFailed);
  }
}

TEST_F(SessionTest, AnotherMachinesPlanIsAMismatchFieldByField) {
  Result<Session> session = open({}, [](plan::PlanT &plan) {
    plan.machine->arch = plan.machine->arch == "x86_64" ? "aarch64" : "x86_64";
    plan.machine->features.clear();
  });
  ASSERT_FALSE(session);
  EXPECT_EQ(session.status().code(), ErrorCode::Mismatch);
  EXPECT_NE(session.status().message().find("arch"), std::string::npos)
      << session.status().message();
}

// The plan allows a thousand sequences at a time, and its KV cache has room for
// them.
TEST_F(SessionTest, AThousandSlotsAreAThousandSequences) {
  Result<Session> session =
      open({}, [](plan::PlanT &plan) { setContext(plan, 128, 1000); });
  ASSERT_TRUE(session) << session.status().message();
  std::vector<SequenceId> sequences;
  for (int i = 0; i < 1000; ++i) {
    sequences.push_back(begin(*session));
  }
  EXPECT_FALSE(session->newSequence());
  // The last sequence must work like the first.
  Result<Rows> first = runRows(*session, {7}, {sequences.front()}, {0});
  Result<Rows> last = runRows(*session, {7}, {sequences.back()}, {0});
  ASSERT_TRUE(first && last);
  EXPECT_EQ(*first, *last);
}

TEST_F(SessionTest, ALongContextKeepsTheBlockTablesSmall) {
  // In this plan, a sequence may have 256 Ki pages, so its row of the block
  // table takes 1 MiB. To keep the table small, only 16 sequences are allowed
  // by default, instead of 256 as with a short context.
  Result<Session> session = open(
      {}, [](plan::PlanT &plan) { setContext(plan, uint64_t{64} << 18, 1); });
  ASSERT_TRUE(session) << session.status().message();
  int sequences = 0;
  while (sequences < 1000 && session->newSequence()) {
    ++sequences;
  }
  EXPECT_EQ(sequences, 16);
}

TEST_F(SessionTest, BatchesHaveALargestSize) {
  // The buffer of the residual stream has a row for each of 2^24 + 1 tokens.
  const auto grow = [](plan::PlanT &plan) {
    constexpr uint64_t kTokens = (uint64_t{1} << 24) + 1;
    plan.max_tokens = plan.programs.back()->max_tokens = kTokens;
    plan.buffers[0]->bytes = kTokens * FAKE_WIDTH * sizeof(float);
    const uint64_t more = plan.buffers[0]->bytes - plan.buffers[1]->offset;
    plan.buffers[1]->offset += more;
    plan.arena_bytes += more;
    plan.placements[0]->items[0]->bytes += more;
  };
  const Status status = open({}, grow).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(),
              testing::HasSubstr("allows batches of 16777217 tokens, but this "
                                 "version supports at most 16777216"));
}

TEST_F(SessionTest, APlanLargerThanTheMachineDoesNotFit) {
  Result<Session> session = open({}, [](plan::PlanT &plan) {
    plan.placements[0]->items.back()->bytes = uint64_t{1} << 55;
  });
  ASSERT_FALSE(session);
  EXPECT_EQ(session.status().code(), ErrorCode::DoesNotFit);
  EXPECT_NE(session.status().message().find("weights 36028797018963968"),
            std::string::npos)
      << session.status().message();
}

/// Makes the plan read the weights of the output head in every pass.
void streamTheHead(plan::PlanT &plan) {
  addStreamedPlacement(plan, kPlanPageBytes);
  plan.placements.erase(plan.placements.begin());
}

TEST_F(SessionTest, StreamedWeightsGiveTheSameLogits) {
  for (IoMethod io : {IoMethod::Uring, IoMethod::Pread, IoMethod::Buffered}) {
    SessionOptions options;
    options.reading.method = io;
    Result<Session> session = open(options, streamTheHead);
    ASSERT_TRUE(session) << session.status().message();
    ASSERT_NE(session->streaming(), nullptr);
    EXPECT_EQ(session->streaming()->counters().bytesPerPass, kPlanPageBytes);
    SequenceId sequence = *session->newSequence();
    std::vector<int32_t> tokens = someTokens(60);
    std::vector<int32_t> sofar;
    // Some passes request more outputs than one run of the output head
    // computes, and some request none. `heads` counts the passes with outputs,
    // because only these must read the weights of the output head.
    uint64_t heads = 0;
    for (size_t begin = 0; begin < tokens.size();) {
      size_t count =
          std::min<size_t>(1 + begin % kFakeMaxTokens, tokens.size() - begin);
      std::vector<int32_t> piece(tokens.begin() + begin,
                                 tokens.begin() + begin + count);
      std::vector<uint32_t> outputs = allOf(begin % 3 == 0 ? count : 0);
      heads += outputs.empty() ? 0 : 1;
      Result<Rows> rows =
          runRows(*session, piece, std::vector(count, sequence), outputs);
      ASSERT_TRUE(rows) << rows.status().message();
      for (size_t i = 0; i < count; ++i) {
        sofar.push_back(piece[i]);
        if (!outputs.empty()) {
          EXPECT_EQ((*rows)[i], fakeLogits(model, sofar));
        }
      }
      begin += count;
    }
    uint64_t bytes = session->streaming()->counters().diskBytes;
    EXPECT_GE(bytes, heads * kPlanPageBytes);
  }
}

TEST_F(SessionTest, LessMemoryInMidRunChangesThePlacementAndMoreChangesItBack) {
  const FakeRoot root;
  auto setMemory = [&](uint64_t bytes) {
    root.putMemory(bytes / 1024, bytes / 1024);
  };
  uint64_t needed = 0;
  auto twoPlacements = [&](plan::PlanT &plan) {
    // Both placements stream the weights; the first one's ring is larger by 64
    // KiB.
    streamTheHead(plan);
    auto larger = std::make_unique<plan::PlacementT>(*plan.placements[0]);
    for (const auto &item : larger->items) {
      needed += item->bytes;
      item->bytes += item->name == "ring" ? 65536 : 0;
    }
    larger->ring_bytes += 65536;
    for (plan::PlacementT *placement :
         {larger.get(), plan.placements[0].get()}) {
      auto budget = std::make_unique<plan::BudgetT>();
      budget->bytes = needed + (placement == larger.get() ? 65536 : 0);
      placement->budgets.clear();
      placement->budgets.push_back(std::move(budget));
    }
    plan.placements.insert(plan.placements.begin(), std::move(larger));
  };
  setMemory(uint64_t{1} << 30);
  SessionOptions options;
  options.memoryRoot = root.path();
  Result<Session> session = open(options, twoPlacements);
  ASSERT_TRUE(session) << session.status().message();
  SequenceId sequence = *session->newSequence();
  std::vector<int32_t> sofar;
  auto run = [&]() -> Status {
    std::vector<int32_t> token = someTokens(1, sofar.size());
    Result<Rows> rows = runRows(*session, token, {sequence}, {0});
    if (!rows) {
      return rows.status();
    }
    sofar.push_back(token[0]);
    EXPECT_EQ((*rows)[0], fakeLogits(model, sofar));
    return Status::ok();
  };
  ASSERT_TRUE(run().isOk());
  EXPECT_EQ(session->streaming()->counters().placement, 0U);
  setMemory(needed + 4096);
  ASSERT_TRUE(run().isOk());
  EXPECT_EQ(session->streaming()->counters().placement, 1U);
  ASSERT_TRUE(run().isOk());
  // While there is less memory than any placement needs, passes fail. Once
  // there is enough memory again, they succeed.
  setMemory(needed / 2);
  EXPECT_EQ(run().code(), ErrorCode::DoesNotFit);
  setMemory(needed + 4096);
  EXPECT_TRUE(run().isOk());
  // After some passes with enough memory, the first placement is used again.
  setMemory(uint64_t{1} << 30);
  const uint32_t wait =
      StreamStore::kPassesBeforeGrowth +
      StreamStore::growthDelay(static_cast<uint64_t>(getpid()));
  for (uint32_t i = 1; i < wait; ++i) {
    ASSERT_TRUE(run().isOk());
    EXPECT_EQ(session->streaming()->counters().placement, 1U);
  }
  ASSERT_TRUE(run().isOk());
  EXPECT_EQ(session->streaming()->counters().placement, 0U);
  ASSERT_TRUE(run().isOk());
}

TEST_F(SessionTest, AFileThatIsTruncatedInMidRunEndsTheRequest) {
  Result<Session> session = open({}, streamTheHead);
  ASSERT_TRUE(session) << session.status().message();
  SequenceId sequence = *session->newSequence();
  ASSERT_TRUE(runRows(*session, {1}, {sequence}, {0}));
  std::filesystem::resize_file(path,
                               session->plan().segments()->Get(0)->offset());
  Status status = runRows(*session, {1}, {sequence}, {0}).status();
  EXPECT_EQ(status.code(), ErrorCode::Io) << status.message();
  EXPECT_NE(status.message().find(path), std::string::npos) << status.message();
}

TEST_F(SessionTest, ALogitsBufferThatIsTooSmallIsRefused) {
  Result<Session> session =
      open({}, [](plan::PlanT &plan) { plan.buffers[1]->bytes -= 64; });
  ASSERT_FALSE(session);
  EXPECT_EQ(session.status().code(), ErrorCode::VerificationFailed);
}

TEST_F(SessionTest, WorkOnTokensAfterTheHeadIsRefused) {
  Result<Session> session = open({}, [](plan::PlanT &plan) {
    plan.programs[0]->steps[1]->dispatches[0]->grid->rows_from =
        plan::RowsFrom::Outputs;
  });
  ASSERT_FALSE(session);
  EXPECT_EQ(session.status().code(), ErrorCode::VerificationFailed);
  EXPECT_NE(session.status().message().find("layer.0.attn"), std::string::npos)
      << session.status().message();
}

TEST_F(SessionTest, AMissingFileIsIo) {
  Result<Session> session = Session::open(path + ".not", {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.status().code(), ErrorCode::Io);
  EXPECT_EQ(session.status().message().find(path),
            session.status().message().rfind(path))
      << "names the file once: " << session.status().message();
}

} // namespace
