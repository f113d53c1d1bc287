//===- GpuSessionTest.cpp - plans whose kernels run on a GPU --------------===//
//
// The fake GPU works as late as it may, so a session that does not wait, or
// that writes too early, computes wrong logits.
//
//===----------------------------------------------------------------------===//
#include "formats/dtype/DType.h"
#include "runtime/io/DiskStream.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/exec/GpuSessionFixture.h"
#include "test/runtime/fake/FakeRoot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

constexpr uint64_t kRowBytes = FAKE_VOCABULARY * sizeof(float);

// A pass has at most eight tokens, and a batch of eight or fewer tokens is a
// single pass, which is padded unless it has one or eight tokens.
TEST_F(GpuSessionTest, LogitsOfEveryTokenAreRight) {
  for (const size_t m : {1, 2, 3, 7, 8, 9, 100}) {
    SCOPED_TRACE(m);
    Session session = opened();
    EXPECT_EQ(session.threads(), 0U);
    ASSERT_NE(session.gpu(), nullptr);
    checkAllLogits(session, model, someTokens(100), m);
  }
}

TEST_F(GpuSessionTest, TokensOfSeveralSequencesMayMix) {
  Session session = opened();
  checkMixedSequences(session, model);
}

TEST_F(GpuSessionTest, AForkGoesItsOwnWay) {
  Session session = opened();
  checkFork(session, model);
}

// The padding consists of tokens with id 0. No sequence may see the keys and
// values of the padding, even if they are NaN. The sequences of this test use
// all pages.
TEST_F(GpuSessionTest, PaddingDisturbsNoSequence) {
  model.unknownInHistory = std::nanf("");
  Session session = opened();
  std::vector<int32_t> tokens = someTokens(kFakeContext);
  for (int32_t &token : tokens) {
    token += token == 0 ? 1 : 0;
  }
  checkAllLogits(session, model, tokens, 3);
  checkAllLogits(session, model, tokens, 5);
}

TEST_F(GpuSessionTest, OnlyRequestedRowsAreRead) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  const std::vector<SequenceId> sequences(8, sequence);
  ASSERT_TRUE(runRows(session, someTokens(8), sequences, {}));
  EXPECT_EQ(gpu->readBytes, 0U);
  // If no outputs are requested, the output head does not run.
  EXPECT_EQ(gpu->launches, 3U);
  ASSERT_TRUE(runRows(session, someTokens(8), sequences, {1, 2, 5}));
  EXPECT_EQ(gpu->readBytes, 3 * kRowBytes);
  EXPECT_EQ(gpu->launches, 3U + 4);
}

TEST_F(GpuSessionTest, TheFirstPassCopiesTheWeights) {
  Session session = opened();
  EXPECT_EQ(gpu->writtenBytes, 0U);
  EXPECT_EQ(session.loading().done, 0U);
  constexpr uint64_t kWeights =
      FAKE_VOCABULARY * (FAKE_WIDTH + 1) * sizeof(float);
  EXPECT_EQ(session.loading().total, kWeights);
  const SequenceId sequence = beginSequence(session);
  ASSERT_TRUE(runRows(session, {7}, {sequence}, {}));
  EXPECT_EQ(session.loading().done, kWeights);
  const uint64_t written = gpu->writtenBytes;
  EXPECT_GT(written, kWeights);
  // A later pass copies a single range of the batch tables to the GPU. The
  // range begins with the first 4-byte element that has changed, here the
  // token's position, and ends with the last one, here the token's position for
  // RoPE, which is stored 64 bytes after the position.
  ASSERT_TRUE(runRows(session, {7}, {sequence}, {}));
  EXPECT_EQ(gpu->writtenBytes - written, 68U);
}

TEST_F(GpuSessionTest, ChangedWeightsAreFoundBeforeTheyAreCopied) {
  for (const uint32_t segment : {0U, 2U}) {
    writeFakeGpuPlan(path, model);
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
    Result<Session> session = openPlan();
    ASSERT_TRUE(session) << session.status().message();
    const SequenceId sequence = beginSequence(*session);
    // If no outputs are requested, the output head does not run, but its
    // segment is still verified.
    for (const std::vector<uint32_t> &outputs :
         {std::vector<uint32_t>{0}, std::vector<uint32_t>{}}) {
      Result<Rows> rows = runRows(*session, {7}, {sequence}, outputs);
      ASSERT_FALSE(rows);
      EXPECT_EQ(rows.status().code(), ErrorCode::VerificationFailed);
      EXPECT_EQ(session->length(sequence), 0U);
    }
    EXPECT_LT(session->loading().done, session->loading().total);
  }
}

