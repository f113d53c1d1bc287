//===- FatTest.cpp - one plan for several targets -------------------------===//
#include "GpuModel.h"

#include "codegen/cuda/Intrinsics.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/CheckedMath.h"
#include "test/compiler/driver/SharedKernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace air::compiler {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<uint8_t>;
using Names = std::vector<std::string>;

/// A compiler that returns the names of the kernel and of the target instead of
/// machine code.
class NameCompiler : public codegen::cuda::CudaCompiler {
public:
  std::string_view intrinsics() const override {
    return codegen::cuda::deviceIntrinsicsText();
  }
  std::string version() const override { return "names 1"; }
  Result<Bytes> compile(const std::string &, const std::string &name,
                        const codegen::cuda::CudaTarget &target,
                        codegen::cuda::CodeForm) const override {
    const std::string code = name + " for " + std::string(target.name);
    return Bytes(code.begin(), code.end());
  }
};

class Fat : public testing::Test {
protected:
  void SetUp() override {
    const Status made = folder.make("--type Q8_0 --layers 2");
    ASSERT_TRUE(made.isOk()) << made.message();
    options.model = folder.model();
    options.cuda = std::make_shared<NameCompiler>();
    options.threads = 2;
    options.kernelCache = sharedKernels();
  }

  Result<PlanFile> pack(const std::string &name, const Names &targets) {
    std::vector<Compiler> compilers;
    for (const std::string &target : targets) {
      options.target = target;
      AIR_ASSIGN_OR_RETURN(Compiler compiler,
                           compilers.empty() ? Compiler::load(options)
                                             : compilers.back().again(options));
      AIR_RETURN_IF_ERROR(compiler.run(""));
      compilers.push_back(std::move(compiler));
    }
    AIR_ASSIGN_OR_RETURN(AtomicFile file,
                         AtomicFile::create(folder.path(name)));
    AIR_ASSIGN_OR_RETURN(
        const uint64_t bytes,
        Compiler::writeTogether(compilers, std::move(file), {}));
    copied = compilers.front().copiedBytes();
    AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(folder.path(name)));
    EXPECT_EQ(plan.bytes().size(), bytes);
    return plan;
  }

  Result<PlanFile> packOne(const std::string &target) {
    options.target = target;
    return packModel(options, folder.path(target + ".air"));
  }

  GpuModel folder;
  CompileOptions options;
  uint64_t copied = 0;
};

/// The plan's metadata as JSON, without the segments' offsets in the file.
nlohmann::json recordsOf(const plan::Plan &plan) {
  nlohmann::json json = nlohmann::json::parse(planToJson(plan));
  for (nlohmann::json &segment : json["segments"]) {
    segment.erase("offset");
  }
  return json;
}

Bytes contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The size of a plan's kernels, each segment rounded up to whole pages.
uint64_t kernelBytes(const plan::Plan &plan) {
  uint64_t bytes = 0;
  for (const plan::Segment *segment : *plan.segments()) {
    bytes += segment->kind() == plan::SegmentKind::Kernels
                 ? alignUp(segment->stored_bytes(), kPlanPageBytes)
                 : 0;
  }
  return bytes;
}

TEST_F(Fat, HasThePlanOfEachTarget) {
  Result<PlanFile> fat = pack("fat.air", {"x86-64-v3", "rtx4090", "rtx3060"});
  ASSERT_TRUE(fat.isOk()) << fat.status().message();
  const Names sorted = {"rtx3060", "rtx4090", "x86-64-v3"};
  ASSERT_EQ(fat->targets(), sorted.size());
  for (uint32_t t = 0; t < sorted.size(); ++t) {
    Result<PlanFile> one = packOne(sorted[t]);
    ASSERT_TRUE(one.isOk()) << one.status().message();
    fat->choose(t);
    EXPECT_EQ(recordsOf(fat->plan()), recordsOf(one->plan())) << sorted[t];
    for (uint32_t i = 0; i < one->plan().segments()->size(); ++i) {
      EXPECT_TRUE(fat->verifySegment(i).isOk());
      EXPECT_TRUE(
          std::ranges::equal(fat->segmentBytes(i), one->segmentBytes(i)));
    }
  }
  // The order of the targets has no effect.
  ASSERT_TRUE(pack("gpus.air", {"rtx4090", "rtx3060"}).isOk());
  const Bytes bytes = contents(folder.path("gpus.air"));
  ASSERT_TRUE(pack("other.air", {"rtx3060", "rtx4090"}).isOk());
  EXPECT_TRUE(contents(folder.path("other.air")) == bytes);
}

