//===- SourceReader.cpp - blocks made from a model's file -----------------===//
#include "runtime/io/SourceReader.h"

#include "runtime/io/BlockProgress.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// Reads one block of the file, to find out whether the system can read the
/// file with this method.
Status tryOneBlock(const BlockFile &file) {
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(2 * kBlockAlignment, 2 * kBlockAlignment), &std::free);
  if (memory == nullptr) {
    return ioError("cannot allocate memory for a trial read of one block");
  }
  // The address and, unless the file has only one block, the offset are aligned
  // to kBlockAlignment, but to no larger power of two, so that the trial fails
  // if the device requires more.
  BlockRequest request;
  const uint64_t size = file.size();
  request.offset = size > kBlockAlignment ? kBlockAlignment : 0;
  request.bytes = std::min(kBlockAlignment, size - request.offset);
  request.to = static_cast<uint8_t *>(memory.get()) + kBlockAlignment;
  uint64_t count = 0;
  return readBlock(file, request, count).status;
}

} // namespace

Result<OpenedReader> SourceReader::open(const PlanFile &plan,
                                        const SourceFiles &sources,
                                        const ReferencedBytes &bytes,
                                        IoMethod wanted) {
  std::string reason;
  for (IoMethod method : {IoMethod::Pread, IoMethod::Buffered}) {
    if (method < wanted) {
      continue;
    }
    std::unique_ptr<SourceReader> reader(
        new SourceReader(plan, sources, bytes, method));
    if (Status opened = reader->openFiles(plan); !opened.isOk()) {
      if (method == IoMethod::Buffered) {
        return opened;
      }
      reason = opened.message();
      continue;
    }
    AIR_RETURN_IF_ERROR(
        reader->allocateStaging(stagingBytes(bytes.largestRowBlock())));
    reader->startThreads(kReferenceReads);
    OpenedReader opened{std::move(reader), ""};
    if (!reason.empty()) {
      opened.note = "the weights are read with the buffered method instead of "
                    "pread: " +
                    reason;
    }
    return opened;
  }
  return internalError("the reference plan cannot be read, because no method "
                       "of reading is left to try");
}

Status SourceReader::openFiles(const PlanFile &plan) {
  const auto add = [&](int descriptor, const std::string &path) -> Status {
    AIR_ASSIGN_OR_RETURN(BlockFile file,
                         BlockFile::reopen(descriptor, path, method()));
    if (method() != IoMethod::Buffered) {
      AIR_RETURN_IF_ERROR(tryOneBlock(file));
    }
    files.push_back(std::move(file));
    return Status::ok();
  };
  AIR_RETURN_IF_ERROR(add(plan.descriptor(), plan.name()));
  for (uint32_t i = 0; i < sources.count(); ++i) {
    AIR_RETURN_IF_ERROR(add(sources.file(i).file(), sources.file(i).path()));
  }
  return Status::ok();
}

uint64_t SourceReader::sizeOfBlock(uint64_t offset, uint64_t most,
                                   uint64_t wanted) const {
  const auto [segment, at] = placeOf(offset);
  return bytes.next(segment, at, at + most, std::min(wanted, largestRange()))
      .bytes;
}

Status SourceReader::make(const BlockRequest &request, uint32_t thread) {
  const ReadFile readOther = [&](uint32_t file, uint64_t offset,
                                 std::span<uint8_t> to) {
    countBytes(to.size());
    return sources.read(file - 1, offset, to);
  };
  auto [segment, at] = placeOf(request.offset);
  std::span<uint8_t> to(request.to, request.bytes);
  while (!to.empty()) {
    const ReferencedBytes::Run run =
        bytes.next(segment, at, at + to.size(), largestRange());
    std::span<const uint8_t> from;
    if (run.from.bytes != 0) {
      AIR_ASSIGN_OR_RETURN(from,
                           readRange(files[run.from.file], run.from.offset,
                                     run.from.bytes, staging(thread).data()));
    }
    AIR_RETURN_IF_ERROR(
        bytes.make(segment, at, to.first(run.bytes), from, readOther));
    at += run.bytes;
    to = to.subspan(run.bytes);
  }
  return Status::ok();
}
