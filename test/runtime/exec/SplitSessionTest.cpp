//===- SplitSessionTest.cpp - plans that run on the CPU and a GPU ---------===//
//
// The CPU computes the embedding and the only layer, and a fake GPU computes
// the output head. The GPU works as late as it may, so a session that does not
// wait for it returns wrong logits.
//
//===----------------------------------------------------------------------===//
#include "formats/dtype/DType.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/fake/FakeRoot.h"
#include "test/runtime/fake/LateGpu.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <limits>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

class SplitSessionTest : public testing::Test {
protected:
  void SetUp() override { path = temporaryPath("plan.air"); }
  void TearDown() override { std::remove(path.c_str()); }

  Result<Session> open(const std::function<void(plan::PlanT &)> &change = {},
                       SessionOptions options = {}) {
    writeFakeSplitPlan(path, model, change);
    options.gpu = [&](const plan::Device &) -> Result<std::unique_ptr<Device>> {
      auto made = std::make_unique<LateGpu>(fakeGpuKernels());
      gpu = made.get();
      return std::unique_ptr<Device>(std::move(made));
    };
    return Session::open(path, options);
  }
  Session opened() {
    Result<Session> session = open();
    EXPECT_TRUE(session) << session.status().message();
    return *std::move(session);
  }

  FakeModel model;
  std::string path;
  LateGpu *gpu = nullptr;
};

TEST_F(SplitSessionTest, LogitsOfEveryTokenAreRight) {
  for (const size_t m : {1, 3, 8, 9, 100}) {
    SCOPED_TRACE(m);
    SessionOptions options;
    options.threads = 2;
    Result<Session> session = open({}, options);
    ASSERT_TRUE(session) << session.status().message();
    EXPECT_EQ(session->threads(), 2U);
    ASSERT_NE(session->gpu(), nullptr);
    checkAllLogits(*session, model, someTokens(100), m);
    EXPECT_EQ(session->loading().done, session->loading().total);
  }
}

TEST_F(SplitSessionTest, TokensOfSeveralSequencesMayMix) {
  Session session = opened();
  checkMixedSequences(session, model);
}

TEST_F(SplitSessionTest, AForkGoesItsOwnWay) {
  Session session = opened();
  checkFork(session, model);
}

// The CPU needs the token that the GPU has chosen, and gets it from the caller.
TEST_F(SplitSessionTest, ChosenTokensAreThoseOfTheLogits) {
  for (const size_t count : {1, 3}) {
    SCOPED_TRACE(count);
    Result<Session> session =
        open([](plan::PlanT &plan) { setContext(plan, kFakeContext, 3); });
    ASSERT_TRUE(session) << session.status().message();
    ASSERT_TRUE(session->canChoose(count));
    std::vector<SequenceId> sequences;
    std::vector<std::vector<int32_t>> histories;
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < count; ++i) {
      sequences.push_back(beginSequence(*session));
      histories.push_back(someTokens(50 + 3 * i, 20 + i));
      ASSERT_TRUE(runRows(*session, histories.back(),
                          std::vector(histories.back().size(), sequences[i]),
                          {}));
      tokens.push_back(static_cast<int32_t>(5 + i));
    }
    std::vector<int32_t> chosen(count);
    for (int step = 0; step < 20; ++step) {
      const Status status = session->choose(tokens, sequences, chosen);
      ASSERT_TRUE(status.isOk()) << status.message();
      for (size_t i = 0; i < count; ++i) {
        histories[i].push_back(tokens[i]);
        const std::vector<float> logits = fakeLogits(model, histories[i]);
        ASSERT_EQ(chosen[i], std::ranges::max_element(logits) - logits.begin())
            << step;
      }
      tokens = chosen;
    }
  }
}

// Besides the batch, a pass copies only one row of FAKE_WIDTH floats for each
// of its tokens to the GPU.
TEST_F(SplitSessionTest, OnlyTheRowsOfTheTokensAreCopied) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  ASSERT_TRUE(runRows(session, {4}, {sequence}, {0}));
  const uint64_t written = gpu->writtenBytes;
  int32_t next = 0;
  const int32_t token = 5;
  ASSERT_TRUE(session.choose({&token, 1}, {&sequence, 1}, {&next, 1}).isOk());
  const uint64_t first = gpu->writtenBytes;
  EXPECT_GT(first, written);
  ASSERT_TRUE(session.choose({&next, 1}, {&sequence, 1}, {&next, 1}).isOk());
  EXPECT_EQ(gpu->writtenBytes - first, FAKE_WIDTH * sizeof(float));
}

