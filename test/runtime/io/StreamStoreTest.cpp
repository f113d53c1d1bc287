//===- StreamStoreTest.cpp - placements follow the limits of memory -------===//
//
// The fake plan has one segment of weights. Here it gets three placements: the
// first keeps the segment in memory, the others read it in every pass, through
// a larger and a smaller ring. The tests set the memory limit by which the
// store chooses a placement for each pass.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/StreamStore.h"

#include "test/runtime/fake/FakePlan.h"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

constexpr uint64_t kLargeRing = 64 * kPlanPageBytes;
constexpr uint64_t kSmallRing = kPlanPageBytes;

void threePlacements(plan::PlanT &plan) {
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

class StreamStoreTest : public testing::Test {
protected:
  void SetUp() override {
    path = temporaryPath("plan.air");
    writeFakePlan(path, {}, threePlacements);
    Result<PlanFile> opened = PlanFile::open(path);
    ASSERT_TRUE(opened) << opened.status().message();
    file.emplace(*std::move(opened));
    for (uint32_t i = 0; i < 3; ++i) {
      needed[i] = ramOf(*file->plan().placements()->Get(i));
    }
    ASSERT_GT(needed[0], needed[1]);
    ASSERT_GT(needed[1], needed[2]);
    setLimit(needed[0]);
  }
  void TearDown() override { std::remove(path.c_str()); }

  void start(uint32_t placement, uint64_t ram = 0,
             std::vector<NodePart> nodeParts = {}) {
    StreamOptions options;
    options.nodeParts = std::move(nodeParts);
    options.placement = placement;
    options.method = IoMethod::Buffered;
    options.ram = ram;
    options.growthDelay = growthDelay;
    options.memoryRoom = [this] { return room; };
    Result<std::unique_ptr<StreamStore>> started =
        StreamStore::start(*file, std::move(options));
    ASSERT_TRUE(started) << started.status().message();
    store = *std::move(started);
  }

  /// Sets the only memory limit. Other processes use none of this memory.
  void setLimit(uint64_t bytes) {
    room = MemoryRoom{static_cast<int64_t>(bytes), bytes, bytes, {}};
  }

  /// Runs a pass, which must see the bytes of the file.
  Status pass() {
    AIR_RETURN_IF_ERROR(store->beginPass(3));
    Status status;
    for (uint32_t step = 0; step < 3 && status.isOk(); ++step) {
      status = store->require(step, {});
      if (status.isOk() && step == 2) {
        std::span<const uint8_t> bytes = store->segment(0);
        EXPECT_EQ(std::memcmp(bytes.data(), file->segmentBytes(0).data(),
                              bytes.size()),
                  0);
      }
      store->release(step);
    }
    store->endPass();
    return status;
  }
  /// Runs passes and returns the placements in which they ran.
  std::vector<uint32_t> placements(uint32_t passes) {
    std::vector<uint32_t> used;
    for (uint32_t i = 0; i < passes; ++i) {
      Status status = pass();
      EXPECT_TRUE(status.isOk()) << status.message();
      used.push_back(store->counters().placement);
    }
    return used;
  }
  /// Runs `passes` passes. The last one must be the first that runs in
  /// placement `to`; all others must run in placement `from`.
  void expectChangeAtTheLastOf(uint32_t passes, uint32_t from, uint32_t to) {
    std::vector<uint32_t> expected(passes - 1, from);
    expected.push_back(to);
    EXPECT_EQ(placements(passes), expected);
  }

  /// Runs passes that must change from placement 2 to 1, and then to 0.
  void expectGrowthFrom2To0() {
    expectChangeAtTheLastOf(kWait, 2, 1);
    expectChangeAtTheLastOf(kWaitAgain, 1, 0);
  }

  static constexpr uint32_t kWait = StreamStore::kPassesBeforeGrowth;
  static constexpr uint32_t kWaitAgain = StreamStore::kPassesBetweenGrowths;
  std::string path;
  std::optional<PlanFile> file;
  uint64_t needed[3] = {};
  std::optional<MemoryRoom> room;
  uint32_t growthDelay = 0; ///< of the stores that start() makes
  std::unique_ptr<StreamStore> store;
};

TEST_F(StreamStoreTest, MemoryThatComesBackIsUsedAgain) {
  start(0);
  EXPECT_EQ(placements(2), std::vector<uint32_t>({0, 0}));
  setLimit(needed[0] - 1);
  EXPECT_EQ(placements(2), std::vector<uint32_t>({1, 1}));
  setLimit(needed[2]);
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 2));
  // When more memory is free, the store changes to the next larger placement,
  // but only once the memory has been free for kWait passes. The one after that
  // follows kWaitAgain passes later. When memory gets scarce, the store changes
  // at once.
  setLimit(needed[1]);
  expectChangeAtTheLastOf(kWait, 2, 1);
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 1));
  setLimit(needed[2]);
  EXPECT_EQ(placements(1), std::vector<uint32_t>({2}));
  setLimit(needed[0]);
  expectGrowthFrom2To0();
  EXPECT_EQ(store->counters().bytesPerPass, 0u);
  // From now on, all weights are in memory.
  EXPECT_EQ(placements(1), std::vector<uint32_t>({0}));
  const uint64_t bytes = store->counters().diskBytes;
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 0));
  EXPECT_EQ(store->counters().diskBytes, bytes);
}

