//===- WritePlan.cpp - records and segments to a .air file ----------------===//
#include "compiler/emit/WritePlan.h"

#include "compiler/planner/CostModel.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanEncode.h"

#include <filesystem>
#include <map>
#include <set>
#include <utility>

namespace air::compiler {

namespace {

/// Updates the predictions of all placements. How many bytes segments with a
/// codec take on the disk is known only after they have been written.
Status predictCoded(plan::PlanT &plan) {
  AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, encodeMetadata(plan));
  const plan::Plan &records = *plan::GetPlan(bytes.data());
  const KeptShares kept = keptShares(fromPlan(*records.machine()));
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
      const PassPrediction pass = predictPass(std::move(loads), kept);
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

/// How many bytes of a segment a reference plan stores: everything up to the
/// end of the last tensor that is not a matrix.
static uint64_t storedBytes(const SegmentContent &content) {
  uint64_t stored = 0;
  for (const TensorContent &tensor : content.tensors) {
    if (!std::holds_alternative<MatrixRecipe>(tensor.recipe)) {
      stored = tensor.offset + tensor.bytes;
    }
  }
  return stored;
}

/// Returns where the rows of a tensor lie in the model's files. Matrices that
/// follow each other in a file are joined into one range.
static std::vector<std::unique_ptr<plan::SourceRowsT>>
sourceRows(const TensorContent &tensor, const MatrixRecipe &recipe) {
  // checkContent() has checked shapes and sizes, so rowBytes() succeeds.
  const uint64_t row = *rowBytes(tensor.dtype, tensor.columns);
  std::vector<std::unique_ptr<plan::SourceRowsT>> list;
  for (const SourceTensor *from : recipe.sources) {
    const uint64_t rows = from->data.size() / row;
    if (!list.empty() && list.back()->source == from->file &&
        list.back()->offset + list.back()->rows * row == from->fileOffset) {
      list.back()->rows += rows;
      continue;
    }
    list.push_back(std::make_unique<plan::SourceRowsT>());
    list.back()->source = from->file;
    list.back()->offset = from->fileOffset;
    list.back()->rows = rows;
  }
  return list;
}

Status makeReference(plan::PlanT &plan,
                     const std::vector<SegmentContent> &contents,
                     const ModelSource &source) {
  plan.reference = true;
  std::set<std::string> names;
  for (size_t i = 0; i < source.files.size(); ++i) {
    const std::string name =
        std::filesystem::path(source.files[i].path()).filename().string();
    if (!names.insert(name).second) {
      return unsupportedError(
          "two files of the model have the name '" + name +
          "', so a reference plan cannot tell them apart; rename one of them");
    }
    plan.sources[i]->name = name;
  }
  std::map<std::pair<uint32_t, uint64_t>, plan::TensorT *> tensorAt;
  for (const auto &tensor : plan.tensors) {
    tensorAt[{tensor->segment, tensor->offset}] = tensor.get();
  }
  size_t next = 0;
  for (uint32_t i = 0; i < plan.segments.size(); ++i) {
    plan::SegmentT &segment = *plan.segments[i];
    if (segment.kind == plan::SegmentKind::Kernels) {
      continue;
    }
    const SegmentContent &content = contents[next++];
    segment.stored_bytes = storedBytes(content);
    for (const TensorContent &tensor : content.tensors) {
      if (tensor.offset >= segment.stored_bytes) {
        tensorAt[{i, tensor.offset}]->source_rows =
            sourceRows(tensor, std::get<MatrixRecipe>(tensor.recipe));
      }
    }
  }
  return Status::ok();
}

Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           const std::vector<PackedPlace> &packed,
                           const KernelBytes &kernels,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress) {
  uint64_t total = 0;
  std::vector<uint64_t> reserved; // sizes of the Kernels segments in bytes
  size_t weights = 0;
  std::vector<plan::SegmentKind> kinds;
  for (const auto &segment : plan.segments) {
    total += digestedBytes(plan, *segment);
    kinds.push_back(segment->kind);
    if (segment->kind == plan::SegmentKind::Kernels) {
      reserved.push_back(segment->stored_bytes);
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
  AIR_ASSIGN_OR_RETURN(
      PlanWriter writer,
      PlanWriter::create(std::move(output), std::move(plan), threads));
  uint64_t done = 0;
  size_t next = 0;
  size_t nextKernels = 0;
  for (uint32_t index = 0; index < kinds.size(); ++index) {
    const bool isKernels = kinds[index] == plan::SegmentKind::Kernels;
    std::vector<std::span<const uint8_t>> all;
    if (isKernels || kernels.isDone()) {
      AIR_ASSIGN_OR_RETURN(all, kernels.wait());
      if (all.size() != reserved.size()) {
        return internalError("the plan has " + std::to_string(reserved.size()) +
                             " segments of kernels, but " +
                             std::to_string(all.size()) + " were compiled");
      }
    }
    std::span<const uint8_t> object;
    if (isKernels) {
      object = all[nextKernels];
      const uint64_t stated = reserved[nextKernels++];
      if (object.size() != stated) {
        total = total - stated + object.size();
        AIR_RETURN_IF_ERROR(writer.shrinkSegment(index, object.size()));
      }
    }
    if (!isKernels && !packed.empty() && packed[index].plan != nullptr) {
      const PackedPlace &place = packed[index];
      AIR_RETURN_IF_ERROR(
          writer.copySegment(index, *place.plan, place.segment));
      ++next;
      done += place.plan->segmentBytes(place.segment).size();
      if (progress) {
        progress(done, total);
      }
      continue;
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
  for (const PackedPlace &place : packed) {
    if (place.plan != nullptr) {
      AIR_RETURN_IF_ERROR(place.plan->checkUnchanged());
    }
  }
  AIR_RETURN_IF_ERROR(writer.finish(predictCoded));
  return writer.fileBytes();
}

} // namespace air::compiler
