//===- PackedSegments.cpp - compares the segments of plans ----------------===//
#include "compiler/emit/PackedSegments.h"

#include "formats/plan/Layout.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/CountText.h"
#include "formats/support/Digest.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <map>

namespace air::compiler {

namespace {

/// Returns the revision of the layouts t16 and t16i that `fingerprint`, the
/// codegen_fingerprint of a plan, states, or "" if it states none.
std::string t16RevisionOf(const std::string &fingerprint) {
  const std::string before = ", t16 ";
  const size_t at = fingerprint.find(before);
  if (at == std::string::npos) {
    return "";
  }
  const size_t first = at + before.size();
  return fingerprint.substr(first, fingerprint.find(',', first) - first);
}

/// For each segment, a text that is equal for segments with equal content, or
/// "" for a segment that cannot be copied.
std::vector<std::string>
contentKeys(const std::vector<std::unique_ptr<plan::SegmentT>> &segments,
            const std::vector<std::unique_ptr<plan::TensorT>> &tensors,
            const std::string &fingerprint) {
  std::vector<std::map<uint64_t, std::string>> tensorsOf(segments.size());
  for (const auto &tensor : tensors) {
    std::string text = tensor->name;
    for (const uint64_t number :
         {uint64_t{tensor->dtype}, uint64_t{tensor->layout}, tensor->rows,
          tensor->columns, tensor->offset, tensor->bytes}) {
      text += ' ' + std::to_string(number);
    }
    if (isForGpus(static_cast<Layout>(tensor->layout))) {
      text += " revision " + t16RevisionOf(fingerprint);
    }
    tensorsOf[tensor->segment][tensor->offset] = std::move(text);
  }
  std::vector<std::string> keys;
  for (size_t i = 0; i < segments.size(); ++i) {
    const plan::SegmentT &segment = *segments[i];
    std::string key;
    if (segment.kind != plan::SegmentKind::Kernels &&
        segment.codec == plan::Codec::None &&
        segment.stored_bytes == segment.raw_bytes) {
      key = std::to_string(static_cast<int>(segment.kind)) + ' ' +
            std::to_string(segment.raw_bytes);
      for (const auto &[offset, text] : tensorsOf[i]) {
        key += '\n' + text;
      }
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

/// Like the overload above, but for a plan as it is stored in a file.
std::vector<std::string> contentKeys(const plan::Plan &plan) {
  std::vector<std::unique_ptr<plan::SegmentT>> segments;
  for (const plan::Segment *segment : *plan.segments()) {
    segments.emplace_back(segment->UnPack());
  }
  std::vector<std::unique_ptr<plan::TensorT>> tensors;
  for (const plan::Tensor *tensor : *plan.tensors()) {
    tensors.emplace_back(tensor->UnPack());
  }
  std::vector<std::string> keys =
      contentKeys(segments, tensors, plan.codegen_fingerprint()->str());
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i]->digest_chunk != digestChunkBytes(segments[i]->kind)) {
      keys[i].clear();
    }
  }
  return keys;
}

/// How a file of the model is described in a message.
std::string describe(const plan::SourceT &source) {
  Digest digest{};
  std::copy_n(source.digest.begin(),
              std::min(source.digest.size(), digest.size()), digest.begin());
  return std::to_string(source.bytes) + " bytes and a header with the digest " +
         toHex(digest);
}

Status checkSameFiles(const PlanFile &file, const ModelSource &source) {
  const auto wanted = sourceRecords(source);
  const auto *found = file.plan().sources();
  const size_t count = found == nullptr ? 0 : found->size();
  const std::string advice =
      "; name a plan of this model, or pack all weights anew";
  if (count != wanted.size()) {
    return usageError("the plan was made from " + countOf(count, "file") +
                      ", but the model has " + std::to_string(wanted.size()) +
                      advice);
  }
  for (uint32_t i = 0; i < count; ++i) {
    const std::unique_ptr<plan::SourceT> other(found->Get(i)->UnPack());
    if (other->bytes != wanted[i]->bytes ||
        other->digest != wanted[i]->digest) {
      return usageError(
          "the plan was made from another model, whose file has " +
          describe(*other) + ", but '" + source.files[i].path() + "' has " +
          describe(*wanted[i]) + advice);
    }
  }
  return Status::ok();
}

} // namespace

std::vector<std::unique_ptr<plan::SourceT>>
sourceRecords(const ModelSource &source) {
  std::vector<std::unique_ptr<plan::SourceT>> records;
  // The digest covers the header and the index of a source file, which end
  // where the file's first tensor begins.
  std::vector<uint64_t> ends;
  for (const MappedFile &file : source.files) {
    ends.push_back(file.bytes().size());
  }
  for (const auto &[name, tensor] : source.tensors) {
    if (tensor.file < ends.size()) {
      ends[tensor.file] = std::min(ends[tensor.file], tensor.fileOffset);
    }
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    const MappedFile &file = source.files[i];
    auto record = std::make_unique<plan::SourceT>();
    record->bytes = file.bytes().size();
    record->header_bytes = ends[i];
    Digest digest = digestOf(file.bytes().first(ends[i]));
    record->digest.assign(digest.begin(), digest.end());
    records.push_back(std::move(record));
  }
  return records;
}

Result<PlanFile> openPacked(const std::string &path,
                            const ModelSource &source) {
  AIR_ASSIGN_OR_RETURN(PlanFile file, PlanFile::open(path));
  if (file.plan().weightless() || file.plan().reference()) {
    return usageError(inQuotes(file.name()) + ": a " +
                      (file.plan().reference() ? "reference" : "weightless") +
                      " plan does not contain the weights; name a plan that "
                      "was packed with them");
  }
  AIR_RETURN_IF_ERROR(
      checkSameFiles(file, source).withContext(inQuotes(file.name())));
  return file;
}

uint64_t bytesOf(std::span<const PackedPlace> places) {
  uint64_t bytes = 0;
  for (const PackedPlace &place : places) {
    bytes += place.plan == nullptr
                 ? 0
                 : place.plan->segmentBytes(place.segment).size();
  }
  return bytes;
}

Result<std::vector<PackedPlace>>
findPacked(const plan::PlanT &plan, const std::vector<SegmentContent> &contents,
           const std::vector<std::shared_ptr<const PlanFile>> &from) {
  std::map<std::string, PackedPlace> known;
  for (const std::shared_ptr<const PlanFile> &file : from) {
    const std::vector<std::string> keys = contentKeys(file->plan());
    for (size_t i = 0; i < keys.size(); ++i) {
      known.emplace(keys[i], PackedPlace{file.get(), static_cast<uint32_t>(i)});
    }
  }
  known.erase("");
  const std::vector<std::string> keys =
      contentKeys(plan.segments, plan.tensors, plan.codegen_fingerprint);
  std::vector<PackedPlace> places(keys.size());
  size_t next = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (plan.segments[i]->kind == plan::SegmentKind::Kernels) {
      continue;
    }
    const SegmentContent &content = contents[next++];
    if (const auto place = known.find(keys[i]); place != known.end()) {
      places[i] = place->second;
      const auto &[file, segment] = place->second;
      Status same = checkSamples(content, file->segmentBytes(segment));
      if (!same.isOk()) {
        // If the samples differ because the other plan is damaged,
        // verifySegment() says so.
        AIR_RETURN_IF_ERROR(file->verifySegment(segment));
        return same.withContext(inQuotes(file->name()) +
                                " was made from another model");
      }
    }
  }
  return places;
}

} // namespace air::compiler