TEST_F(StreamStoreTest, ALentRingMayBeOverwritten) {
  start(1);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(pass().isOk());
    store->waitUntilIdle();
    const uint64_t before = store->counters().diskBytes;
    Result<std::span<uint8_t>> ring = store->lendRing();
    ASSERT_TRUE(ring) << ring.status().message();
    ASSERT_EQ(ring->size(), kLargeRing);
    std::memset(ring->data(), 0xEE, ring->size());
    EXPECT_EQ(store->counters().diskBytes, before) << "nothing may be read";
    ASSERT_TRUE(store->takeRingBack().isOk());
  }
  EXPECT_TRUE(pass().isOk());
}

// The first pass reads everything. What later passes read does not count as
// progress.
TEST_F(StreamStoreTest, TheProgressOfTheLoadEndsAtItsTotal) {
  start(1);
  EXPECT_EQ(store->loading().total, kPlanPageBytes);
  EXPECT_EQ(placements(5), std::vector<uint32_t>(5, 1));
  EXPECT_GT(store->counters().diskBytes, kPlanPageBytes);
  EXPECT_EQ(store->loading().done, kPlanPageBytes);
  EXPECT_EQ(store->loading().total, kPlanPageBytes);
}

TEST_F(StreamStoreTest, ALimitThatComesAndGoesChangesNothing) {
  start(2);
  for (int round = 0; round < 4; ++round) {
    setLimit(needed[0]);
    EXPECT_EQ(placements(kWait - 1), std::vector<uint32_t>(kWait - 1, 2));
    setLimit(needed[2]);
    EXPECT_EQ(placements(1), std::vector<uint32_t>({2}));
  }
  // A limit that goes down after the first step puts off the next step.
  setLimit(needed[0]);
  expectChangeAtTheLastOf(kWait, 2, 1);
  EXPECT_EQ(placements(kWaitAgain - 1),
            std::vector<uint32_t>(kWaitAgain - 1, 1));
  setLimit(needed[1]);
  EXPECT_EQ(placements(1), std::vector<uint32_t>({1}));
  setLimit(needed[0]);
  expectChangeAtTheLastOf(kWait, 1, 0);
}

TEST_F(StreamStoreTest, TheFirstGrowthCanBeDelayed) {
  growthDelay = 6;
  start(2);
  expectChangeAtTheLastOf(kWait + 6, 2, 1);
  expectChangeAtTheLastOf(kWaitAgain, 1, 0);
}

TEST_F(StreamStoreTest, SuccessiveProcessesHaveDifferentDelays) {
  for (uint64_t process = 1000; process < 1008; ++process) {
    const uint32_t delay = StreamStore::growthDelay(process);
    EXPECT_EQ(delay % 2, 0U);
    EXPECT_LT(delay, kWaitAgain);
    for (uint64_t other = process + 1; other < process + 8; ++other) {
      EXPECT_NE(StreamStore::growthDelay(other), delay);
    }
  }
}

// Two processes have changed to the smallest placement, and then a third one
// ends. Each sees the memory that the other had when the previous pass ended.
TEST_F(StreamStoreTest, TwoProcessesNeverTakeTheSameMemory) {
  for (const uint64_t limit :
       {needed[1] + needed[2], needed[0] + needed[2], needed[0] + needed[1]}) {
    for (uint64_t process = 1; process < 8; ++process) {
      SCOPED_TRACE(process);
      std::unique_ptr<StreamStore> stores[2];
      uint64_t used[2] = {needed[2], needed[2]};
      for (uint32_t i = 0; i < 2; ++i) {
        growthDelay = StreamStore::growthDelay(i * process);
        start(2);
        stores[i] = std::move(store);
      }
      for (uint32_t round = 0; round < 4 * kWaitAgain; ++round) {
        room = MemoryRoom{
            static_cast<int64_t>(limit - used[0] - used[1]), limit, limit, {}};
        for (uint32_t i = 0; i < 2; ++i) {
          store = std::move(stores[i]);
          const Status status = pass();
          ASSERT_TRUE(status.isOk()) << status.message();
          used[i] = needed[store->counters().placement];
          stores[i] = std::move(store);
        }
        ASSERT_LE(used[0] + used[1], limit) << "round " << round;
      }
      EXPECT_GT(used[0] + used[1], 2 * needed[2]) << "none has grown";
    }
  }
}

