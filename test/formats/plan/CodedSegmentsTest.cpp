//===- CodedSegmentsTest.cpp - segments that are written with a codec -----===//
#include "SmallPlan.h"

#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanFile.h"

#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kChunk = uint64_t{256} << 10; ///< bytes per chunk
constexpr uint64_t kRawBytes = 3 * kChunk + 5000;

class CodedSegments : public testing::TestWithParam<plan::Codec> {
protected:
  CodedSegments()
      : path(std::filesystem::temp_directory_path() /
             ("air-coded-" + std::to_string(getpid()) + ".air")) {}
  ~CodedSegments() override { std::filesystem::remove(path); }

  /// A plan with one placement, which keeps everything in RAM. The layer's
  /// segment has two chunks of numbers with similar exponents, a third chunk of
  /// random bytes, and a short fourth one.
  void makePlan() {
    small = makeSmallPlan();
    std::vector<uint8_t> &bytes = small.segments[0];
    uint32_t seed = 1;
    bytes.resize(kRawBytes);
    for (uint64_t i = 0; i < kRawBytes; ++i) {
      seed = seed * 1664525 + 1013904223;
      const auto random = static_cast<uint8_t>(seed >> 24U);
      bytes[i] = i % 2 == 0 || i / kChunk == 2
                     ? random
                     : static_cast<uint8_t>((random & 0x81U) | 0x3cU);
    }
    plan::PlanT &plan = small.plan;
    plan.segments[0]->raw_bytes = kRawBytes;
    plan.segments[0]->codec = GetParam();
    plan.placements.resize(1);
    plan::PlacementT &placement = *plan.placements[0];
    placement.resident[0] = kRawBytes;
    placement.items[0]->bytes += kRawBytes;
    auto staging = std::make_unique<plan::BudgetItemT>();
    staging->name = "staging";
    staging->tier = plan::Tier::Ram;
    staging->bytes = codedStagingBytes(uint64_t{1} << 20);
    placement.budgets[0]->bytes = uint64_t{1} << 30;
    placement.items.push_back(std::move(staging));
  }

  Status write(const PlanWriter::Completion &complete = {},
               unsigned threads = 1) {
    AIR_ASSIGN_OR_RETURN(AtomicFile output, AtomicFile::create(path));
    AIR_ASSIGN_OR_RETURN(
        PlanWriter writer,
        PlanWriter::create(std::move(output), std::move(small.plan), threads));
    for (uint32_t i = 0; i < small.segments.size(); ++i) {
      AIR_RETURN_IF_ERROR(writer.writeSegment(i, [&](const auto &sink) {
        const std::span<const uint8_t> bytes = small.segments[i];
        AIR_RETURN_IF_ERROR(sink(bytes.first(bytes.size() / 3)));
        return sink(bytes.subspan(bytes.size() / 3));
      }));
    }
    AIR_RETURN_IF_ERROR(writer.finish(complete));
    fileBytes = writer.fileBytes();
    return Status::ok();
  }

  std::string path;
  SmallPlan small;
  uint64_t fileBytes = 0;
};

TEST_P(CodedSegments, ComeBackChunkByChunk) {
  makePlan();
  const Status written = write();
  ASSERT_TRUE(written.isOk()) << written.message();
  EXPECT_EQ(std::filesystem::file_size(path), fileBytes);
  const Result<PlanFile> file = PlanFile::open(path);
  ASSERT_TRUE(file) << file.status().message();
  const plan::Segment &segment = *file->plan().segments()->Get(0);
  ASSERT_EQ(file->chunkCount(0), 4U);
  EXPECT_LT(segment.stored_bytes(), kRawBytes - kChunk / 2);
  for (uint32_t i = 0; i < small.segments.size(); ++i) {
    EXPECT_TRUE(file->verifySegment(i).isOk());
    EXPECT_TRUE(file->verifySegment(i, PagesAfter::Drop).isOk());
  }
  // Encoding would not make the third chunk smaller, so it is stored as it is.
  EXPECT_EQ(storedRange(segment, 2 * kChunk, 1).bytes, kChunk);
  EXPECT_LT(storedRange(segment, 0, kChunk).bytes, kChunk);
  const StoredRange both = storedRange(segment, kChunk - 1, 2);
  EXPECT_EQ(both.offset, segment.offset());
  EXPECT_EQ(both.bytes, segment.chunk_ends()->Get(1) * kPlanPageBytes);
  ChunkScratch scratch;
  for (uint64_t chunk = 0; chunk < 4; ++chunk) {
    std::vector<uint8_t> raw(file->chunkBytes(0, chunk));
    const StoredRange range = storedRange(segment, chunk * kChunk, 1);
    ASSERT_TRUE(decodeStoredChunk(
                    segment, file->bytes().subspan(range.offset, range.bytes),
                    raw, scratch)
                    .isOk());
    std::vector<uint8_t> expected(small.segments[0]);
    expected.resize(3 * kChunk + 2 * kPlanPageBytes);
    EXPECT_TRUE(
        std::equal(raw.begin(), raw.end(),
                   expected.begin() + static_cast<ptrdiff_t>(chunk * kChunk)))
        << chunk;
  }
}