TEST_F(GpuSessionTest, LogitsThatAreNotFiniteNameTheirStep) {
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    float inHistory;
    float bias;
    const char *step;
  } cases[] = {{infinity, 0, "step 'embed'"},
               {3e38F, 0, "step 'layer.0.attn'"},
               {0, infinity, "step 'head'"}};
  for (const auto &test : cases) {
    model.unknownInHistory = test.inHistory;
    model.unknownBias = test.bias;
    Session session = opened();
    const SequenceId sequence = beginSequence(session);
    Result<Rows> rows =
        runRows(session, {0, 0, 0}, std::vector(3, sequence), {2});
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.status().code(), ErrorCode::Unsupported);
    EXPECT_TRUE(rows.status().message().starts_with(
        test.step + std::string(" computes NaN or infinite numbers")))
        << rows.status().message();
    EXPECT_NE(rows.status().message().find("65504"), std::string::npos)
        << rows.status().message();
    EXPECT_EQ(session.length(sequence), 0U);
  }
}

TEST_F(GpuSessionTest, AFailedPassChangesNothing) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  std::vector<int32_t> tokens;
  for (int32_t token = 5; token < 8; ++token) {
    // First the copy of the weights fails, and in later rounds the kernels
    // fail.
    Status &failure = tokens.empty() ? gpu->writeFailure : gpu->workFailure;
    failure = ioError("the fake GPU has failed");
    Result<Rows> rows = runRows(session, {token}, {sequence}, {0});
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.status().message(), "the fake GPU has failed");
    EXPECT_EQ(session.length(sequence), tokens.size());
    failure = Status::ok();
    tokens.push_back(token);
    rows = runRows(session, {token}, {sequence}, {0});
    ASSERT_TRUE(rows) << rows.status().message();
    EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  }
}

TEST_F(GpuSessionTest, EverythingIsInTheMemoryOfTheGpu) {
  Session session = opened();
  // The activations are x (8 rows of 16 floats), the logits (8 rows of 260
  // floats) and a counter, which takes 64 bytes. The KV cache has one page more
  // than the plan states, for padding. The weights are the bias (260 floats)
  // and the table (260 rows of 16 floats), each padded to a multiple of 256
  // bytes. The batch tables begin with the number of tokens, the ids, the
  // positions and the positions for RoPE. Each of these four arrays is padded
  // to 64 bytes. The block table follows, with three page indices for each of
  // eight tokens. The host receives the ids of up to eight chosen tokens.
  const std::vector<std::pair<std::string, uint64_t>> expected = {
      {"activations", 512 + 8320 + 64},
      {"KV cache", 7 * 4096},
      {"weights", 1280 + 16640},
      {"batch tables", 4 * 64 + 8 * 3 * 4},
      {"host chosen tokens", 8 * 4}};
  EXPECT_EQ(gpu->allocations, expected);
  ASSERT_EQ(gpu->shapes.size(), 10U);
  EXPECT_EQ(gpu->shapes[0].gridX, 1U);
  EXPECT_EQ(gpu->shapes[0].gridY, 1U);
  EXPECT_EQ(gpu->shapes[0].threads, 32U);
  EXPECT_EQ(gpu->shapes[0].sharedBytes, 3072U);
}

TEST_F(GpuSessionTest, TooLittleMemoryNamesAllThatIsNeeded) {
  gpuBytes = 8896 + 28672 + 1000;
  const Status status = open().status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  for (const char *part :
       {"the plan needs 56096 bytes of the memory of GPU 'fake'",
        "activations 8896, batch tables 352, KV cache 28672, kernels 256, "
        "weights 17920",
        "weights: 17920 bytes are needed, but only 1000 are free"}) {
    EXPECT_NE(status.message().find(part), std::string::npos)
        << status.message();
  }
}

/// The number of passes in which checkAllLogits() runs 100 tokens, 8 at a time.
constexpr uint64_t kPasses = 13;

