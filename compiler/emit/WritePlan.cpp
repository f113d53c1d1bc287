//===- WritePlan.cpp - records and segments to a .air file ----------------===//
#include "compiler/emit/WritePlan.h"

namespace air::compiler {

void makeWeightless(plan::PlanT &plan) {
  plan.weightless = true;
  for (const auto &segment : plan.segments) {
    if (segment->kind != plan::SegmentKind::Kernels) {
      segment->stored_bytes = 0;
    }
  }
}

Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           const KernelBytes &kernels,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress) {
  uint64_t total = 0;
  uint64_t reserved = 0; // bytes of kernels
  size_t weights = 0;
  std::vector<plan::SegmentKind> kinds;
  for (const auto &segment : plan.segments) {
    total += segment->stored_bytes;
    kinds.push_back(segment->kind);
    if (segment->kind == plan::SegmentKind::Kernels) {
      reserved = segment->stored_bytes;
    } else {
      ++weights;
    }
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
    const bool isKernels = kinds[index] == plan::SegmentKind::Kernels;
    std::span<const uint8_t> object;
    if (isKernels || kernels.isDone()) {
      AIR_ASSIGN_OR_RETURN(object, kernels.wait());
    }
    if (isKernels && object.size() != reserved) {
      total = total - reserved + object.size();
      AIR_RETURN_IF_ERROR(writer.shrinkSegment(index, object.size()));
    }
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
          if (isKernels) {
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
  AIR_RETURN_IF_ERROR(writer.finish());
  return writer.fileBytes();
}

} // namespace air::compiler
