//===- WritePlan.cpp - records and segments to a .air file ----------------===//
#include "compiler/emit/WritePlan.h"

#include "compiler/planner/CostModel.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

namespace air::compiler {

namespace {

/// Recomputes the predicted time of a pass for every placement of `plan` whose
/// reads take fewer or more bytes in the file than was assumed. How many bytes
/// the segments with a codec take in the file is known only after they have
/// been written. `encoded` is the same plan with these sizes. The segments of
/// GPUs have no codec, so the predictions for GPUs stay.
Status predictCoded(plan::PlanT &plan, const plan::Plan &encoded) {
  const KeptShares kept = keptShares(fromPlan(*encoded.machine()));
  for (size_t i = 0; i < plan.placements.size(); ++i) {
    const plan::Placement &placement =
        *encoded.placements()->Get(static_cast<uint32_t>(i));
    const uint64_t stored = storedBytesPerPass(encoded, placement);
    for (const auto &prediction : plan.placements[i]->predictions) {
      std::vector<LinkLoad> loads;
      bool isChanged = false;
      for (const auto &link : prediction->links) {
        if (link->link == "disk" && link->bytes_per_pass != stored) {
          link->bytes_per_pass = stored;
          isChanged = true;
        }
        loads.push_back({link->link, link->bytes_per_pass, link->bandwidth});
      }
      if (!isChanged) {
        continue;
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

/// How many bytes of a segment a reference plan stores, counted from the start
/// of the segment: all up to the end of the last tensor that is not a matrix.
/// The matrices after it stay in the model's files.
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

namespace {

/// What writeSegments() needs to know about a plan's segments. The PlanWriter
/// owns the records of the segments.
struct SegmentFacts {
  explicit SegmentFacts(const plan::PlanT &plan) : weightless(plan.weightless) {
    for (const auto &segment : plan.segments) {
      total += digestedBytes(plan, *segment);
      kinds.push_back(segment->kind);
      if (segment->kind == plan::SegmentKind::Kernels) {
        reserved.push_back(segment->stored_bytes);
      }
    }
  }

  /// Fails with Internal unless `contents` has one entry for each segment of
  /// weights or tables. A weightless plan needs no entries.
  Status check(const std::vector<SegmentContent> &contents) const {
    const size_t weights = kinds.size() - reserved.size();
    if (!weightless && weights != contents.size()) {
      return internalError("the plan has " +
                           countOf(weights, "segment of weights and tables",
                                   "segments of weights and tables") +
                           ", but contents were given for " +
                           countOf(contents.size(), "segment"));
    }
    return Status::ok();
  }

  Status checkKernels(size_t compiled) const {
    return compiled == reserved.size()
               ? Status::ok()
               : internalError("the plan has " +
                               countOf(reserved.size(), "segment of kernels",
                                       "segments of kernels") +
                               ", but kernels were compiled for " +
                               countOf(compiled, "segment"));
  }

  uint64_t total = 0; ///< bytes of all segments
  std::vector<plan::SegmentKind> kinds;
  std::vector<uint64_t> reserved; ///< sizes of the Kernels segments in bytes
  bool weightless;
};

/// Writes all segments and finishes the file. The arguments are those of
/// writePlan().
Result<uint64_t> writeSegments(PlanWriter writer, const SegmentFacts &facts,
                               const std::vector<SegmentContent> &contents,
                               const std::vector<PackedPlace> &packed,
                               const KernelBytes &kernels,
                               const ModelSource &source, unsigned threads,
                               const ProgressFn &progress) {
  uint64_t total = facts.total;
  uint64_t done = 0;
  size_t next = 0;
  size_t nextKernels = 0;
  for (uint32_t index = 0; index < facts.kinds.size(); ++index) {
    const bool isKernels = facts.kinds[index] == plan::SegmentKind::Kernels;
    std::vector<std::span<const uint8_t>> all;
    if (isKernels || kernels.isDone()) {
      AIR_ASSIGN_OR_RETURN(all, kernels.wait());
      AIR_RETURN_IF_ERROR(facts.checkKernels(all.size()));
    }
    std::span<const uint8_t> object;
    if (isKernels) {
      object = all[nextKernels];
      const uint64_t stated = facts.reserved[nextKernels++];
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
          return facts.weightless ? Status::ok()
                                  : produceSegment(contents[next++], source,
                                                   threads, counted);
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

/// Numbers the segments of all plans, so that equal segments have the same
/// number.
class SegmentNumbers {
public:
  std::vector<uint64_t> add(const PlanParts &parts) {
    std::vector<uint64_t> numbers;
    size_t nextContent = 0;
    size_t nextKernels = 0;
    for (const auto &segment : parts.plan.segments) {
      Known known{segment.get(), nullptr, {}, next};
      const bool isKernels = segment->kind == plan::SegmentKind::Kernels;
      if (isKernels) {
        known.code = parts.kernels[nextKernels++];
      } else if (!parts.plan.weightless) {
        known.content = &parts.contents[nextContent++];
      }
      // The contents of a weightless plan's segments of weights and tables are
      // not given, so these segments cannot be compared with others, and each
      // of them gets a new number.
      const bool isComparable = isKernels || known.content != nullptr;
      std::vector<Known> &sameName = all[segment->name];
      const auto found =
          std::ranges::find_if(sameName, [&](const Known &other) {
            return isComparable && isSame(known, other);
          });
      if (found != sameName.end()) {
        numbers.push_back(found->number);
        continue;
      }
      sameName.push_back(known);
      numbers.push_back(next++);
    }
    return numbers;
  }

private:
  struct Known {
    const plan::SegmentT *record;
    const SegmentContent *content;
    std::span<const uint8_t> code;
    uint64_t number;
  };
  static bool isSame(const Known &a, const Known &b) {
    return a.record->kind == b.record->kind &&
           a.record->codec == b.record->codec &&
           a.record->raw_bytes == b.record->raw_bytes &&
           a.record->stored_bytes == b.record->stored_bytes &&
           (a.content == nullptr
                ? b.content == nullptr && std::ranges::equal(a.code, b.code)
                : b.content != nullptr && *a.content == *b.content);
  }

  std::map<std::string, std::vector<Known>> all; ///< by name
  uint64_t next = 0;
};

} // namespace

Result<uint64_t> writePlan(AtomicFile output, plan::PlanT plan,
                           const std::vector<SegmentContent> &contents,
                           const std::vector<PackedPlace> &packed,
                           const KernelBytes &kernels,
                           const ModelSource &source, unsigned threads,
                           const ProgressFn &progress) {
  const SegmentFacts facts(plan);
  AIR_RETURN_IF_ERROR(facts.check(contents));
  AIR_ASSIGN_OR_RETURN(
      PlanWriter writer,
      PlanWriter::create(std::move(output), std::move(plan), threads));
  return writeSegments(std::move(writer), facts, contents, packed, kernels,
                       source, threads, progress);
}

Result<WrittenBytes> writeFatPlan(AtomicFile output,
                                  std::vector<PlanParts> parts,
                                  const ModelSource &source, unsigned threads,
                                  const ProgressFn &progress) {
  SegmentNumbers segments;
  std::vector<std::vector<uint64_t>> numbers;
  for (const PlanParts &each : parts) {
    const SegmentFacts facts(each.plan);
    AIR_RETURN_IF_ERROR(facts.check(each.contents));
    AIR_RETURN_IF_ERROR(facts.checkKernels(each.kernels.size()));
    numbers.push_back(segments.add(each));
  }
  // placeOf[i][j] is the index of segment j of plan i in parts[i].kernels if
  // the segment contains kernels, and otherwise in parts[i].contents.
  std::vector<std::vector<size_t>> placeOf(parts.size());
  std::vector<plan::PlanT> plans;
  for (size_t i = 0; i < parts.size(); ++i) {
    size_t weights = 0;
    size_t kernels = 0;
    for (const auto &segment : parts[i].plan.segments) {
      placeOf[i].push_back(
          segment->kind == plan::SegmentKind::Kernels ? kernels++ : weights++);
    }
    plans.push_back(std::move(parts[i].plan));
  }
  AIR_ASSIGN_OR_RETURN(FatRecords fat, joinTargets(std::move(plans), numbers));
  const SegmentFacts facts(fat.shared);
  std::vector<SegmentContent> contents;
  std::vector<PackedPlace> packed;
  std::vector<std::span<const uint8_t>> kernels;
  for (size_t i = 0; i < fat.origins.size(); ++i) {
    const SegmentOrigin &origin = fat.origins[i];
    PlanParts &from = parts[origin.plan];
    const size_t place = placeOf[origin.plan][origin.segment];
    packed.push_back(from.packed.empty() ? PackedPlace{}
                                         : from.packed[origin.segment]);
    if (facts.kinds[i] == plan::SegmentKind::Kernels) {
      kernels.push_back(from.kernels[place]);
    } else if (!facts.weightless) {
      contents.push_back(std::move(from.contents[place]));
    }
  }
  AIR_ASSIGN_OR_RETURN(PlanWriter writer,
                       PlanWriter::create(std::move(output),
                                          std::move(fat.shared),
                                          std::move(fat.targets), threads));
  const KernelBytes compiled = {
      .wait = [&]() -> Result<std::vector<std::span<const uint8_t>>> {
        return kernels;
      },
      .isDone = [] { return true; }};
  AIR_ASSIGN_OR_RETURN(const uint64_t bytes,
                       writeSegments(std::move(writer), facts, contents, packed,
                                     compiled, source, threads, progress));
  return WrittenBytes{bytes, bytesOf(packed)};
}

} // namespace air::compiler
