//===- FatPlan.cpp - joins and encodes plans for several targets ----------===//
#include "formats/plan/FatPlan.h"

#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace air {

namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

/// Packs records as the code generated from the schema does: an empty list is
/// absent from the buffer.
template <typename Record>
Offset<flatbuffers::Vector<Offset<Record>>>
packList(FlatBufferBuilder &builder,
         const std::vector<std::unique_ptr<typename Record::NativeTableType>>
             &records) {
  if (records.empty()) {
    return 0;
  }
  std::vector<Offset<Record>> list;
  for (const auto &record : records) {
    list.push_back(Record::Pack(builder, record.get()));
  }
  return builder.CreateVector(list);
}

std::string keyOf(const plan::PlanT &plan) {
  FlatBufferBuilder builder;
  builder.Finish(plan::CreateMachine(builder, plan.machine.get()));
  return targetKey(
      *flatbuffers::GetRoot<plan::Machine>(builder.GetBufferPointer()));
}

/// What the targets of a fat plan have in common, as bytes. The bytes include
/// the digests of the model's files, so they differ between models.
std::vector<uint8_t> commonBytes(const plan::PlanT &plan) {
  FlatBufferBuilder builder;
  const auto model = plan::CreateHyperparameters(builder, plan.model.get());
  Offset<plan::Tokenizer> tokenizer;
  if (plan.tokenizer) {
    tokenizer = plan::CreateTokenizer(builder, plan.tokenizer.get());
  }
  Offset<plan::Sampling> sampling;
  if (plan.sampling) {
    sampling = plan::CreateSampling(builder, plan.sampling.get());
  }
  const auto sources = packList<plan::Source>(builder, plan.sources);
  plan::PlanBuilder table(builder);
  table.add_model(model);
  table.add_tokenizer(tokenizer);
  table.add_sampling(sampling);
  table.add_sources(sources);
  table.add_weightless(plan.weightless);
  table.add_reference(plan.reference);
  builder.Finish(table.Finish());
  return {builder.GetBufferPointer(),
          builder.GetBufferPointer() + builder.GetSize()};
}

/// The segments of the file, to which the segments of each plan are added in
/// turn.
class SegmentList {
public:
  /// Adds the segments of a plan that have the kind `kind`.
  void add(uint32_t plan, const plan::PlanT &records,
           const std::vector<uint64_t> &contents, plan::SegmentKind kind) {
    std::unordered_map<uint64_t, size_t> placeOf;
    for (size_t i = 0; i < list.size(); ++i) {
      placeOf.emplace(list[i].content, i);
    }
    std::vector<Entry> merged;
    std::vector<Entry> own; // not merged yet
    size_t next = 0;        // the first of `list` that is not merged yet
    for (uint32_t i = 0; i < records.segments.size(); ++i) {
      if (records.segments[i]->kind != kind) {
        continue;
      }
      const auto place = placeOf.find(contents[i]);
      if (place == placeOf.end() || place->second < next) {
        own.push_back({contents[i], {plan, i}, {{plan, i}}});
        continue;
      }
      merged.insert(merged.end(), list.begin() + at(next),
                    list.begin() + at(place->second));
      merged.insert(merged.end(), own.begin(), own.end());
      own.clear();
      merged.push_back(list[place->second]);
      merged.back().uses.push_back({plan, i});
      next = place->second + 1;
    }
    merged.insert(merged.end(), list.begin() + at(next), list.end());
    merged.insert(merged.end(), own.begin(), own.end());
    list = std::move(merged);
  }

  struct Entry {
    uint64_t content = 0;
    SegmentOrigin origin;
    std::vector<SegmentOrigin> uses; ///< where it is in each plan that has it
  };
  std::vector<Entry> list;

private:
  static std::ptrdiff_t at(size_t index) {
    return static_cast<std::ptrdiff_t>(index);
  }
};

/// Returns the indices of the plans, sorted by targetKey().
Result<std::vector<uint32_t>>
targetOrder(const std::vector<plan::PlanT> &plans) {
  std::vector<std::string> keys;
  for (const plan::PlanT &plan : plans) {
    keys.push_back(keyOf(plan));
  }
  std::vector<uint32_t> order(plans.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order,
                    [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (keys[order[i - 1]] == keys[order[i]]) {
      return usageError("two targets are the same machine, " +
                        inQuotes(plans[order[i]].machine->name) +
                        "; give each target once");
    }
  }
  return order;
}

} // namespace

bool isFatPlan(std::span<const uint8_t> metadata) {
  // A FlatBuffer begins with the root offset and the identifier.
  return metadata.size() >= sizeof(flatbuffers::uoffset_t) +
                                flatbuffers::kFileIdentifierLength &&
         flatbuffers::BufferHasIdentifier(metadata.data(), kFatPlanIdentifier);
}

std::string targetKey(const plan::Machine &machine) {
  return toJson(fromPlan(machine));
}

