//===- FatCases.cpp - plans for two targets that break one rule each ------===//
#include "FatCases.h"

#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"

#include <utility>

namespace air::test {

namespace {

constexpr uint32_t kKernels = 2; ///< the segment with the kernels

/// The metadata of a fat plan in which each target has its own copies of all
/// FlatBuffer tables.
std::vector<uint8_t> unsharedMetadataOf(const FatSmallPlan &fat) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<plan::Plan>> targets;
  for (const TargetRecords &target : fat.records.targets) {
    plan::PlanT plan(target.plan);
    plan.model =
        std::make_unique<plan::HyperparametersT>(*fat.records.shared.model);
    plan.tokenizer =
        std::make_unique<plan::TokenizerT>(*fat.records.shared.tokenizer);
    for (const uint32_t index : target.segments) {
      plan.segments.push_back(std::make_unique<plan::SegmentT>(
          *fat.records.shared.segments[index]));
    }
    targets.push_back(plan::CreatePlan(builder, &plan));
  }
  builder.Finish(plan::CreateFatPlan(builder, builder.CreateVector(targets)),
                 kFatPlanIdentifier);
  return {builder.GetBufferPointer(),
          builder.GetBufferPointer() + builder.GetSize()};
}

/// The second target gets segments of weights of its own, which have no bytes
/// in the file.
void leaveOutWeightsOfOneTarget(FatSmallPlan &fat) {
  auto &segments = fat.records.shared.segments;
  std::vector<uint32_t> &own = fat.records.targets[1].segments;
  const uint64_t kernels = segments[kKernels]->offset;
  for (uint32_t &index : own) {
    const plan::SegmentT &old = *segments[index];
    if (old.kind == plan::SegmentKind::Kernels) {
      continue;
    }
    auto empty = std::make_unique<plan::SegmentT>(old);
    empty->offset =
        old.kind == plan::SegmentKind::Weights ? kernels : fat.fileBytes;
    empty->stored_bytes = 0;
    empty->digests.clear();
    index = static_cast<uint32_t>(segments.size());
    segments.push_back(std::move(empty));
  }
  fat.records.targets[1].plan.weightless = true;
}

} // namespace

SmallPlan otherTarget(const char *name) {
  SmallPlan small = makeSmallPlan();
  small.plan.machine->name = name;
  plan::SegmentT &kernels = *small.plan.segments[kKernels];
  std::vector<uint8_t> &bytes = small.segments[kKernels];
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(byte + name[0]);
  }
  std::vector<uint8_t> pages = bytes;
  pages.resize((pages.size() + kPlanPageBytes - 1) / kPlanPageBytes *
               kPlanPageBytes);
  kernels.digests = chunkDigests(pages, kernels.digest_chunk);
  return small;
}

FatSmallPlan makeFatPlan(std::vector<SmallPlan> plans) {
  std::vector<plan::PlanT> records;
  std::vector<std::vector<uint64_t>> contents;
  for (uint64_t i = 0; i < plans.size(); ++i) {
    records.push_back(plans[i].plan);
    contents.push_back({0, 1, 100 + i, 3});
  }
  FatSmallPlan fat;
  fat.records = *joinTargets(std::move(records), contents);
  for (const SegmentOrigin &origin : fat.records.origins) {
    fat.segments.push_back(plans[origin.plan].segments[origin.segment]);
  }
  fat.fileBytes = *placeSegments(fat.records.shared, metadataOf(fat).size());
  return fat;
}

FatSmallPlan makeFatPlan() {
  std::vector<SmallPlan> plans;
  plans.push_back(makeSmallPlan());
  plans.push_back(otherTarget("wide"));
  return makeFatPlan(std::move(plans));
}

std::vector<uint8_t> metadataOf(const FatSmallPlan &fat) {
  return fat.sharesNothing
             ? unsharedMetadataOf(fat)
             : *encodeFatMetadata(fat.records.shared, fat.records.targets);
}

std::vector<FatCase> fatCases() {
  using F = FatSmallPlan;
  return {
      {"plan.targets.count", [](F &f) { f.records.targets.pop_back(); }},
      {"plan.targets.count", [](F &f) { f.records.targets.clear(); }},
      {"plan.targets.order",
       [](F &f) { std::swap(f.records.targets[0], f.records.targets[1]); }},
      {"plan.targets.order",
       [](F &f) {
         *f.records.targets[1].plan.machine =
             *f.records.targets[0].plan.machine;
       }},
      {"plan.targets.common", [](F &f) { f.sharesNothing = true; }},
      {"plan.targets.common", leaveOutWeightsOfOneTarget},
      // There is a gap before the last segment, the embedding table.
      {"plan.targets.segments",
       [](F &f) {
         auto &segments = f.records.shared.segments;
         segments.back()->offset += kPlanPageBytes;
         f.fileBytes += kPlanPageBytes;
       }},
      {"plan.targets.segments", [](F &f) { f.fileBytes += kPlanPageBytes; }},
      // The kernels of both targets are at the same offset.
      {"plan.targets.segments",
       [](F &f) {
         auto &segments = f.records.shared.segments;
         segments[3]->offset = segments[2]->offset;
         segments[4]->offset -= kPlanPageBytes;
         f.fileBytes -= kPlanPageBytes;
       }},
      // In the file, the embedding table of the first target precedes the
      // kernels of the second one.
      {"plan.targets.segments",
       [](F &f) {
         auto &segments = f.records.shared.segments;
         segments.push_back(std::make_unique<plan::SegmentT>(*segments[4]));
         segments[5]->name = "table";
         f.records.targets[1].segments = {0, 1, 3, 5};
         segments[4]->offset = segments[3]->offset;
         segments[3]->offset = segments[4]->offset + kPlanPageBytes;
         segments[5]->offset = segments[3]->offset + kPlanPageBytes;
         f.fileBytes += kPlanPageBytes;
       }},
  };
}

} // namespace air::test
