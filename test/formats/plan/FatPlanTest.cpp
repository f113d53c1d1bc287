//===- FatPlanTest.cpp - plans for several targets ------------------------===//
#include "FatCases.h"

#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/CheckedMath.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <unistd.h>

using namespace air;
using namespace air::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

using Bytes = std::vector<uint8_t>;

class FatPlanTest : public ::testing::Test {
protected:
  FatPlanTest()
      : folder(std::filesystem::path(::testing::TempDir()) /
               ("fat-plan-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~FatPlanTest() override { std::filesystem::remove_all(folder); }

  std::string at(const char *name) const { return folder / name; }

  std::filesystem::path folder;
};

Bytes contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Status writeSegments(PlanWriter &writer, const std::vector<Bytes> &segments) {
  for (uint32_t i = 0; i < segments.size(); ++i) {
    AIR_RETURN_IF_ERROR(writer.writeSegment(
        i, [&](const PlanWriter::Sink &sink) { return sink(segments[i]); }));
  }
  return writer.finish();
}

Status writeFat(const std::string &path, std::vector<SmallPlan> plans) {
  FatSmallPlan fat = makeFatPlan(std::move(plans));
  AIR_ASSIGN_OR_RETURN(AtomicFile output, AtomicFile::create(path));
  AIR_ASSIGN_OR_RETURN(PlanWriter writer,
                       PlanWriter::create(std::move(output),
                                          std::move(fat.records.shared),
                                          std::move(fat.records.targets)));
  return writeSegments(writer, fat.segments);
}

/// Returns the small plan, followed by otherTarget(name) for each of `names`.
std::vector<SmallPlan> plansFor(const std::vector<const char *> &names) {
  std::vector<SmallPlan> plans;
  plans.push_back(makeSmallPlan());
  for (const char *name : names) {
    plans.push_back(otherTarget(name));
  }
  return plans;
}

/// The plan's metadata as JSON, without the segments' offsets in the file.
nlohmann::json recordsOf(const plan::Plan &plan) {
  nlohmann::json json = nlohmann::json::parse(planToJson(plan));
  for (nlohmann::json &segment : json["segments"]) {
    segment.erase("offset");
  }
  return json;
}

TEST_F(FatPlanTest, HasThePlanOfEachTargetAndSharedSegmentsOnce) {
  SmallPlan wide = otherTarget("wide");
  Result<PlanWriter> writer =
      PlanWriter::create(at("wide.air"), std::move(wide.plan));
  ASSERT_TRUE(writer) << writer.status().message();
  ASSERT_TRUE(writeSegments(*writer, wide.segments).isOk());
  ASSERT_EQ(writeSmallPlan(at("small.air")), at("small.air"));
  const Status written = writeFat(at("fat.air"), plansFor({"wide"}));
  ASSERT_TRUE(written.isOk()) << written.message();

  Result<PlanFile> fat = PlanFile::open(at("fat.air"));
  ASSERT_TRUE(fat) << fat.status().message();
  ASSERT_EQ(fat->targets(), 2U);
  const char *const names[] = {"small.air", "wide.air"};
  for (uint32_t t = 0; t < 2; ++t) {
    Result<PlanFile> one = PlanFile::open(at(names[t]));
    ASSERT_TRUE(one) << one.status().message();
    EXPECT_EQ(one->targets(), 1U);
    fat->choose(t);
    EXPECT_EQ(&fat->plan(), &fat->target(t));
    EXPECT_EQ(recordsOf(fat->plan()), recordsOf(one->plan()));
    for (uint32_t i = 0; i < one->plan().segments()->size(); ++i) {
      const Status intact = fat->verifySegment(i);
      EXPECT_TRUE(intact.isOk()) << intact.message();
      EXPECT_TRUE(
          std::ranges::equal(fat->segmentBytes(i), one->segmentBytes(i)))
          << i;
    }
  }
  const auto &first = *fat->target(0).segments();
  const auto &second = *fat->target(1).segments();
  std::vector<bool> isShared;
  for (uint32_t i = 0; i < first.size(); ++i) {
    isShared.push_back(first.Get(i)->offset() == second.Get(i)->offset());
  }
  EXPECT_THAT(isShared, ElementsAre(true, true, false, true));
  // Compared with the small plan, the second target adds one page for its
  // kernels, and whole pages of metadata for its records.
  const uint64_t small = contents(at("small.air")).size();
  const uint64_t metadata =
      PlanFile::open(at("small.air"))->header().metadataBytes;
  EXPECT_EQ(fat->bytes().size() - small - kPlanPageBytes,
            alignUp(fat->header().metadataBytes, kPlanPageBytes) -
                alignUp(metadata, kPlanPageBytes));
  EXPECT_LT(fat->header().metadataBytes, 2 * metadata);
}

TEST_F(FatPlanTest, DoesNotDependOnTheOrderOfTargets) {
  ASSERT_TRUE(writeFat(at("a.air"), plansFor({"wide", "narrow"})).isOk());
  std::vector<SmallPlan> reversed = plansFor({"wide", "narrow"});
  std::ranges::reverse(reversed);
  ASSERT_TRUE(writeFat(at("b.air"), std::move(reversed)).isOk());
  EXPECT_EQ(contents(at("a.air")), contents(at("b.air")));
  Result<PlanFile> fat = PlanFile::open(at("a.air"));
  ASSERT_TRUE(fat) << fat.status().message();
  std::vector<std::string> names;
  for (uint32_t i = 0; i < fat->targets(); ++i) {
    names.push_back(fat->target(i).machine()->name()->str());
  }
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(names.size(), 3U);
}

/// Joins one plan for each element of `lists`. lists[i] gives the contents of
/// the segments of plan i, which are all of weights. A number stands for the
/// contents of a segment, so equal numbers mean equal contents. Returns the
/// contents of the segments of the joined file, in order.
std::vector<uint64_t> joined(const std::vector<std::vector<uint64_t>> &lists) {
  std::vector<plan::PlanT> plans;
  for (size_t i = 0; i < lists.size(); ++i) {
    plan::PlanT plan = makeSmallPlan().plan;
    plan.machine->name = "target-" + std::to_string(i);
    plan.segments.resize(1);
    while (plan.segments.size() < lists[i].size()) {
      plan.segments.push_back(
          std::make_unique<plan::SegmentT>(*plan.segments[0]));
    }
    plans.push_back(std::move(plan));
  }
  const FatRecords fat = *joinTargets(std::move(plans), lists);
  std::vector<uint64_t> file;
  for (const SegmentOrigin &origin : fat.origins) {
    file.push_back(lists[origin.plan][origin.segment]);
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    // In the file, the segments of each target are in the target's own order.
    EXPECT_TRUE(std::ranges::is_sorted(fat.targets[i].segments));
    std::vector<uint64_t> own;
    for (const uint32_t index : fat.targets[i].segments) {
      own.push_back(file[index]);
    }
    EXPECT_EQ(own, lists[i]);
  }
  return file;
}

TEST_F(FatPlanTest, SegmentsKeepTheOrderOfEachTarget) {
  EXPECT_THAT(joined({{1, 2, 3}, {1, 2, 3}}), ElementsAre(1, 2, 3));
  EXPECT_THAT(joined({{1, 2, 3}, {4, 5}}), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(joined({{1, 2, 3}, {1, 9, 3}}), ElementsAre(1, 2, 9, 3));
  EXPECT_THAT(joined({{1, 2, 3}, {8, 1, 3, 9}, {8, 3}}),
              ElementsAre(8, 1, 2, 3, 9));
  // 1 precedes 2 in one plan, but follows 2 in the other, so 1 is stored twice.
  EXPECT_THAT(joined({{1, 2}, {2, 1}}), ElementsAre(1, 2, 1));
}

TEST_F(FatPlanTest, RefusesPlansThatDoNotBelongTogether) {
  const auto refusal = [](std::vector<SmallPlan> plans) {
    std::vector<plan::PlanT> records;
    for (SmallPlan &small : plans) {
      records.push_back(std::move(small.plan));
    }
    const std::vector<std::vector<uint64_t>> same(records.size(), {0, 1, 2, 3});
    const Status status = joinTargets(std::move(records), same).status();
    EXPECT_EQ(status.code(), ErrorCode::Usage);
    return status.message();
  };
  EXPECT_THAT(refusal(plansFor({})), HasSubstr("the number given is 1"));
  EXPECT_THAT(refusal(plansFor(std::vector<const char *>(16, "wide"))),
              HasSubstr("2 to 16 targets; the number given is 17"));
  EXPECT_THAT(refusal(plansFor({"wide", "wide"})),
              HasSubstr("two targets are the same machine, 'wide'"));
  std::vector<SmallPlan> plans = plansFor({"wide"});
  plans[1].plan.model->width += 1;
  EXPECT_THAT(refusal(std::move(plans)), HasSubstr("from different models"));
  plans = plansFor({"wide"});
  plans[1].plan.sources[0]->bytes += 1;
  EXPECT_THAT(refusal(std::move(plans)), HasSubstr("from different models"));
}

Status verdict(const FatSmallPlan &fat) {
  return verifyMetadata(metadataOf(fat), fat.fileBytes, kPlanPageBytes);
}

TEST_F(FatPlanTest, RefusesEachBrokenRule) {
  const Status good = verdict(makeFatPlan());
  ASSERT_TRUE(good.isOk()) << good.message();
  for (const FatCase &broken : fatCases()) {
    FatSmallPlan fat = makeFatPlan();
    broken.breakIt(fat);
    const Status status = verdict(fat);
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed) << broken.rule;
    EXPECT_THAT(status.message(), HasSubstr(std::string(broken.rule) + ": "));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
  // The rules are checked for every target, not only for the first.
  FatSmallPlan fat = makeFatPlan();
  fat.records.targets[1].plan.arena_bytes = 0;
  EXPECT_THAT(verdict(fat).message(),
              HasSubstr("target 1: plan.buffer.inside: "));
}

TEST_F(FatPlanTest, AcceptsWeightlessPlans) {
  FatSmallPlan fat = makeFatPlan();
  for (TargetRecords &target : fat.records.targets) {
    target.plan.weightless = true;
  }
  fat.records.shared.weightless = true;
  for (const auto &segment : fat.records.shared.segments) {
    if (segment->kind != plan::SegmentKind::Kernels) {
      segment->stored_bytes = 0;
      segment->digests.clear();
    }
  }
  fat.fileBytes = *placeSegments(fat.records.shared, metadataOf(fat).size());
  const Status status = verdict(fat);
  EXPECT_TRUE(status.isOk()) << status.message();
}

Status openAndVerifyAll(const Bytes &file) {
  AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::parse(file, "fat.air"));
  for (uint32_t t = 0; t < plan.targets(); ++t) {
    plan.choose(t);
    for (uint32_t i = 0; i < plan.plan().segments()->size(); ++i) {
      AIR_RETURN_IF_ERROR(plan.verifySegment(i));
    }
  }
  return Status::ok();
}

TEST_F(FatPlanTest, EachChangedByteIsDetected) {
  ASSERT_TRUE(writeFat(at("fat.air"), plansFor({"wide"})).isOk());
  Bytes file = contents(at("fat.air"));
  ASSERT_TRUE(openAndVerifyAll(file).isOk());
  // 61 is prime, so bytes at every position within a word are changed.
  for (size_t i = 0; i < file.size(); i += 61) {
    file[i] ^= 1;
    EXPECT_FALSE(openAndVerifyAll(file).isOk()) << i;
    file[i] ^= 1;
  }
  // The minor version in the header says whether the plan has several targets.
  const uint32_t minor = 0;
  std::memcpy(&file[offsetof(PlanHeader, minor)], &minor, sizeof minor);
  signHeader(file);
  EXPECT_THAT(openAndVerifyAll(file).message(), HasSubstr("header.version"));
}

// The identifier is in bytes 4 to 7.
TEST_F(FatPlanTest, MetadataWithoutAWholeIdentifierAreNoFatPlan) {
  const Bytes metadata = metadataOf(makeFatPlan());
  EXPECT_FALSE(isFatPlan({}));
  EXPECT_FALSE(isFatPlan(std::span(metadata).first(7)));
  EXPECT_TRUE(isFatPlan(std::span(metadata).first(8)));
}

TEST_F(FatPlanTest, StructureIsRefused) {
  const auto refuse = [](flatbuffers::FlatBufferBuilder &builder) {
    const Status status =
        verifyStructure({builder.GetBufferPointer(), builder.GetSize()});
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
    EXPECT_THAT(status.message(), HasSubstr("plan.structure: "));
  };
  {
    // No list of targets.
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(plan::CreateFatPlan(builder), kFatPlanIdentifier);
    refuse(builder);
  }
  {
    // A list of a million targets that are all the same table.
    flatbuffers::FlatBufferBuilder builder;
    const std::vector<flatbuffers::Offset<plan::Plan>> targets(
        1'000'000, plan::CreatePlan(builder));
    builder.Finish(plan::CreateFatPlan(builder, builder.CreateVector(targets)),
                   kFatPlanIdentifier);
    refuse(builder);
  }
  {
    // In each of two targets, 1000 executables share 200,000 names.
    flatbuffers::FlatBufferBuilder builder;
    const std::vector<flatbuffers::Offset<flatbuffers::String>> names(
        200'000, builder.CreateString("x"));
    const auto entries = builder.CreateVector(names);
    const std::vector<flatbuffers::Offset<plan::Executable>> executables(
        1000, plan::CreateExecutable(builder, 0, 1, entries));
    const auto list = builder.CreateVector(executables);
    plan::PlanBuilder plan(builder);
    plan.add_executables(list);
    const std::vector<flatbuffers::Offset<plan::Plan>> targets(2,
                                                               plan.Finish());
    builder.Finish(plan::CreateFatPlan(builder, builder.CreateVector(targets)),
                   kFatPlanIdentifier);
    refuse(builder);
  }
}

// Whatever bytes the metadata contain, the verifier must return. The seed is
// fixed, so a failure is reproducible.
TEST_F(FatPlanTest, MutationsReturn) {
  const FatSmallPlan fat = makeFatPlan();
  const Bytes good = metadataOf(fat);
  std::mt19937 random(20240608);
  size_t refused = 0;
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    Bytes metadata = good;
    for (uint32_t c = 0; c <= random() % 4; ++c) {
      metadata[random() % metadata.size()] = static_cast<uint8_t>(random());
    }
    refused +=
        verifyMetadata(metadata, fat.fileBytes, kPlanPageBytes).isOk() ? 0 : 1;
  }
  EXPECT_GT(refused, kRounds / 4);
}

} // namespace
