//===- DeviceStreamTest.cpp - copies and kernels share a ring -------------===//
//
// Each step that needs weights copies a word from each page of its weights in
// the ring to a result. If the fake GPU does uploads as late as it may, a step
// that does not wait for its weights gives wrong results. If it does uploads as
// early as it may, a copy that overwrites weights too early gives wrong
// results.
//
//===----------------------------------------------------------------------===//
#include "runtime/exec/DeviceStream.h"
#include "test/runtime/fake/FakePlan.h"
#include "test/runtime/fake/LateGpu.h"

#include <cstring>
#include <gtest/gtest.h>

namespace air::rt {
namespace {

using test::LateGpu;

constexpr uint64_t kPage = 4096;
constexpr uint32_t kSteps = 5;
/// Step kStepOf[i] needs segment i. The other steps need no weights.
constexpr uint32_t kStepOf[] = {1, 2, 4};
constexpr uint64_t kPages[] = {1, 2, 1};

/// The word at the start of a page of a segment.
uint32_t wordOf(uint32_t segment, uint64_t page) {
  return 100 * (segment + 1) + static_cast<uint32_t>(page);
}

/// What each pass reads into a ring of two pages. A read must be complete
/// before the step in the column "before step" runs, and may begin once the
/// step in the column "after step" has run. Step -3 is step 2 of the previous
/// pass:
///
///   read  segment  page  page of the ring  before step  after step
///   0     0        0     0                 1            -3
///   1     1        0     0                 2            1
///   2     1        1     1                 2            1
///   3     2        0     1                 4            2
const struct {
  uint32_t segment;
  uint64_t page, ringPage;
  int64_t after;
} kReads[] = {{0, 0, 0, -3}, {1, 0, 0, 1}, {1, 1, 1, 1}, {2, 0, 1, 2}};

class DeviceStreamTest : public testing::TestWithParam<bool> {
protected:
  DeviceStreamTest() : gpu(kernels()) { gpu.uploadsEarly = GetParam(); }

  static std::map<std::string, test::FakeGpuKernel> kernels() {
    return {{"copyWord", [](std::span<const std::span<uint8_t>> bindings) {
               std::memcpy(bindings[1].data(), bindings[0].data(), 4);
             }}};
  }

  void SetUp() override {
    plan::PlanT made;
    made.programs.push_back(std::make_unique<plan::ProgramT>());
    for (uint32_t i = 0; i < kSteps; ++i) {
      made.programs[0]->steps.push_back(std::make_unique<plan::StepT>());
    }
    for (const uint64_t pages : kPages) {
      made.segments.push_back(std::make_unique<plan::SegmentT>());
      made.segments.back()->raw_bytes = pages * kPage - 10;
    }
    made.placements.push_back(std::make_unique<plan::PlacementT>());
    made.placements[0]->device_ring_bytes = 2 * kPage;
    for (const auto &read : kReads) {
      auto copy = std::make_unique<plan::StreamReadT>();
      copy->segment = read.segment;
      copy->offset = read.page * kPage;
      copy->bytes = kPage;
      copy->ring_offset = read.ringPage * kPage;
      copy->before_step = kStepOf[read.segment];
      copy->after_step = read.after;
      made.placements[0]->device_reads.push_back(std::move(copy));
    }
    builder.Finish(plan::Plan::Pack(builder, &made));
    const plan::Plan &plan = *plan::GetPlan(builder.GetBufferPointer());
    Result<std::unique_ptr<DeviceStream>> created = DeviceStream::create(
        plan, *plan.placements()->Get(0), gpu,
        [this](uint32_t segment, std::span<uint8_t> memory) -> Status {
          ++loads;
          EXPECT_EQ(memory.size(), kPages[segment] * kPage);
          for (uint64_t page = 0; page < kPages[segment]; ++page) {
            const uint32_t word = wordOf(segment, page);
            std::memcpy(memory.data() + page * kPage, &word, 4);
          }
          return segment == failing ? ioError("unreadable") : Status::ok();
        });
    ASSERT_TRUE(created) << created.status().message();
    stream = *std::move(created);
    addProgram();
  }

  /// A step has one dispatch for each page of its segment.
  void addProgram() {
    const std::span<const uint8_t> object(
        reinterpret_cast<const uint8_t *>(test::kFakeCubin.data()),
        test::kFakeCubin.size());
    constexpr std::string_view kNames[] = {"copyWord"};
    ASSERT_TRUE(gpu.loadExecutable(object, kNames));
    std::vector<DispatchDesc> dispatches;
    std::vector<std::vector<DeviceAddress>> bindings;
    for (uint32_t segment = 0; segment < 3; ++segment) {
      for (uint64_t page = 0; page < kPages[segment]; ++page) {
        results.push_back(*gpu.allocate(4, "result"));
        bindings.push_back(
            {stream->addressOf(segment) + page * kPage, results.back()});
      }
    }
    for (const std::vector<DeviceAddress> &bound : bindings) {
      dispatches.emplace_back();
      dispatches.back().bindings = bound;
    }
    ASSERT_TRUE(gpu.addProgram(dispatches));
  }

