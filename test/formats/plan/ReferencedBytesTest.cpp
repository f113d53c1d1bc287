//===- ReferencedBytesTest.cpp - segments made from a model's file --------===//
#include "ReferencePlan.h"

#include "formats/plan/PlanFile.h"
#include "formats/plan/ReferencedBytes.h"

#include <algorithm>
#include <gtest/gtest.h>

#include <random>

using namespace air;
using namespace air::test;

namespace {

using Bytes = std::vector<uint8_t>;

/// The reference plan as it would be on disk, with its source, and a function
/// that reads both.
class ReferencedBytesTest : public testing::Test {
protected:
  ReferencedBytesTest()
      : made(makeReferencePlan()), file(fileOf(made.small)),
        plan(PlanFile::parse(file, "small.air")) {
    for (Bytes &raw : made.raw) {
      raw.resize((raw.size() + kPlanPageBytes - 1) / kPlanPageBytes *
                 kPlanPageBytes);
    }
  }

  ReadFile reader() {
    return [this](uint32_t number, uint64_t offset, std::span<uint8_t> to) {
      const Bytes &from = number == kPlanFileNumber ? file : made.source;
      if (number > 1 || offset + to.size() > from.size()) {
        return internalError("bytes outside the file were to be read");
      }
      std::copy_n(from.begin() + static_cast<ptrdiff_t>(offset), to.size(),
                  to.begin());
      bytesRead += to.size();
      return Status::ok();
    };
  }

  ReferencePlan made;
  Bytes file;
  Result<PlanFile> plan;
  uint64_t bytesRead = 0;
};

constexpr uint32_t kLeftOut[] = {0, 1, 3};

} // namespace

TEST_F(ReferencedBytesTest, AreThoseOfThePlanThatStoresThem) {
  ASSERT_TRUE(plan) << plan.status().message();
  const ReferencedBytes bytes(plan->plan());
  for (uint32_t segment : kLeftOut) {
    Bytes all(made.raw[segment].size(), 0xaa);
    ASSERT_TRUE(bytes.makeAll(segment, 0, all, reader()).isOk());
    EXPECT_EQ(all, made.raw[segment]) << segment;
    for (uint64_t i = 0; i < plan->chunkCount(segment); ++i) {
      const uint64_t chunk =
          plan->plan().segments()->Get(segment)->digest_chunk();
      EXPECT_TRUE(
          plan->verifyChunk(segment, i,
                            std::span(all).subspan(
                                i * chunk, plan->chunkBytes(segment, i)))
              .isOk());
    }
  }
}

// Assembles random ranges of segments. Each call of make() assembles a part of
// the range from a limited number of source bytes; the limit is random. The
// result must equal the same range of the whole segment.
TEST_F(ReferencedBytesTest, AnyRangeInRunsOfAnySize) {
  ASSERT_TRUE(plan) << plan.status().message();
  const ReferencedBytes bytes(plan->plan());
  std::mt19937 random(3);
  for (int i = 0; i < 4000; ++i) {
    const uint32_t segment = kLeftOut[random() % 3];
    const Bytes &raw = made.raw[segment];
    uint64_t offset = random() % raw.size();
    const uint64_t end = offset + 1 + random() % (raw.size() - offset);
    const uint64_t most = 1 + random() % 2000;
    Bytes got(end - offset, 0xaa);
    std::span<uint8_t> to(got);
    while (!to.empty()) {
      const ReferencedBytes::Run run = bytes.next(segment, offset, end, most);
      ASSERT_GE(run.bytes, 1U);
      ASSERT_LE(run.bytes, to.size());
      ASSERT_LE(run.from.bytes, std::max(most, bytes.largestRowBlock()));
      // A request for exactly the bytes of this run must return the same run.
      const ReferencedBytes::Run again =
          bytes.next(segment, offset, offset + run.bytes, UINT64_MAX);
      ASSERT_EQ(again.bytes, run.bytes);
      ASSERT_EQ(again.from.offset, run.from.offset);
      ASSERT_EQ(again.from.bytes, run.from.bytes);
      Bytes from(run.from.bytes);
      ASSERT_TRUE(reader()(run.from.file, run.from.offset, from).isOk());
      ASSERT_TRUE(
          bytes.make(segment, offset, to.first(run.bytes), from, reader())
              .isOk());
      offset += run.bytes;
      to = to.subspan(run.bytes);
    }
    ASSERT_EQ(got,
              Bytes(raw.begin() + static_cast<std::ptrdiff_t>(end - got.size()),
                    raw.begin() + static_cast<std::ptrdiff_t>(end)))
        << segment << ' ' << end - got.size() << ' ' << end << ' ' << most;
  }
}

