//===- SourceFiles.cpp - the model's files of a reference plan ------------===//
#include "formats/plan/SourceFiles.h"

#include "formats/support/CountText.h"
#include "formats/support/Digest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <unistd.h>

namespace air {

namespace {

namespace fs = std::filesystem;

constexpr const char *kWhatToDo = "; name the right file or its folder with "
                                  "--source, or pack the model again";

Status checkSource(const MappedFile &file, const plan::Source &source) {
  const std::string where = "'" + file.path() + "'";
  if (file.bytes().size() != source.bytes()) {
    return verificationError(
        where + " has " + std::to_string(file.bytes().size()) +
        " bytes, but the model from which the plan was made has " +
        std::to_string(source.bytes()) + kWhatToDo);
  }
  Digest recorded;
  std::copy_n(source.digest()->data(), recorded.size(), recorded.begin());
  const Digest found =
      digestOf(file.bytes().first(static_cast<size_t>(source.header_bytes())));
  if (found != recorded) {
    return verificationError(
        where +
        " is not the model from which the plan was made: the digest "
        "of its header is " +
        toHex(found) + ", but the plan records " + toHex(recorded) + kWhatToDo);
  }
  return Status::ok();
}

} // namespace

Result<SourceFiles> SourceFiles::open(const PlanFile &plan,
                                      const std::string &place) {
  const auto &sources = *plan.plan().sources();
  std::error_code error;
  const bool isFolder = place.empty() || fs::is_directory(place, error);
  if (!isFolder && sources.size() != 1) {
    return usageError("--source: the plan needs " +
                      countOf(sources.size(), "file") + ", but '" + place +
                      "' is not a folder; name the folder that contains them");
  }
  const fs::path folder =
      place.empty() ? fs::path(plan.name()).parent_path() : fs::path(place);
  SourceFiles opened;
  for (const plan::Source *source : sources) {
    const std::string path =
        isFolder ? (folder / source->name()->str()).string() : place;
    Result<MappedFile> file = MappedFile::open(path);
    if (!file) {
      return Status(file.status().code(),
                    file.status().message() +
                        " (the plan's weights are in this file)" + kWhatToDo);
    }
    AIR_RETURN_IF_ERROR(checkSource(*file, *source));
    opened.files.push_back(*std::move(file));
  }
  return opened;
}

Status SourceFiles::read(uint32_t source, uint64_t offset,
                         std::span<uint8_t> to) const {
  const MappedFile &file = files[source];
  while (!to.empty()) {
    const ssize_t got =
        pread(file.file(), to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return ioError(
          "cannot read " + std::to_string(to.size()) + " bytes at offset " +
          std::to_string(offset) + " of '" + file.path() + "': " +
          (got < 0 ? std::strerror(errno) : "the file has become shorter"));
    }
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
  return Status::ok();
}

ReadFile readerOf(const PlanFile &plan, const SourceFiles &sources) {
  return
      [&plan, &sources](uint32_t file, uint64_t offset, std::span<uint8_t> to) {
        if (file != kPlanFileNumber) {
          return sources.read(file - 1, offset, to);
        }
        std::memcpy(to.data(), plan.bytes().data() + offset, to.size());
        return Status::ok();
      };
}

Status verifyReferenced(const PlanFile &plan, const SourceFiles &sources,
                        const ReferencedBytes &bytes, uint32_t segment) {
  // Several chunks are assembled at once, because all rows of a row block have
  // to be read even for a chunk that contains only a part of it.
  constexpr uint64_t kAtOnce = uint64_t{8} << 20;
  const uint64_t chunk = plan.plan().segments()->Get(segment)->digest_chunk();
  const uint64_t chunks = plan.chunkCount(segment);
  const uint64_t group = std::max<uint64_t>(kAtOnce / chunk, 1);
  const ReadFile read = readerOf(plan, sources);
  std::vector<uint8_t> made;
  for (uint64_t first = 0; first < chunks; first += group) {
    const uint64_t last = std::min(first + group, chunks) - 1;
    made.resize((last - first) * chunk + plan.chunkBytes(segment, last));
    AIR_RETURN_IF_ERROR(bytes.makeAll(segment, first * chunk, made, read));
    for (uint64_t i = first; i <= last; ++i) {
      AIR_RETURN_IF_ERROR(plan.verifyChunk(
          segment, i,
          std::span(made).subspan((i - first) * chunk,
                                  plan.chunkBytes(segment, i))));
    }
  }
  return plan.verifySegment(segment);
}

Status SourceFiles::checkUnchanged() const {
  for (const MappedFile &file : files) {
    AIR_RETURN_IF_ERROR(file.checkUnchanged());
  }
  return Status::ok();
}

} // namespace air
