//===- ReferenceStoreTest.cpp - weights from a model's file ---------------===//
#include "formats/support/CheckedMath.h"
#include "runtime/io/SourceReader.h"
#include "runtime/io/StreamStore.h"

#include "test/formats/plan/ReferencePlan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>

using namespace air;
using namespace air::rt;
using namespace air::test;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<uint8_t>;

// The small plan: the segments of the layer, of the output head and of the
// embedding table; the step that needs the layer's segment, and the one that
// needs the output head's; and the number of steps.
constexpr uint32_t kLayer = 0;
constexpr uint32_t kHead = 1;
constexpr uint32_t kTable = 3;
constexpr uint32_t kLayerStep = 1;
constexpr uint32_t kHeadStep = 4;
constexpr uint32_t kSteps = 5;
// The placements of the small plan: one keeps all weights in memory, the other
// reads them in every pass.
constexpr uint32_t kResident = 0;
constexpr uint32_t kStreamed = 1;

class ReferenceStore : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder);
    fs::create_directories(folder);
  }

  void use(ReferencePlan plan) {
    made = std::move(plan);
    write("small.air", fileOf(made.small));
    write("small.gguf", made.source);
  }

  std::string at(const std::string &name) { return (folder / name).string(); }

  void write(const std::string &name, const Bytes &bytes) {
    std::ofstream(at(name), std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  void open(uint32_t placement, IoMethod method = IoMethod::Pread) {
    store.reset();
    Result<PlanFile> plan = PlanFile::open(at("small.air"));
    ASSERT_TRUE(plan) << plan.status().message();
    file.emplace(*std::move(plan));
    Result<SourceFiles> found = SourceFiles::open(*file, "");
    ASSERT_TRUE(found) << found.status().message();
    sources.emplace(*std::move(found));
    StreamOptions options;
    options.placement = placement;
    options.method = method;
    options.sources = &*sources;
    Result<std::unique_ptr<StreamStore>> started =
        StreamStore::start(*file, std::move(options));
    ASSERT_TRUE(started) << started.status().message();
    store = *std::move(started);
  }

  /// Whether the store has the right bytes of the segment.
  bool isThere(uint32_t segment) {
    const std::span<const uint8_t> bytes = store->segment(segment);
    return Bytes(bytes.begin(), bytes.end()) == made.raw[segment];
  }

  /// Runs a pass as the executor does. Returns the first failure.
  Status pass() {
    AIR_RETURN_IF_ERROR(store->beginPass(kSteps));
    Status status;
    for (uint32_t step = 0; step < kSteps && status.isOk(); ++step) {
      status = store->require(step, {});
      if (status.isOk() && ((step == kLayerStep && !isThere(kLayer)) ||
                            (step == kHeadStep && !isThere(kHead)))) {
        status =
            internalError("step " + std::to_string(step) + " has other bytes");
      }
      store->release(step);
    }
    if (status.isOk()) {
      status = store->requireRest();
    }
    store->endPass();
    return status;
  }

  fs::path folder;
  ReferencePlan made;
  std::optional<PlanFile> file;
  std::optional<SourceFiles> sources;
  std::unique_ptr<StreamStore> store;
};

} // namespace

TEST_F(ReferenceStore, EveryPassHasTheBytesOfThePlanThatContainsThem) {
  use(makeReferencePlan());
  for (uint32_t placement : {kResident, kStreamed}) {
    for (IoMethod method : {IoMethod::Pread, IoMethod::Buffered}) {
      open(placement, method);
      for (int i = 0; i < 5; ++i) {
        const Status status = pass();
        EXPECT_TRUE(status.isOk()) << placement << ' ' << status.message();
      }
      store->waitUntilIdle();
      const StreamCounters counters = store->counters();
      // A pass streams both segments, each of which takes one page.
      EXPECT_EQ(counters.bytesPerPass,
                placement == kResident ? 0 : 2 * kPlanPageBytes);
      EXPECT_GT(counters.diskBytes, 0U);
      if (placement == kResident) {
        const uint64_t before = counters.diskBytes;
        EXPECT_TRUE(pass().isOk());
        EXPECT_EQ(store->counters().diskBytes, before);
      }
    }
  }
}

TEST_F(ReferenceStore, RowsOfTablesAreMadeWhereKernelsExpectThem) {
  constexpr uint64_t kRow = 18; // a block of Q4_0
  constexpr uint64_t kRows = 600'000;
  use(makeReferencePlan(kRows));
  for (uint32_t placement : {kResident, kStreamed}) {
    open(placement);
    const std::span<const uint8_t> table = store->table(kTable);
    ASSERT_EQ(table.size(), alignUp(kRows * kRow, kPlanPageBytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(table.data()) % kPlanPageBytes, 0U);
    EXPECT_EQ(store->segment(kTable).data(), table.data());
    std::mt19937 random(5);
    uint64_t needed = 0;
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(store->beginPass(kSteps).isOk());
      std::vector<SegmentRange> ranges;
      for (int row = 0; row < 40; ++row) {
        ranges.push_back({kTable, random() % kRows * kRow, kRow});
      }
      ranges.push_back({kTable, (kRows - 1) * kRow, kRow});
      const Status status = store->requireRows(ranges);
      ASSERT_TRUE(status.isOk()) << status.message();
      for (const SegmentRange &range : ranges) {
        ASSERT_TRUE(std::equal(
            table.begin() + static_cast<std::ptrdiff_t>(range.offset),
            table.begin() + static_cast<std::ptrdiff_t>(range.offset + kRow),
            made.raw[kTable].begin() +
                static_cast<std::ptrdiff_t>(range.offset)))
            << i << ' ' << range.offset;
      }
      needed = store->counters().tableBytes;
      // Rows that are in memory are not read again.
      ASSERT_TRUE(store->requireRows(ranges).isOk());
      EXPECT_EQ(store->counters().tableBytes, needed);
      store->endPass();
    }
    // The table is larger than kCachedBytes, and all of its chunks were read.
    EXPECT_GT(needed, SourceTables::kCachedBytes);
  }
}