TEST_F(StreamStoreTest, MemoryThatOthersUseIsNotThere) {
  start(2);
  const auto more = static_cast<int64_t>(needed[0] - needed[2]);
  room = MemoryRoom{more - 1, needed[0], needed[0], {}};
  expectChangeAtTheLastOf(kWait, 2, 1);
  room = MemoryRoom{0, needed[0], needed[0], {}};
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 1));
  // Enough memory for placement 0 is free, but the smallest limit of all
  // cgroups is one byte less than this placement needs.
  room = MemoryRoom{more, needed[0], needed[0] - 1, {}};
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 1));
  room = MemoryRoom{more, needed[0], needed[2], {}};
  EXPECT_EQ(placements(1), std::vector<uint32_t>({2}));
}

// The session has yet to use 1000 bytes of the memory that its placement needs.
// When others leave less than that, the store changes to a smaller placement at
// once.
TEST_F(StreamStoreTest, MemoryThatOthersTakeIsGivenUp) {
  start(1);
  const uint64_t used = needed[1] - kLargeRing - 1000;
  room = MemoryRoom{1000, needed[0], needed[0], {}, used};
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 1));
  room->free = 999;
  EXPECT_EQ(placements(1), std::vector<uint32_t>({2}));
  // The ring is smaller now, and what it no longer takes is free. When others
  // have released one byte, the larger ring fits again.
  room = MemoryRoom{static_cast<int64_t>(999 + kLargeRing - kSmallRing),
                    needed[0],
                    needed[0],
                    {},
                    used};
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 2));
  ++room->free;
  expectChangeAtTheLastOf(kWait, 2, 1);
}

TEST_F(StreamStoreTest, MoreThanTheUserAllowsIsNotUsed) {
  start(2, needed[1]);
  expectChangeAtTheLastOf(kWait, 2, 1);
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 1));
}

TEST_F(StreamStoreTest, WithoutALimitNothingChanges) {
  start(2);
  room = std::nullopt;
  EXPECT_EQ(placements(20), std::vector<uint32_t>(20, 2));
}

// A request fails if there is too little memory for any placement. Later
// requests work as soon as there is enough.
TEST_F(StreamStoreTest, TooLittleMemoryEndsOneRequestOnly) {
  start(1);
  EXPECT_EQ(placements(2), std::vector<uint32_t>({1, 1}));
  setLimit(needed[2] - 1);
  for (int request = 0; request < 3; ++request) {
    Status status = pass();
    EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
    EXPECT_NE(status.message().find(std::to_string(needed[2])),
              std::string::npos)
        << status.message();
  }
  setLimit(needed[2]);
  EXPECT_EQ(placements(2), std::vector<uint32_t>({2, 2}));
  setLimit(needed[2] - 1);
  EXPECT_EQ(pass().code(), ErrorCode::DoesNotFit);
  setLimit(needed[0]);
  expectGrowthFrom2To0();
}

// Every machine has NUMA node 0, and hardly any machine has node 999. Threads
// of both nodes read the segment's only page, which is placed on node 0.
TEST_F(StreamStoreTest, NodesChangeNothingOfWhatIsRead) {
  start(0, 0, {{999, 0, 1, 3}, {0, 1, 3, 3}});
  EXPECT_EQ(placements(2), std::vector<uint32_t>({0, 0}));
  int mode = -1;
  unsigned long nodes[16] = {};
  if (syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, store->segment(0).data(),
              MPOL_F_ADDR) == 0) {
    EXPECT_EQ(mode, MPOL_PREFERRED);
    EXPECT_EQ(nodes[0], 1U);
  }
  setLimit(needed[2]);
  EXPECT_EQ(placements(2), std::vector<uint32_t>({2, 2}));
  setLimit(needed[0]);
  expectGrowthFrom2To0();
  EXPECT_EQ(placements(1), std::vector<uint32_t>({0}));
}

// Here the system refuses memory that the memory limits allow: its limit on the
// size of files also applies to the memory of a ring.
TEST_F(StreamStoreTest, MemoryThatTheSystemRefusesLeavesThePlacement) {
  start(2);
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto *handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = kSmallRing;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  setLimit(needed[1]);
  EXPECT_EQ(placements(3 * kWait), std::vector<uint32_t>(3 * kWait, 2));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  // The system would grant the large ring now, but it is not asked again.
  EXPECT_EQ(placements(3 * kWait), std::vector<uint32_t>(3 * kWait, 2));
}

} // namespace
