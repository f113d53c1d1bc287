//===- WritePlan.cpp - records and segments to a .air file ----------------===//
#include "compiler/emit/WritePlan.h"

#include "compiler/planner/CostModel.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanEncode.h"

namespace air::compiler {

namespace {

/// Replaces what a placement predicts for the disk by what the coded segments
/// take there, which is known when they have been written.
Status predictCoded(plan::PlanT &plan) {
  AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, encodeMetadata(plan));
  const plan::Plan &records = *plan::GetPlan(bytes.data());
  for (size_t i = 0; i < plan.placements.size(); ++i) {
    const plan::Placement &placement =
        *records.placements()->Get(static_cast<uint32_t>(i));
    const uint64_t stored = storedBytesPerPass(records, placement);
    for (const auto &prediction : plan.placements[i]->predictions) {
      std::vector<LinkLoad> loads;
      for (const auto &link : prediction->links) {
        if (link->link == "disk") {
          link->bytes_per_pass = stored;
        }
        loads.push_back({link->link, link->bytes_per_pass, link->bandwidth});
      }
      const PassPrediction pass = predictPass(std::move(loads));
      prediction->nanoseconds = pass.nanoseconds;
      prediction->limit = pass.limit;
    }
  }
  return Status::ok();
}

} // namespace

void makeWeightless(plan::PlanT &plan) {
  plan.weightless = true;
  for (const auto &segment : plan.segments) {
    if (segment->kind != plan::SegmentKind::Kernels) {
      segment->stored_bytes = 0;
      segment->codec = plan::Codec::None;
    }
  }
}

Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           std::span<const uint8_t> object,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress) {
  uint64_t total = 0;
  size_t weights = 0;
  std::vector<plan::SegmentKind> kinds;
  for (const auto &segment : plan.segments) {
    total += segment->codec == plan::Codec::None ? segment->stored_bytes
                                                 : segment->raw_bytes;
    kinds.push_back(segment->kind);
    weights += segment->kind != plan::SegmentKind::Kernels ? 1 : 0;
  }
  const bool weightless = plan.weightless;
  if (!weightless && weights != contents.size()) {
    return internalError("the plan has " + std::to_string(weights) +
                         " segments of weights and tables, but there are "
                         "recipes for " +
                         std::to_string(contents.size()));
  }
  AIR_ASSIGN_OR_RETURN(PlanWriter writer,
                       PlanWriter::create(std::move(output), std::move(plan)));
  uint64_t done = 0;
  size_t next = 0;
  for (uint32_t index = 0; index < kinds.size(); ++index) {
    AIR_RETURN_IF_ERROR(
        writer.writeSegment(index, [&](const PlanWriter::Sink &sink) -> Status {
          auto counted = [&](std::span<const uint8_t> piece) -> Status {
            AIR_RETURN_IF_ERROR(sink(piece));
            done += piece.size();
            if (progress) {
              progress(done, total);
            }
            return Status::ok();
          };
          if (kinds[index] == plan::SegmentKind::Kernels) {
            return counted(object);
          }
          return weightless ? Status::ok()
                            : produceSegment(contents[next++], source, threads,
                                             counted);
        }));
  }
  // If a file changed while its weights were read, the plan would contain a
  // mixture of the old model and the new one.
  for (const MappedFile &file : source.files) {
    AIR_RETURN_IF_ERROR(file.checkUnchanged());
  }
  AIR_RETURN_IF_ERROR(writer.finish(predictCoded));
  return writer.fileBytes();
}

} // namespace air::compiler