Result<FatRecords>
joinTargets(std::vector<plan::PlanT> plans,
            const std::vector<std::vector<uint64_t>> &contents) {
  if (plans.size() < 2 || plans.size() > kMaxTargets) {
    return usageError("a plan for several targets must have 2 to " +
                      std::to_string(kMaxTargets) +
                      " targets; the number given is " +
                      std::to_string(plans.size()));
  }
  AIR_ASSIGN_OR_RETURN(const std::vector<uint32_t> order, targetOrder(plans));
  const std::vector<uint8_t> common = commonBytes(plans[order[0]]);
  for (const uint32_t index : order) {
    if (commonBytes(plans[index]) != common) {
      return usageError("the plans for " +
                        inQuotes(plans[order[0]].machine->name) + " and " +
                        inQuotes(plans[index].machine->name) +
                        " were made from different models, or differ in "
                        "--weightless or --reference; make both again from the "
                        "same model with the same options");
    }
  }
  FatRecords fat;
  fat.targets.resize(plans.size());
  for (const plan::SegmentKind kind :
       {plan::SegmentKind::Weights, plan::SegmentKind::Kernels,
        plan::SegmentKind::Table}) {
    SegmentList segments;
    for (const uint32_t index : order) {
      segments.add(index, plans[index], contents[index], kind);
    }
    for (const SegmentList::Entry &entry : segments.list) {
      for (const SegmentOrigin &use : entry.uses) {
        const auto target = std::ranges::find(order, use.plan);
        fat.targets[static_cast<size_t>(target - order.begin())]
            .segments.push_back(static_cast<uint32_t>(fat.origins.size()));
      }
      fat.origins.push_back(entry.origin);
    }
  }
  for (const SegmentOrigin &origin : fat.origins) {
    fat.shared.segments.push_back(std::make_unique<plan::SegmentT>(
        *plans[origin.plan].segments[origin.segment]));
  }
  plan::PlanT &first = plans[order[0]];
  fat.shared.model = std::move(first.model);
  fat.shared.tokenizer = std::move(first.tokenizer);
  fat.shared.sampling = std::move(first.sampling);
  fat.shared.sources = std::move(first.sources);
  fat.shared.weightless = first.weightless;
  fat.shared.reference = first.reference;
  for (size_t i = 0; i < order.size(); ++i) {
    plan::PlanT &plan = plans[order[i]];
    plan.model.reset();
    plan.tokenizer.reset();
    plan.sampling.reset();
    plan.sources.clear();
    plan.segments.clear();
    fat.targets[i].plan = std::move(plan);
  }
  return fat;
}

/// The offsets of the tables that the records of several targets refer to.
struct SharedOffsets {
  Offset<plan::Hyperparameters> model;
  Offset<plan::Tokenizer> tokenizer;
  Offset<plan::Sampling> sampling;
  Offset<flatbuffers::Vector<Offset<plan::Source>>> sources;
  std::vector<Offset<plan::Segment>> segments;
};

/// Packs a target as the generated plan::CreatePlan() packs a plan, but refers
/// to the records that all targets share, which have been packed already.
static Offset<plan::Plan> packTarget(FlatBufferBuilder &builder,
                                     const TargetRecords &target,
                                     const SharedOffsets &shared) {
  const plan::PlanT &plan = target.plan;
  std::vector<Offset<plan::Segment>> segments;
  for (const uint32_t index : target.segments) {
    segments.push_back(shared.segments[index]);
  }
  const auto machine = plan::CreateMachine(builder, plan.machine.get());
  const auto segmentList = builder.CreateVector(segments);
  const auto tensors = packList<plan::Tensor>(builder, plan.tensors);
  const auto executables =
      packList<plan::Executable>(builder, plan.executables);
  const auto buffers = packList<plan::Buffer>(builder, plan.buffers);
  const auto cacheGroups =
      packList<plan::CacheGroup>(builder, plan.cache_groups);
  const auto caches = packList<plan::Cache>(builder, plan.caches);
  const auto programs = packList<plan::Program>(builder, plan.programs);
  const auto reads = packList<plan::Read>(builder, plan.reads);
  const auto placements = packList<plan::Placement>(builder, plan.placements);
  const auto decisions = packList<plan::Decision>(builder, plan.decisions);
  const auto fingerprint = builder.CreateString(plan.codegen_fingerprint);
  return plan::CreatePlan(
      builder, shared.model, shared.tokenizer, machine, segmentList, tensors,
      executables, buffers, plan.arena_bytes, cacheGroups, caches, plan.context,
      plan.slots, plan.max_tokens, plan.max_outputs, programs, reads,
      placements, decisions, shared.sources, fingerprint, plan.weightless,
      shared.sampling, plan.reference);
}

Result<std::vector<uint8_t>>
encodeFatMetadata(const plan::PlanT &shared,
                  std::span<const TargetRecords> targets) {
  uint64_t bytes = leastMetadataBytes(shared);
  for (const TargetRecords &target : targets) {
    bytes += leastMetadataBytes(target.plan);
  }
  AIR_RETURN_IF_ERROR(checkMetadataBytes(bytes));
  FlatBufferBuilder builder(1 << 16);
  builder.ForceDefaults(true);
  SharedOffsets offsets;
  offsets.model = plan::CreateHyperparameters(builder, shared.model.get());
  if (shared.tokenizer) {
    offsets.tokenizer = plan::CreateTokenizer(builder, shared.tokenizer.get());
  }
  if (shared.sampling) {
    offsets.sampling = plan::CreateSampling(builder, shared.sampling.get());
  }
  offsets.sources = packList<plan::Source>(builder, shared.sources);
  for (const auto &segment : shared.segments) {
    offsets.segments.push_back(plan::CreateSegment(builder, segment.get()));
  }
  std::vector<Offset<plan::Plan>> list;
  for (const TargetRecords &target : targets) {
    list.push_back(packTarget(builder, target, offsets));
  }
  builder.Finish(plan::CreateFatPlan(builder, builder.CreateVector(list)),
                 kFatPlanIdentifier);
  AIR_RETURN_IF_ERROR(checkMetadataBytes(builder.GetSize()));
  const uint8_t *start = builder.GetBufferPointer();
  return std::vector<uint8_t>(start, start + builder.GetSize());
}

} // namespace air