  void runStep(uint32_t step) {
    const Status ready = stream->require(step);
    ASSERT_TRUE(ready.isOk()) << ready.message();
    uint32_t dispatch = 0;
    for (uint32_t segment = 0; segment < 3; ++segment) {
      for (uint64_t page = 0; page < kPages[segment]; ++page, ++dispatch) {
        if (kStepOf[segment] == step) {
          ASSERT_TRUE(gpu.run(0, dispatch, 1, {}).isOk());
        }
      }
    }
    stream->release(step);
  }
  void runSteps(uint32_t begin, uint32_t end) {
    for (uint32_t step = begin; step < end; ++step) {
      runStep(step);
    }
  }

  /// Checks the words that the steps [begin, end) have found in the ring, and
  /// sets all results to 0.
  void expectResults(uint32_t begin = 0, uint32_t end = kSteps) {
    ASSERT_TRUE(gpu.synchronise().isOk());
    uint32_t dispatch = 0;
    for (uint32_t segment = 0; segment < 3; ++segment) {
      for (uint64_t page = 0; page < kPages[segment]; ++page, ++dispatch) {
        if (kStepOf[segment] < begin || kStepOf[segment] >= end) {
          continue;
        }
        uint32_t found = 0;
        std::memcpy(&found, *gpu.read(results[dispatch], 4), 4);
        EXPECT_EQ(found, wordOf(segment, page)) << "segment " << segment;
      }
    }
    const std::vector<uint8_t> none(4);
    for (const DeviceAddress result : results) {
      ASSERT_TRUE(gpu.write(result, none).isOk());
    }
  }

  LateGpu gpu;
  flatbuffers::FlatBufferBuilder builder;
  std::unique_ptr<DeviceStream> stream;
  std::vector<DeviceAddress> results;
  uint32_t failing = ~uint32_t{0}; ///< the segment that cannot be loaded
  uint32_t loads = 0;
};

TEST_P(DeviceStreamTest, EachStepFindsItsWeights) {
  EXPECT_EQ(gpu.allocations[0], std::pair(std::string("ring"), 2 * kPage));
  EXPECT_EQ(gpu.allocations[1],
            std::pair(std::string("host streamed weights"), 4 * kPage));
  for (const uint32_t pass : {0, 1, 2, 3}) {
    SCOPED_TRACE(pass);
    ASSERT_TRUE(stream->beginPass(kSteps).isOk());
    runSteps(0, kSteps);
    stream->endPass();
    if (pass % 2 == 1) {
      expectResults();
    }
  }
  EXPECT_EQ(loads, 3U);
  EXPECT_TRUE(stream->isLoaded());
  // Each of 4 passes copies 4 pages. One more page has been copied in
  // preparation for another pass.
  EXPECT_EQ(stream->copiedBytes(), (4 * 4 + 1) * kPage);
}

// Nothing is copied for steps that do not run, except what was copied ahead.
TEST_P(DeviceStreamTest, WhatDoesNotRunIsNotCopied) {
  ASSERT_TRUE(stream->beginPass(4).isOk());
  runSteps(0, 4);
  stream->endPass();
  expectResults(0, 4);
  EXPECT_EQ(stream->copiedBytes(), (3 + 1) * kPage);
  ASSERT_TRUE(stream->beginPass(kSteps).isOk());
  stream->release(3);
  runSteps(4, kSteps);
  stream->endPass();
  expectResults(4, kSteps);
  EXPECT_EQ(stream->copiedBytes(), (3 + 1 + 1 + 1) * kPage);
  ASSERT_TRUE(stream->beginPass(kSteps).isOk());
  runSteps(0, kSteps);
  stream->endPass();
  expectResults();
}

TEST_P(DeviceStreamTest, APassMayEndEarly) {
  for (uint32_t steps = 0; steps < kSteps; ++steps) {
    ASSERT_TRUE(stream->beginPass(kSteps).isOk());
    runSteps(0, steps);
    stream->endPass();
    ASSERT_TRUE(stream->beginPass(kSteps).isOk());
    runSteps(0, kSteps);
    stream->endPass();
    expectResults();
  }
}

TEST_P(DeviceStreamTest, AnErrorOfLoadingEndsThePass) {
  failing = 1;
  ASSERT_TRUE(stream->beginPass(kSteps).isOk());
  runSteps(0, 2);
  EXPECT_EQ(stream->require(2).code(), ErrorCode::Io);
  stream->endPass();
  EXPECT_EQ(stream->beginPass(kSteps).code(), ErrorCode::Io);
  EXPECT_EQ(stream->loadAll().code(), ErrorCode::Io);
}

INSTANTIATE_TEST_SUITE_P(Uploads, DeviceStreamTest, testing::Bool(),
                         [](const auto &info) {
                           return info.param ? "Early" : "Late";
                         });

} // namespace
} // namespace air::rt
