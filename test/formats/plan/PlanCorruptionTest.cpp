//===- PlanCorruptionTest.cpp - corrupted plans are refused ---------------===//
#include "SmallPlan.h"

#include "formats/plan/PlanFile.h"

#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

using Bytes = std::vector<uint8_t>;

Status checkSegments(const PlanFile &file) {
  for (uint32_t i = 0; i < file.plan().segments()->size(); ++i) {
    AIR_RETURN_IF_ERROR(file.verifySegment(i));
  }
  return Status::ok();
}

/// Opens the plan and verifies every segment. Returns Ok if no corruption is
/// found.
Status checkAll(std::span<const uint8_t> bytes) {
  AIR_ASSIGN_OR_RETURN(PlanFile file, PlanFile::parse(bytes, "small.air"));
  return checkSegments(file);
}

} // namespace

// With a flipped bit in the header or the metadata, the file cannot be opened.
// With a flipped bit in a segment, verifySegment() fails; it is called before
// the first use of each segment.
TEST(PlanCorruption, EveryFlippedBitIsFound) {
  Bytes file = fileOf(makeSmallPlan());
  ASSERT_TRUE(checkAll(file).isOk());
  const Result<PlanFile> opened = PlanFile::parse(file, "small.air");
  const uint64_t segments = opened->plan().segments()->Get(0)->offset();
  size_t missed = 0;
  for (size_t i = 0; i < file.size() && missed < 10; ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      file[i] ^= static_cast<uint8_t>(1U << bit);
      const Status status = i < segments
                                ? PlanFile::parse(file, "small.air").status()
                                : checkSegments(*opened);
      if (status.isOk()) {
        ADD_FAILURE() << "byte " << i << " bit " << bit;
        ++missed;
      }
      file[i] ^= static_cast<uint8_t>(1U << bit);
    }
  }
  EXPECT_TRUE(checkAll(file).isOk());
}

TEST(PlanCorruption, ChangedSegmentsNameTheDigests) {
  Bytes file = fileOf(makeSmallPlan());
  const uint64_t offset = makeSmallPlan().plan.segments[1]->offset;
  file[offset] ^= 1;
  Result<PlanFile> plan = PlanFile::parse(file, "small.air");
  ASSERT_TRUE(plan); // opening a plan does not verify its segments
  EXPECT_TRUE(plan->verifySegment(0).isOk());
  const Status status = plan->verifySegment(1);
  EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
  EXPECT_THAT(status.message(), HasSubstr("segment.digest"));
  EXPECT_THAT(status.message(), HasSubstr("'head'"));
}

TEST(PlanCorruption, EveryCutIsFound) {
  const Bytes file = fileOf(makeSmallPlan());
  for (size_t length = 0; length < file.size(); ++length) {
    // `cut` has its own allocation of `length` bytes, so AddressSanitizer
    // reports any read past the end of the cut file.
    const Bytes cut(file.begin(),
                    file.begin() + static_cast<ptrdiff_t>(length));
    const Status status = PlanFile::parse(cut, "cut").status();
    ASSERT_EQ(status.code(), ErrorCode::Corrupt) << length;
  }
}

TEST(PlanCorruption, StructureIsRefused) {
  const Bytes good = metadataOf(makeSmallPlan().plan);
  ASSERT_TRUE(verifyStructure(good).isOk());
  auto refused = [](Bytes metadata) {
    const Status status = verifyStructure(metadata);
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
    EXPECT_THAT(status.message(), HasSubstr("plan.structure: "));
  };
  refused({});
  refused(Bytes(good.begin(), good.begin() + 7));
  refused(Bytes(good.begin(), good.begin() + 64));
  Bytes metadata = good;
  metadata[4] = 'X'; // the file identifier
  refused(metadata);
  metadata = good;
  const uint32_t outside = 0x7FFFFFF0;
  std::memcpy(metadata.data(), &outside, 4); // the offset of the root table
  refused(metadata);
}