TEST_F(Fat, GpusShareTheirWeights) {
  Result<PlanFile> fat = pack("fat.air", {"rtx3060", "rtx4090"});
  ASSERT_TRUE(fat.isOk()) << fat.status().message();
  Result<PlanFile> one = packOne("rtx3060");
  ASSERT_TRUE(one.isOk()) << one.status().message();
  std::set<const plan::Segment *> first(fat->target(0).segments()->begin(),
                                        fat->target(0).segments()->end());
  for (const plan::Segment *segment : *fat->target(1).segments()) {
    EXPECT_EQ(first.contains(segment),
              segment->kind() != plan::SegmentKind::Kernels)
        << segment->name()->str();
  }
  const uint64_t metadata =
      fat->header().metadataBytes - one->header().metadataBytes;
  EXPECT_LE(fat->bytes().size(), one->bytes().size() +
                                     kernelBytes(fat->target(1)) +
                                     alignUp(metadata, kPlanPageBytes));
  // The vocabulary and the digests are stored only once.
  EXPECT_LT(metadata, one->header().metadataBytes);
}

TEST_F(Fat, SegmentsAreCopiedFromAndToOtherPlans) {
  const Names targets = {"rtx3060", "rtx3070"};
  ASSERT_TRUE(pack("fat.air", targets).isOk());
  EXPECT_EQ(copied, 0U);
  const Bytes bytes = contents(folder.path("fat.air"));
  Result<PlanFile> other = packOne("rtx4090");
  ASSERT_TRUE(other.isOk());
  const Bytes alone = contents(folder.path("rtx4090.air"));

  options.from = folder.path("fat.air");
  ASSERT_TRUE(packOne("rtx4090").isOk());
  EXPECT_TRUE(contents(folder.path("rtx4090.air")) == alone);

  // Both targets of from.air need the weights of rtx4090.air, but from.air
  // contains these weights only once, so they are copied only once.
  options.from = folder.path("rtx4090.air");
  ASSERT_TRUE(pack("from.air", targets).isOk());
  EXPECT_TRUE(contents(folder.path("from.air")) == bytes);
  uint64_t weights = 0;
  for (const plan::Segment *segment : *other->plan().segments()) {
    weights += segment->kind() == plan::SegmentKind::Kernels
                   ? 0
                   : segment->stored_bytes();
  }
  EXPECT_EQ(copied, weights);
}

TEST_F(Fat, WeightlessAndReferencePlansToo) {
  options.weightless = true;
  Result<PlanFile> plan = pack("w.air", {"rtx3060", "rtx4090"});
  EXPECT_TRUE(plan.isOk()) << plan.status().message();
  options.weightless = false;
  options.reference = true;
  plan = pack("r.air", {"x86-64-v4", "x86-64-v3"});
  ASSERT_TRUE(plan.isOk()) << plan.status().message();
  EXPECT_TRUE(plan->target(0).reference());
  EXPECT_TRUE(plan->target(1).reference());
}

TEST_F(Fat, CodedWeightsHaveTheirStoredSizes) {
  options.codec = "zstd";
  Result<PlanFile> fat = pack("fat.air", {"x86-64-v3", "x86-64-v4"});
  ASSERT_TRUE(fat.isOk()) << fat.status().message();
  Result<PlanFile> one = packOne("x86-64-v4");
  ASSERT_TRUE(one.isOk()) << one.status().message();
  EXPECT_EQ(recordsOf(fat->target(1)), recordsOf(one->plan()));
  for (uint32_t t = 0; t < 2; ++t) {
    fat->choose(t);
    for (uint32_t i = 0; i < fat->plan().segments()->size(); ++i) {
      EXPECT_TRUE(fat->verifySegment(i).isOk());
    }
  }
}

TEST_F(Fat, RefusesTheSameTargetTwice) {
  const Status twice = pack("a.air", {"rtx3060", "rtx3060"}).status();
  EXPECT_EQ(twice.code(), ErrorCode::Usage);
  EXPECT_THAT(twice.message(), HasSubstr("are the same machine, 'rtx3060'"));
}

} // namespace
} // namespace air::compiler