TEST_F(GpuSessionTest, WeightsMayBeReadFromTheDiskInEveryPass) {
  for (const bool isEarly : {false, true}) {
    uploadsEarly = isEarly;
    Result<Session> session =
        open([](plan::PlanT &plan) { copyInEveryPass(plan, true); });
    ASSERT_TRUE(session) << session.status().message();
    ASSERT_NE(session->streaming(), nullptr);
    checkAllLogits(*session, model, someTokens(100), 8);
    session->streaming()->waitUntilIdle();
    const StreamCounters counters = session->streaming()->counters();
    EXPECT_EQ(counters.bytesPerPass, kPlanPageBytes);
    EXPECT_EQ(counters.ringBytes, kPlanPageBytes);
    EXPECT_EQ(counters.residentBytes, 0U);
    // Each pass reads the page into the ring in RAM once, and copies it once to
    // the ring in the memory of the GPU. After the last pass, this may happen
    // once more, in preparation for another pass. The ring in RAM is then free
    // again, so the page may also be read, but not copied, for the pass after
    // that.
    EXPECT_GE(counters.diskBytes, kPasses * kPlanPageBytes);
    EXPECT_LE(counters.diskBytes, (kPasses + 2) * kPlanPageBytes);
    EXPECT_GE(session->copiedBytes(), kPasses * kPlanPageBytes);
    EXPECT_LE(session->copiedBytes(), (kPasses + 1) * kPlanPageBytes);
    EXPECT_EQ(session->loading().done, session->loading().total);
  }
}

// Copies that have been enqueued must have read the ring before it is lent.
TEST_F(GpuSessionTest, TheRingIsLentOnlyAfterItsCopies) {
  Result<Session> session =
      open([](plan::PlanT &plan) { copyInEveryPass(plan, true); });
  ASSERT_TRUE(session) << session.status().message();
  DiskStream &disk = *session->streaming();
  const Result<std::span<uint8_t>> ring = disk.lendRing();
  ASSERT_TRUE(ring) << ring.status().message();
  std::ranges::fill(*ring, 0x11);
  const Result<DeviceAddress> copy = gpu->allocate(ring->size(), "copy");
  ASSERT_TRUE(copy && gpu->upload(*copy, *ring).isOk());
  ASSERT_TRUE(disk.takeRingBack().isOk());
  disk.waitUntilIdle();
  // The ring now holds weights. lendRing() must wait until the copy of these
  // weights to the GPU, which is enqueued below, is complete.
  const std::vector<uint8_t> weights(ring->begin(), ring->end());
  EXPECT_NE(weights, std::vector<uint8_t>(ring->size(), 0x11));
  ASSERT_TRUE(gpu->upload(*copy, *ring).isOk());
  ASSERT_TRUE(disk.lendRing());
  std::ranges::fill(*ring, 0x22);
  ASSERT_TRUE(gpu->synchronise().isOk());
  const Result<const void *> read = gpu->read(*copy, ring->size());
  ASSERT_TRUE(read);
  EXPECT_EQ(std::memcmp(*read, weights.data(), weights.size()), 0);
  ASSERT_TRUE(disk.takeRingBack().isOk());
  checkAllLogits(*session, model, someTokens(20), 8);
}

TEST_F(GpuSessionTest, PassesWithoutOutputsDoNotStopTheReads) {
  Result<Session> session =
      open([](plan::PlanT &plan) { copyInEveryPass(plan, true); });
  ASSERT_TRUE(session) << session.status().message();
  const SequenceId sequence = beginSequence(*session);
  std::vector<int32_t> tokens;
  for (int32_t token = 5; token < 8; ++token) {
    // In this plan, only the weights of the output head are read from the disk
    // in every pass. A pass without outputs does not need them, but they may
    // have been read ahead for it. A later pass with outputs must still get
    // them.
    ASSERT_TRUE(runRows(*session, {token}, {sequence}, {}));
    tokens.push_back(token);
    ASSERT_TRUE(runRows(*session, {token + 7}, {sequence}, {}));
    tokens.push_back(token + 7);
    Result<Rows> rows = runRows(*session, {token}, {sequence}, {0});
    ASSERT_TRUE(rows) << rows.status().message();
    tokens.push_back(token);
    EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  }
  // Each pass reads the file again, so a pass fails if the file has changed
  // since it was opened.
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const Result<Rows> rows = runRows(*session, {7}, {sequence}, {0});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.status().code(), ErrorCode::Io) << rows.status().message();
  EXPECT_EQ(session->length(sequence), tokens.size());
}