// The FlatBuffer verifier checks only the alignment of a list's length, which
// has 32 bits. The list's 64-bit numbers may still be misaligned if the offset
// of the list is damaged.
TEST(PlanCorruption, MisalignedNumbersAreRefused) {
  SmallPlan small = makeSmallPlan();
  flatbuffers::FlatBufferBuilder builder;
  plan::FinishPlanBuffer(builder, plan::Plan::Pack(builder, &small.plan));
  Bytes metadata(builder.GetBufferPointer(),
                 builder.GetBufferPointer() + builder.GetSize());
  ASSERT_TRUE(verifyStructure(metadata).isOk());
  const auto *placement = reinterpret_cast<const flatbuffers::Table *>(
      plan::GetPlan(metadata.data())->placements()->Get(0));
  // With 4 added to its offset, the list takes the lower half of its first
  // 64-bit number for its length.
  const auto at = static_cast<size_t>(
      reinterpret_cast<const uint8_t *>(placement) +
      placement->GetOptionalFieldOffset(plan::Placement::VT_RESIDENT) -
      metadata.data());
  uint32_t offset = 0;
  std::memcpy(&offset, &metadata[at], sizeof offset);
  const size_t list = at + offset;
  const uint32_t length = 1;
  std::memcpy(&metadata[list + 4], &length, sizeof length);
  offset += 4;
  std::memcpy(&metadata[at], &offset, sizeof offset);
  const Status status = verifyStructure(metadata);
  EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
  EXPECT_THAT(status.message(),
              HasSubstr("the list 'resident' of placement 0 does not begin at "
                        "a multiple of 8 bytes"));
}

TEST(PlanCorruption, SharedListsDoNotCostTime) {
  // In these plans, all `count` executables share one list of 200,000 names.
  // Without a limit, the verifier would check `count` times 200,000 names, up
  // to 40 billion.
  for (const size_t count : {200'000, 1000, 2}) {
    flatbuffers::FlatBufferBuilder builder;
    const std::vector<flatbuffers::Offset<flatbuffers::String>> names(
        200'000, builder.CreateString("x"));
    const auto entries = builder.CreateVector(names);
    const std::vector<flatbuffers::Offset<plan::Executable>> executables(
        count, plan::CreateExecutable(builder, 0, 1, entries));
    const auto list = builder.CreateVector(executables);
    plan::PlanBuilder plan(builder);
    plan.add_executables(list);
    plan::FinishPlanBuffer(builder, plan.Finish());
    const Status status =
        verifyStructure({builder.GetBufferPointer(), builder.GetSize()});
    EXPECT_THAT(status.message(), HasSubstr("executables")) << count;
  }
}

// The digests of each damaged plan are computed again, so they cannot reveal
// the damage. The verifier must return, whatever it is given. The seed is
// fixed, so a failure is reproducible.
TEST(PlanCorruption, ResignedMutationsReturn) {
  const SmallPlan small = makeSmallPlan();
  const Bytes good = metadataOf(small.plan);
  std::mt19937 random(20240607);
  size_t accepted = 0;
  constexpr int kRounds = 20'000;
  for (int round = 0; round < kRounds; ++round) {
    Bytes metadata = good;
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int c = 0; c < changes; ++c) {
      const size_t at = random() % metadata.size();
      switch (random() % 4) {
      case 0:
        metadata[at] ^= static_cast<uint8_t>(1U << random() % 8);
        break;
      case 1:
        metadata[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        metadata[at] = random() % 2 == 0 ? 0xFF : 0;
        break;
      default: {
        // Replaces one aligned 32-bit word, which may be an offset or a size.
        const uint32_t word = random() % 2 == 0 ? random() : random() % 256;
        if (at / 4 * 4 + 4 <= metadata.size()) {
          std::memcpy(metadata.data() + at / 4 * 4, &word, 4);
        }
      }
      }
    }
    const Bytes file = signedFile(metadata, small.segments, small.plan);
    Result<PlanFile> plan = PlanFile::parse(file, "mutated");
    if (plan) {
      ++accepted;
      // Reading an accepted plan to its end must be safe.
      EXPECT_FALSE(planToJson(plan->plan()).empty());
      const std::unique_ptr<plan::PlanT> object(plan->plan().UnPack());
      EXPECT_EQ(object->segments.size(), small.segments.size());
      for (uint32_t i = 0; i < plan->plan().segments()->size(); ++i) {
        plan->segmentBytes(i);
      }
    } else {
      EXPECT_NE(plan.status().code(), ErrorCode::Internal);
      EXPECT_EQ(plan.status().message().find('\n'), std::string::npos);
    }
  }
  // Some changes of names and numbers are valid, and most changes of offsets
  // are not, so both outcomes occur.
  EXPECT_GT(accepted, 100u);
  EXPECT_LT(accepted, size_t{kRounds} / 2);
}
