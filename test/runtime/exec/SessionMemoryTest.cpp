//===- SessionMemoryTest.cpp - sessions that share memory with others -----===//
//
// The fake plan gets three placements: the first keeps the weights in memory,
// the others read them in every pass, through a larger and a smaller ring.
// Files in a folder imitate the memory cgroup of the process.
//
//===----------------------------------------------------------------------===//
#include "runtime/exec/Session.h"

#include "runtime/io/PlacementMemory.h"
#include "runtime/io/StreamStore.h"
#include "test/runtime/exec/BatchRuns.h"
#include "test/runtime/fake/FakeRoot.h"

#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

constexpr uint64_t kLargeRing = 64 * kPlanPageBytes;
constexpr uint64_t kSmallRing = kPlanPageBytes;
constexpr uint64_t kProcess = 65536;

void threePlacements(plan::PlanT &plan) {
  auto process = std::make_unique<plan::BudgetItemT>();
  process->name = "process";
  process->tier = plan::Tier::Ram;
  process->bytes = kProcess;
  plan.placements[0]->items.push_back(std::move(process));
  addStreamedPlacement(plan, kLargeRing);
  addStreamedPlacement(plan, kSmallRing);
  // The first placement takes the most memory.
  for (const auto &item : plan.placements[0]->items) {
    item->bytes += item->name == "weights" ? 2 * kLargeRing : 0;
  }
  for (const auto &placement : plan.placements) {
    auto budget = std::make_unique<plan::BudgetT>();
    for (const auto &item : placement->items) {
      budget->bytes += item->bytes;
    }
    placement->budgets.push_back(std::move(budget));
  }
}

/// The parameter is the version of cgroups.
class SessionMemoryTest : public testing::TestWithParam<int> {
protected:
  void SetUp() override {
    path = temporaryPath("plan.air");
    writeFakePlan(path, model, threePlacements);
    const Result<PlanFile> file = PlanFile::open(path);
    ASSERT_TRUE(file) << file.status().message();
    for (uint32_t i = 0; i < 3; ++i) {
      needed[i] = ramOf(*file->plan().placements()->Get(i));
    }
    root.putMemory(8000000, 8000000);
    root.enterGroup(GetParam(), "box");
    setOwn(0, 0);
  }
  void TearDown() override { std::remove(path.c_str()); }

  void setGroup(uint64_t limit, uint64_t usage, uint64_t inactive = 0,
                uint64_t active = 0) const {
    root.putGroup(GetParam(), "box", std::to_string(limit), usage, inactive,
                  active);
  }
  /// Sets how much private memory the session has, which must be whole KiB, and
  /// how many bytes of shared memory the process has mapped and touched. The
  /// latter makes no difference. Before the session began, the process had
  /// 3000 KiB.
  void setOwn(uint64_t bytes, uint64_t shared) const {
    root.put("proc/self/status",
             "Name:\tairrun\nVmPTE:\t     100 kB\nRssAnon:\t    " +
                 std::to_string(2900 + bytes / 1024) + " kB\nRssShmem:\t    " +
                 std::to_string(shared / 1024) + " kB\n");
  }
  Result<Session> open(uint64_t ram = 0) const {
    SessionOptions options;
    options.memoryRoot = root.path();
    options.ram = ram;
    return Session::open(path, options);
  }
  /// The placement with which a session starts.
  uint32_t placement() const {
    const Result<Session> session = open();
    EXPECT_TRUE(session) << session.status().message();
    return session ? session->placement() : UINT32_MAX;
  }
  std::string limitFile() const { return root.limitOf(GetParam(), "box"); }

  FakeModel model;
  std::string path;
  FakeRoot root;
  uint64_t needed[3] = {};
};

TEST_P(SessionMemoryTest, WhatOthersUseIsNotThere) {
  // The limit allows any placement. The item "process" of a placement counts as
  // used already.
  const uint64_t limit = needed[0] + 5000000;
  for (uint32_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    const uint64_t others = limit - (needed[i] - kProcess);
    setGroup(limit, others);
    EXPECT_EQ(placement(), i);
    setGroup(limit, others + 1);
    if (i < 2) {
      EXPECT_EQ(placement(), i + 1);
    }
  }
  const Status status = open().status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  const std::string &message = status.message();
  EXPECT_THAT(message, testing::HasSubstr("memory: the plan needs at least " +
                                          std::to_string(needed[2]) +
                                          " bytes of RAM ("));
  EXPECT_THAT(message,
              testing::EndsWith(
                  "), but only " + std::to_string(needed[2] - 1) + " of " +
                  std::to_string(limit) + " bytes of memory are left (" +
                  limitFile() +
                  "); end other processes that use this memory, or pack the "
                  "model for less memory with --ram, or with a smaller --ctx"));
}

TEST_P(SessionMemoryTest, ALimitThatIsTooLowIsSaidToBeTheReason) {
  setGroup(needed[2] - 1, 0);
  const Status status = open().status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              testing::HasSubstr("at most " + std::to_string(needed[2] - 1) +
                                 " are available; pack the model"));
}