TEST_P(CodedSegments, DoNotDependOnTheNumberOfThreads) {
  std::vector<std::vector<uint8_t>> files;
  for (const unsigned threads : {1U, 2U, 5U}) {
    makePlan();
    ASSERT_TRUE(write({}, threads).isOk());
    const Result<PlanFile> file = PlanFile::open(path);
    ASSERT_TRUE(file);
    files.emplace_back(file->bytes().begin(), file->bytes().end());
  }
  EXPECT_EQ(files[0], files[1]);
  EXPECT_EQ(files[0], files[2]);
}

TEST_P(CodedSegments, ADamagedChunkIsNoticed) {
  makePlan();
  ASSERT_TRUE(write().isOk());
  std::vector<uint8_t> bytes;
  uint64_t offset = 0;
  {
    const Result<PlanFile> file = PlanFile::open(path);
    ASSERT_TRUE(file);
    bytes.assign(file->bytes().begin(), file->bytes().end());
    offset = file->plan().segments()->Get(0)->offset();
  }
  bytes[offset + 1000] ^= 1;
  const Result<PlanFile> file = PlanFile::parse(bytes, "damaged");
  ASSERT_TRUE(file) << file.status().message();
  const Status status = file->verifySegment(0);
  EXPECT_FALSE(status.isOk());
  EXPECT_THAT(status.message(), HasSubstr("chunk 0 of segment 0"));
}

// The stored sizes are known only after all segments are written. They may
// change a prediction, and thereby shorten one of its strings, such as the name
// of a limit.
TEST_P(CodedSegments, TextsMayBecomeShorterAtTheEndButNotLonger) {
  makePlan();
  const auto append = [](plan::PlanT &plan, const plan::Plan &) {
    plan.codegen_fingerprint += ", and more than eight bytes";
    return Status::ok();
  };
  EXPECT_EQ(write(append).code(), ErrorCode::Internal);
  makePlan();
  small.plan.codegen_fingerprint = "a text of some length";
  uint64_t storedBytes = 0;
  const Status written = write([&](plan::PlanT &plan, const plan::Plan &) {
    storedBytes = plan.segments[0]->stored_bytes;
    plan.codegen_fingerprint = "short";
    return Status::ok();
  });
  ASSERT_TRUE(written.isOk()) << written.message();
  const Result<PlanFile> file = PlanFile::open(path);
  ASSERT_TRUE(file) << file.status().message();
  EXPECT_EQ(file->plan().codegen_fingerprint()->str(), "short");
  EXPECT_EQ(file->plan().segments()->Get(0)->stored_bytes(), storedBytes);
  EXPECT_LT(storedBytes, kRawBytes);
}

TEST_P(CodedSegments, AreWrittenInOrder) {
  makePlan();
  Result<PlanWriter> writer = PlanWriter::create(path, std::move(small.plan));
  ASSERT_TRUE(writer) << writer.status().message();
  const Status status = writer->writeSegment(
      1, [&](const PlanWriter::Sink &sink) { return sink(small.segments[1]); });
  EXPECT_EQ(status.code(), ErrorCode::Usage);
  EXPECT_THAT(status.message(), HasSubstr("in order"));
}

INSTANTIATE_TEST_SUITE_P(Codecs, CodedSegments,
                         testing::Values(plan::Codec::Planes,
                                         plan::Codec::Zstd),
                         [](const auto &info) {
                           return std::string(plan::EnumNameCodec(info.param));
                         });

} // namespace