TEST_F(GpuSessionTest, ChangedWeightsOnTheDiskAreFoundBeforeTheyAreCopied) {
  writeFakeGpuPlan(path, model,
                   [](plan::PlanT &plan) { copyInEveryPass(plan, true); });
  uint64_t offset = 0;
  {
    Result<PlanFile> plan = PlanFile::open(path);
    ASSERT_TRUE(plan) << plan.status().message();
    offset = plan->plan().segments()->Get(0)->offset();
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset + 9));
  file.put(0x5a);
  file.close();
  Result<Session> session = openPlan();
  ASSERT_TRUE(session) << session.status().message();
  const SequenceId sequence = beginSequence(*session);
  for (int round = 0; round < 2; ++round) {
    const Result<Rows> rows = runRows(*session, {7}, {sequence}, {0});
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.status().code(), ErrorCode::VerificationFailed);
    EXPECT_EQ(session->length(sequence), 0U);
  }
  EXPECT_EQ(session->copiedBytes(), 0U);
}

/// Gives the plan a second placement, which copies weights in every pass.
void addSecondPlacement(plan::PlanT &plan) {
  plan.placements.push_back(
      std::make_unique<plan::PlacementT>(*plan.placements[0]));
  copyInEveryPass(plan, false);
  for (uint64_t i = 0; i < 2; ++i) {
    plan.placements[i]->budgets.push_back(std::make_unique<plan::BudgetT>());
    plan.placements[i]->budgets.back()->tier = plan::Tier::Vram;
    plan.placements[i]->budgets.back()->bytes = (uint64_t{1} << 30) - i;
  }
}

TEST_F(GpuSessionTest, TheNextPlacementIsUsedIfThereIsNoRoomForKernels) {
  noRoomForKernels = 1;
  Result<Session> session = open(addSecondPlacement);
  ASSERT_TRUE(session) << session.status().message();
  EXPECT_EQ(session->placement(), 1U);
  checkAllLogits(*session, model, someTokens(100), 8);
  noRoomForKernels = 2;
  const Status status = open(addSecondPlacement).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_NE(status.message().find("no room for kernels"), std::string::npos)
      << status.message();
}

/// Returns a function that changes a plan so that its placement needs `bytes`
/// more bytes of RAM, which the plan lists under `name`.
std::function<void(plan::PlanT &)> addRam(const char *name, uint64_t bytes) {
  return [name, bytes](plan::PlanT &plan) {
    auto item = std::make_unique<plan::BudgetItemT>();
    item->name = name;
    item->bytes = bytes;
    plan.placements[0]->items.push_back(std::move(item));
  };
}

TEST_F(GpuSessionTest, WeightsInRamNeedMemoryThatIsFree) {
  const FakeRoot root;
  root.putMemory(1000000, 4096);
  SessionOptions options;
  options.memoryRoot = root.path();
  constexpr uint64_t kFree = uint64_t{4096} << 10;
  Result<Session> session = open(addRam("weights", kFree), options);
  EXPECT_TRUE(session) << session.status().message();
  expectRefused(ErrorCode::DoesNotFit,
                "memory: the plan keeps 4194305 bytes of weights in RAM, from "
                "which each pass copies them to the GPU, but only 4194304 "
                "bytes are free",
                addRam("weights", kFree + 1), options);
}

TEST_F(GpuSessionTest, TooLittleRamIsSaidToBeShort) {
  SessionOptions options;
  options.ram = 4095;
  expectRefused(ErrorCode::DoesNotFit,
                "memory: the plan needs at least 4096 bytes of RAM (transfer "
                "buffers 4096), but at most 4095 are available; pack the model "
                "for less memory with --ram, or with a larger --vram",
                addRam("staging", 4096), options);
}

TEST_F(GpuSessionTest, TheHostNeedsNoMemoryForTheModel) {
  SessionOptions options;
  options.ram = 1;
  Result<Session> session = open({}, options);
  EXPECT_TRUE(session) << session.status().message();
}