// Some systems do not say how much memory is available, or hide the total.
TEST_P(SessionMemoryTest, TheTotalOfTheMachineIsALimitOnItsOwn) {
  setGroup(needed[0] + 5000000, 0);
  root.put("proc/meminfo",
           "MemTotal: " + std::to_string(needed[1] / 1024 + 1) + " kB\n");
  EXPECT_EQ(placement(), 1U);
  root.put("proc/meminfo", "MemAvailable: 1 kB\n");
  EXPECT_EQ(placement(), 0U);
}

TEST_P(SessionMemoryTest, PageCacheIsFree) {
  // Nothing but the page cache of files fills the cgroup.
  setGroup(needed[0], needed[0], kProcess, needed[0] - kProcess);
  EXPECT_EQ(placement(), 0U);
  setGroup(needed[0], needed[0], needed[0] - kProcess, 0);
  EXPECT_EQ(placement(), 0U);
  // Both parts of it together are a byte too small.
  setGroup(needed[0], needed[0], 7, needed[0] - kProcess - 8);
  EXPECT_EQ(placement(), 1U);
}

TEST_P(SessionMemoryTest, TheSessionSaysWhichPlacementTheLimitsAllow) {
  const uint64_t limit = needed[0] + 5000000;
  setGroup(limit, 0);
  EXPECT_EQ(open()->allowedPlacement(), 0U);
  setGroup(limit, limit - needed[2] + kProcess);
  Result<Session> session = open();
  ASSERT_TRUE(session) << session.status().message();
  EXPECT_EQ(session->placement(), 2U);
  EXPECT_EQ(session->allowedPlacement(), 0U);
  // If the user asks for less memory, that is not due to others.
  setGroup(limit, 0);
  session = open(needed[1]);
  ASSERT_TRUE(session) << session.status().message();
  EXPECT_EQ(session->placement(), 1U);
  EXPECT_EQ(session->allowedPlacement(), 1U);
}

TEST_P(SessionMemoryTest, LaterPassesDoNotMistakeTheSessionForOthers) {
  const uint64_t limit = needed[0] + 5000000;
  const uint64_t others = limit - (needed[1] - kProcess);
  setGroup(limit, others);
  Result<Session> session = open();
  ASSERT_TRUE(session) << session.status().message();
  SequenceId sequence = *session->newSequence();
  std::vector<int32_t> sofar;
  const auto run = [&]() -> Status {
    std::vector<int32_t> token = someTokens(1, sofar.size());
    Result<Rows> rows = runRows(*session, token, {sequence}, {0});
    if (!rows) {
      return rows.status();
    }
    sofar.push_back(token[0]);
    EXPECT_EQ((*rows)[0], fakeLogits(model, sofar));
    return Status::ok();
  };
  const auto placementOf = [&] {
    const Status status = run();
    EXPECT_TRUE(status.isOk()) << status.message();
    return session->placement();
  };
  // The session's memory grows while it loads. The cgroup counts the whole ring
  // from the start, although the process has touched none of its pages yet.
  // Later the process has mapped them several times, but they count once.
  const uint64_t privateBytes =
      (needed[1] - kProcess - kLargeRing) / 1024 * 1024;
  const uint64_t steps[][2] = {
      {0, 0}, {privateBytes / 2048 * 1024, 0}, {privateBytes, kLargeRing}};
  for (const auto &[own, touched] : steps) {
    setOwn(own, 10 * touched);
    setGroup(limit, others + own + kLargeRing);
    EXPECT_EQ(placementOf(), 1U);
  }
  // The session has used half of its private memory. The memory that is free
  // is just enough for the other half, until others use more.
  const uint64_t half = privateBytes / 2048 * 1024;
  setOwn(half, kLargeRing);
  setGroup(limit, others + half + kLargeRing);
  EXPECT_EQ(placementOf(), 1U);
  setGroup(limit, others + 2048 + half + kLargeRing);
  EXPECT_EQ(placementOf(), 2U);
  // The smaller placement fits until others use still more.
  const auto setOthers = [&](uint64_t bytes) {
    setOwn(half, 10 * kSmallRing);
    setGroup(limit, bytes + half + kSmallRing);
  };
  const uint64_t most = limit - (needed[2] - kProcess);
  setOthers(most);
  EXPECT_EQ(placementOf(), 2U);
  setOthers(most + 1024);
  const Status status = run();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(status.message(),
            "memory: only " + std::to_string(needed[2] - 1024) + " of " +
                std::to_string(limit) + " bytes of memory are left (" +
                limitFile() + "), but the plan needs at least " +
                std::to_string(needed[2]) +
                "; raise the limit, end other processes that use this memory, "
                "or pack the model for less memory with --ram");
  // When others have ended, the session uses the memory again.
  setOthers(0);
  const uint32_t delay =
      StreamStore::growthDelay(static_cast<uint64_t>(getpid()));
  for (uint32_t i = 1; i < StreamStore::kPassesBeforeGrowth + delay; ++i) {
    EXPECT_EQ(placementOf(), 2U);
  }
  for (uint32_t i = 0; i < StreamStore::kPassesBetweenGrowths; ++i) {
    EXPECT_EQ(placementOf(), 1U);
  }
  EXPECT_EQ(placementOf(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Versions, SessionMemoryTest, testing::Values(1, 2));

} // namespace
