//===- PlanCopyTest.cpp - segments that are copied from another plan ------===//
#include "SmallPlan.h"

#include "formats/plan/PlanFile.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

class PlanCopyTest : public ::testing::Test {
protected:
  PlanCopyTest()
      : folder(std::filesystem::path(::testing::TempDir()) /
               ("plan-copy-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~PlanCopyTest() override { std::filesystem::remove_all(folder); }

  std::string at(const char *name) const { return folder / name; }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder),
                      std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder;
};

std::vector<uint8_t> contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(PlanCopyTest, SegmentsAreCopiedFromAnotherPlan) {
  ASSERT_EQ(writeSmallPlan(at("a.air")), at("a.air"));
  const std::vector<uint8_t> expected = contents(at("a.air"));
  {
    Result<PlanFile> other = PlanFile::open(at("a.air"));
    ASSERT_TRUE(other) << other.status().message();
    SmallPlan small = makeSmallPlan();
    Result<PlanWriter> writer =
        PlanWriter::create(at("b.air"), std::move(small.plan));
    ASSERT_TRUE(writer) << writer.status().message();
    for (uint32_t i = 0; i < small.segments.size(); ++i) {
      const Status status = writer->copySegment(i, *other, i);
      ASSERT_TRUE(status.isOk()) << status.message();
      EXPECT_THAT(writer->copySegment(i, *other, i).message(),
                  HasSubstr("was written twice"));
    }
    ASSERT_TRUE(writer->finish().isOk());
    EXPECT_EQ(contents(at("b.air")), expected);
  }

  // copySegment() refuses to copy from a segment that is damaged, that does not
  // exist, or that has another size than the segment to be written.
  std::vector<uint8_t> damaged = expected;
  SmallPlan small = makeSmallPlan();
  damaged[small.plan.segments[0]->offset] ^= 1;
  Result<PlanFile> other = PlanFile::parse(damaged, "damaged.air");
  ASSERT_TRUE(other) << other.status().message();
  const auto refusal = [&](uint32_t index, uint32_t from) {
    Result<PlanWriter> writer =
        PlanWriter::create(at("c.air"), makeSmallPlan().plan);
    EXPECT_TRUE(writer) << writer.status().message();
    return writer->copySegment(index, *other, from);
  };
  EXPECT_EQ(refusal(0, 0).code(), ErrorCode::VerificationFailed);
  EXPECT_THAT(refusal(0, 9).message(), HasSubstr("and no segment 9"));
  for (uint32_t i = 1; i < small.segments.size(); ++i) {
    const Status status = refusal(0, i);
    EXPECT_EQ(status.code(), ErrorCode::Usage) << i;
    EXPECT_THAT(status.message(),
                HasSubstr(" bytes cannot be copied from segment " +
                          std::to_string(i) + " of 'damaged.air'"));
  }
  EXPECT_EQ(files(), 2U);
}

} // namespace