TEST_F(GpuSessionTest, CountsBytesAndOperations) {
  Session session = opened();
  const SequenceId sequence = beginSequence(session);
  ASSERT_TRUE(
      runRows(session, someTokens(3), std::vector(3, sequence), {0, 2}));
  const RunCounters counters = session.executor().counters();
  EXPECT_EQ(counters.passes, 1U);
  EXPECT_EQ(counters.tokens, 3U);
  EXPECT_EQ(counters.outputs, 2U);
  EXPECT_EQ(counters.weightBytes, 3 * FAKE_WIDTH * sizeof(float) + kRowBytes);
  // A position has 64 bytes of KV. The pass reads three positions and writes
  // three.
  EXPECT_EQ(counters.kvBytes, 64U * (3 + 3));
  EXPECT_EQ(counters.flops, 10U * (3 * 3 + 2));
}

TEST_F(GpuSessionTest, TimedStepsAndDispatchesComputeTheSame) {
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

TEST_F(GpuSessionTest, OptionsWithoutEffectAreRefused) {
  SessionOptions options;
  options.threads = 2;
  expectRefused(ErrorCode::Usage, "leave out --threads", {}, options);
  options = {};
  options.source = path;
  expectRefused(ErrorCode::Usage, "leave out --source", {}, options);
}

// The plan has as many pages as 32 bits can count. Padding needs one more.
TEST_F(GpuSessionTest, ACacheWithoutAPageForPaddingIsRefused) {
  // The message does not mention the GPU's memory, which is large enough.
  expectRefused(
      ErrorCode::VerificationFailed,
      path + ": KV cache: 4294967295 pages of 4096 bytes, and 1 more page "
             "for padding, exceed",
      [](plan::PlanT &plan) {
        setContext(plan, AIR_KV_PAGE_TOKENS, UINT32_MAX);
      });
}

// Nothing binds the second cache, which is in the memory of the CPU.
TEST_F(GpuSessionTest, ACacheOnTheIdleCpuIsRefused) {
  expectRefused(
      ErrorCode::Unsupported,
      path + ": KV cache group 1 is on the CPU, which runs no step",
      [](plan::PlanT &plan) {
        plan.cache_groups.push_back(
            std::make_unique<plan::CacheGroupT>(*plan.cache_groups[0]));
        plan.cache_groups[1]->device = 0;
        plan.cache_groups[1]->page_bytes = FAKE_PAGE_BYTES;
        plan.caches.push_back(std::make_unique<plan::CacheT>(*plan.caches[0]));
        plan::CacheT &cache = *plan.caches[1];
        cache.key_dtype = cache.value_dtype = static_cast<uint16_t>(DType::F32);
        cache.order = plan::KvOrder{};
        cache.group = 1;
        addRam("kv", kFakePages * FAKE_PAGE_BYTES)(plan);
      });
}

// The buffer of the logits has a row for each output, but the output head
// computes a row for each token.
TEST_F(GpuSessionTest, ABufferForOutputsMayHoldTheRowsOfTokens) {
  Result<Session> session = open([](plan::PlanT &plan) {
    plan.buffers[1]->rows_from = plan::RowsFrom::Outputs;
  });
  ASSERT_TRUE(session) << session.status().message();
  const SequenceId sequence = beginSequence(*session);
  const std::vector<SequenceId> sequences(8, sequence);
  const auto rows = runRows(*session, someTokens(8), sequences, {1, 5});
  ASSERT_TRUE(rows) << rows.status().message();
  checkAllLogits(*session, model, someTokens(20), 8);
}

TEST_F(GpuSessionTest, AProgramWithoutGpusRefusesThePlan) {
  writeFakeGpuPlan(path, model);
  const Status status = Session::open(path, {}).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_NE(status.message().find("the kernels run on GPU 'fake'"),
            std::string::npos)
      << status.message();
}

TEST_F(GpuSessionTest, AnotherGpusCodeIsRefused) {
  writeFakeGpuPlan(path, model);
  SessionOptions options;
  options.gpu =
      [](const plan::Device &record) -> Result<std::unique_ptr<Device>> {
    return mismatchError("the code is for " + record.arch()->str());
  };
  const Status status = Session::open(path, options).status();
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_NE(status.message().find("the plan was made for GPU 'fake': the code "
                                  "is for sm_86"),
            std::string::npos)
      << status.message();
}

} // namespace