TEST_F(ReferenceStore, ChangedRowsAreFoundWhenTheyAreRead) {
  use(makeReferencePlan());
  const auto placeOf = [&](size_t tensor, size_t rows) {
    return made.small.plan.tensors[tensor]->source_rows[rows]->offset;
  };
  // Tensors 1 and 2 are the layer's matrices, and tensor 3 is the output
  // head's.
  for (const auto &[tensor, rows] :
       {std::pair<size_t, size_t>{1, 0}, {1, 1}, {1, 2}, {2, 0}, {3, 0}}) {
    Bytes changed = made.source;
    changed[placeOf(tensor, rows) + 7] ^= 1;
    write("small.gguf", changed);
    for (uint32_t placement : {kResident, kStreamed}) {
      open(placement);
      for (int i = 0; i < 2; ++i) {
        const Status status = pass();
        EXPECT_EQ(status.code(), ErrorCode::VerificationFailed)
            << tensor << ' ' << status.message();
        EXPECT_THAT(status.message(), HasSubstr("the model's file"));
      }
    }
  }
  Bytes changed = made.source;
  // This changes the second row of the table. Reading the first row must fail,
  // because both rows are in one chunk, which is verified as a whole.
  changed[placeOf(4, 0) + 20] ^= 1;
  write("small.gguf", changed);
  open(kStreamed);
  const SegmentRange row = {kTable, 0, 18};
  EXPECT_EQ(store->requireRows({&row, 1}).code(),
            ErrorCode::VerificationFailed);
}

TEST_F(ReferenceStore, ASourceThatIsWrittenToOrTruncatedEndsThePass) {
  use(makeReferencePlan());
  for (uint32_t placement : {kResident, kStreamed}) {
    for (bool isTruncated : {false, true}) {
      write("small.gguf", made.source);
      open(placement);
      ASSERT_TRUE(pass().isOk());
      store->waitUntilIdle();
      if (isTruncated) {
        fs::resize_file(at("small.gguf"), 200);
      } else {
        std::fstream(at("small.gguf"),
                     std::ios::binary | std::ios::in | std::ios::out)
            << "GGUF";
        // If the clock for modification times is coarse, the file still has the
        // same time as before, so the test sets a later one.
        fs::last_write_time(at("small.gguf"),
                            fs::last_write_time(at("small.gguf")) +
                                std::chrono::seconds(1));
      }
      const Status status = pass();
      EXPECT_EQ(status.code(), ErrorCode::Io) << status.message();
      EXPECT_THAT(status.message(), HasSubstr(at("small.gguf")));
    }
  }
}

TEST_F(ReferenceStore, AFileRenamedOverTheSourceDisturbsNothing) {
  use(makeReferencePlan());
  open(kStreamed);
  ASSERT_TRUE(pass().isOk());
  write("other.gguf", Bytes(5000, 1));
  fs::rename(at("other.gguf"), at("small.gguf"));
  for (int i = 0; i < 3; ++i) {
    const Status status = pass();
    EXPECT_TRUE(status.isOk()) << status.message();
  }
}

TEST_F(ReferenceStore, BlocksEndWithWholeRowBlocks) {
  use(makeReferencePlan());
  open(kResident);
  const ReferencedBytes bytes(file->plan());
  Result<OpenedReader> opened =
      SourceReader::open(*file, *sources, bytes, IoMethod::Uring);
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_EQ(opened->reader->depth(), kReferenceReads);
  // The layer's segment begins with a vector of 128 bytes, which the plan
  // stores. The rows of q+k+v follow, with 18 bytes each. The first 16 rows are
  // contiguous in the source, and the next 16 are in three places. Each group
  // of 16 rows is read as a block of its own, although the caller asks for much
  // larger blocks.
  constexpr uint64_t kMuch = uint64_t{1} << 20;
  BlockReader &reader = *opened->reader;
  EXPECT_EQ(reader.sizeOfBlock(0, kPlanPageBytes, kMuch), 128U);
  EXPECT_EQ(reader.sizeOfBlock(128, kPlanPageBytes - 128, kMuch), 16U * 18);
  EXPECT_EQ(reader.sizeOfBlock(128 + 16 * 18, 3000, kMuch), 16U * 18);
  EXPECT_EQ(reader.sizeOfBlock(128 + 32 * 18, 3000, kMuch), 32U * 18);
  // A block never exceeds the given maximum, here 100 bytes, even if it then
  // ends within a row block.
  EXPECT_EQ(reader.sizeOfBlock(128 + 32 * 18, 100, kMuch), 100U);
  // A row block of at most 3000 bytes is read as a whole, even if only 10 bytes
  // are wanted.
  EXPECT_EQ(reader.sizeOfBlock(128 + 32 * 18, 3000, 10), 16U * 18);
}