TEST_F(SplitSessionTest, TimedStepsAndDispatchesComputeTheSame) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  std::vector<uint64_t> times(4);
  session.executor().timeSteps(true);
  session.executor().timeDispatches(times);
  const std::vector<int32_t> tokens = someTokens(5);
  Result<Rows> rows = runRows(session, tokens, std::vector(5, sequence), {4});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  for (const uint64_t nanoseconds : times) {
    EXPECT_GT(nanoseconds, 0U);
  }
}

TEST_F(SplitSessionTest, TheFirstStepWithBadNumbersIsNamed) {
  const auto messageFor = [&](int32_t token) {
    Session session = opened();
    const SequenceId sequence = beginSequence(session);
    const Status status = runRows(session, {token}, {sequence}, {0}).status();
    EXPECT_EQ(status.code(), ErrorCode::Unsupported);
    EXPECT_EQ(session.length(sequence), 0U);
    return status.message();
  };
  model.unknownInHistory = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(messageFor(0).starts_with(
      "step 'embed' computes NaN or infinite numbers, because values of this "
      "model exceed the range of float32"))
      << messageFor(0);
  model.unknownInHistory = 0;
  model.unknownBias = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(messageFor(3).starts_with(
      "step 'head' computes NaN or infinite numbers, because GPU kernels"))
      << messageFor(3);
}

// A single value of 2e38 fits in float32, but the attention step, which adds up
// the values of two tokens, computes infinity. Because the plan says that the
// KV cache is float16, the runtime must assume that a key or value overflowed.
TEST_F(SplitSessionTest, AModelWithLargeKeysNeedsACpu) {
  model.unknownInHistory = 2e38F;
  Result<Session> session = open([](plan::PlanT &plan) {
    plan.caches[0]->key_dtype = static_cast<uint16_t>(DType::F16);
    plan.caches[0]->value_dtype = static_cast<uint16_t>(DType::F16);
  });
  ASSERT_TRUE(session) << session.status().message();
  const SequenceId sequence = beginSequence(*session);
  const Status status =
      runRows(*session, {0, 0}, {sequence, sequence}, {1}).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_EQ(status.message(),
            "step 'layer.0.attn': keys or values of this model exceed 65504, "
            "the largest number that the float16 KV cache holds; pack the "
            "model again for a CPU, with --kv-type f32");
}

TEST_F(SplitSessionTest, WithTooLittleRamFewerLayersBelongOnTheCpu) {
  SessionOptions options;
  options.ram = 1;
  Status status = open({}, options).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_TRUE(status.message().ends_with(
      "but at most 1 are available; pack the model for less memory with --ram, "
      "or with a smaller --cpu-layers"))
      << status.message();
  const FakeRoot root;
  root.putMemory(1000000, 1);
  options = {};
  options.memoryRoot = root.path();
  status = open({}, options).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_TRUE(status.message().ends_with(
      "but only 1024 bytes are free; end other programs, or pack the model "
      "with a smaller --cpu-layers or --ram"))
      << status.message();
}

TEST_F(SplitSessionTest, AFailedCopyEndsOnlyItsPass) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  ASSERT_TRUE(runRows(session, {4}, {sequence}, {}));
  gpu->writeFailure = ioError("the fake GPU refuses copies");
  EXPECT_EQ(runRows(session, {5}, {sequence}, {0}).status().message(),
            "the fake GPU refuses copies");
  EXPECT_EQ(session.length(sequence), 1U);
  gpu->writeFailure = Status::ok();
  const Result<Rows> rows = runRows(session, {6}, {sequence}, {0});
  ASSERT_TRUE(rows) << rows.status().message();
  EXPECT_EQ((*rows)[0], fakeLogits(model, {4, 6}));
}

} // namespace