// If every run consists of whole row blocks, each row is read only once.
TEST_F(ReferencedBytesTest, NothingIsReadTwice) {
  ASSERT_TRUE(plan) << plan.status().message();
  const ReferencedBytes bytes(plan->plan());
  Bytes head(made.raw[1].size());
  ASSERT_TRUE(bytes.makeAll(1, 0, head, reader()).isOk());
  EXPECT_EQ(bytesRead, 40U * 18); // 40 rows of one block of Q4_0
  // The largest row block has 16 rows of 32 elements of Q4_0.
  EXPECT_EQ(bytes.largestRowBlock(), 16U * 18);
}

TEST_F(ReferencedBytesTest, AFailedReadIsReturned) {
  ASSERT_TRUE(plan) << plan.status().message();
  const ReferencedBytes bytes(plan->plan());
  Bytes all(made.raw[0].size());
  for (uint64_t good = 0; good < 5; ++good) {
    uint64_t calls = 0;
    const Status status = bytes.makeAll(
        0, 0, all,
        [&](uint32_t number, uint64_t offset, std::span<uint8_t> to) {
          return ++calls > good ? ioError("the disk fails")
                                : reader()(number, offset, to);
        });
    EXPECT_EQ(status.code(), ErrorCode::Io) << good;
  }
}

// Flips one bit of each byte of the plan's segments and of the source. Every
// flip in a segment or in a matrix of the source must be found.
TEST_F(ReferencedBytesTest, EveryFlippedBitIsFound) {
  ASSERT_TRUE(plan) << plan.status().message();
  const ReferencedBytes bytes(plan->plan());
  auto verify = [&] {
    for (uint32_t i = 0; i < made.raw.size(); ++i) {
      AIR_RETURN_IF_ERROR(plan->verifySegment(i));
      if (plan->isReferenced(i)) {
        Bytes all(made.raw[i].size());
        AIR_RETURN_IF_ERROR(bytes.makeAll(i, 0, all, reader()));
        AIR_RETURN_IF_ERROR(plan->verifyChunk(i, 0, all));
      }
    }
    return Status::ok();
  };
  ASSERT_TRUE(verify().isOk());
  const uint64_t segments = plan->plan().segments()->Get(0)->offset();
  for (uint64_t i = segments; i < file.size(); ++i) {
    file[i] ^= 4;
    const Status status = verify();
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed) << i;
    // The bytes after the stored vector have no digest.
    if (i >= segments + 128 && i < segments + kPlanPageBytes) {
      EXPECT_NE(status.message().find("segment.padding"), std::string::npos);
    }
    file[i] ^= 4;
  }
  uint64_t found = 0;
  for (uint8_t &byte : made.source) {
    byte ^= 4;
    found += verify().code() == ErrorCode::VerificationFailed ? 1 : 0;
    byte ^= 4;
  }
  // The matrices of the source have 64, 40 and 40 rows of 18 bytes, and 32 rows
  // of 34 bytes. One flip in each of these bytes is found.
  EXPECT_EQ(found, 144U * 18 + 32 * 34);
}
