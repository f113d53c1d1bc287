//===- SourceReader.cpp - blocks made from a model's file -----------------===//
#include "runtime/io/SourceReader.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/BlockProgress.h"
#include "runtime/io/HugePages.h"
#include "runtime/io/StreamSchedule.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

namespace {

/// Reads one block of the file, to find out whether the system can.
Status tryOneBlock(const BlockFile &file) {
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(2 * kBlockAlignment, 2 * kBlockAlignment), &std::free);
  if (memory == nullptr) {
    return ioError("no memory for a block");
  }
  // The address is not a multiple of more than kBlockAlignment, and neither is
  // the offset, so that the trial fails if the device requires more.
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
        new SourceReader(sources, bytes, method));
    if (Status opened = reader->openFiles(plan); !opened.isOk()) {
      if (method == IoMethod::Buffered) {
        return opened;
      }
      reason = opened.message();
      continue;
    }
    const std::vector<uint64_t> offsets = rawOffsets(plan.plan());
    for (uint32_t i = 0; i < offsets.size(); ++i) {
      if (plan.plan().segments()->Get(i)->kind() ==
          plan::SegmentKind::Weights) {
        reader->begins.emplace_back(offsets[i], i);
      }
    }
    AIR_RETURN_IF_ERROR(reader->allocateStaging());
    reader->startThreads(kReferenceReads);
    OpenedReader opened{std::move(reader), ""};
    if (!reason.empty()) {
      opened.note = "the weights are read with the method buffered instead of "
                    "pread: " +
                    reason;
    }
    return opened;
  }
  return internalError("no method of reading is known");
}

SourceReader::~SourceReader() {
  stopThreads();
  if (mapped != nullptr) {
    munmap(mapped, mappedBytes);
  }
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

Status SourceReader::allocateStaging() {
  const uint64_t size = stagingBytes(bytes.largestRowBlock());
  mappedBytes = size + kHugePageBytes;
  void *region = mmap(nullptr, mappedBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return doesNotFitError("the system refuses " + std::to_string(size) +
                           " bytes of memory for reading (" +
                           std::strerror(errno) + ")");
  }
  mapped = region;
  staging = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(region), kHugePageBytes));
  (void)madvise(staging, size, MADV_HUGEPAGE);
  std::memset(staging, 0, size);
  collapseToHugePages(staging, size);
  slotBytes = size / kReferenceReads / kBlockAlignment * kBlockAlignment;
  return Status::ok();
}

/// The segment of weights that has the byte at `offset`, and its place there.
std::pair<uint32_t, uint64_t> SourceReader::placeOf(uint64_t offset) const {
  const auto next = std::upper_bound(
      begins.begin(), begins.end(), offset,
      [](uint64_t wanted, const auto &begin) { return wanted < begin.first; });
  const auto &[begin, segment] = *std::prev(next);
  return {segment, offset - begin};
}

uint64_t SourceReader::sizeOfBlock(uint64_t offset, uint64_t most,
                                   uint64_t wanted) const {
  const auto [segment, at] = placeOf(offset);
  return bytes
      .next(segment, at, at + most,
            std::min(wanted, slotBytes - 2 * kBlockAlignment))
      .bytes;
}

/// Reads a range of a file into the staging memory of the thread.
Result<std::span<const uint8_t>> SourceReader::readRange(const FileRange &range,
                                                         uint32_t thread) {
  const BlockFile &file = files[range.file];
  BlockRequest request;
  request.offset = range.offset / kBlockAlignment * kBlockAlignment;
  const uint64_t skipped = range.offset - request.offset;
  const uint64_t end = alignUp(range.offset + range.bytes, kBlockAlignment);
  // The last block of a file may be shorter. If the file itself has become
  // shorter, the read reports it.
  request.bytes =
      std::max(std::min(end, file.size()), range.offset + range.bytes) -
      request.offset;
  request.to = staging + thread * slotBytes;
  uint64_t count = 0;
  const BlockDone done = readBlock(file, request, count);
  countBytes(count);
  if (method() == IoMethod::Buffered) {
    (void)posix_fadvise(file.descriptor(), static_cast<off_t>(request.offset),
                        static_cast<off_t>(end - request.offset),
                        POSIX_FADV_DONTNEED);
  }
  AIR_RETURN_IF_ERROR(done.status);
  return std::span<const uint8_t>(request.to + skipped, range.bytes);
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
    const ReferencedBytes::Run run = bytes.next(
        segment, at, at + to.size(), slotBytes - 2 * kBlockAlignment);
    std::span<const uint8_t> from;
    if (run.from.bytes != 0) {
      AIR_ASSIGN_OR_RETURN(from, readRange(run.from, thread));
    }
    AIR_RETURN_IF_ERROR(
        bytes.make(segment, at, to.first(run.bytes), from, readOther));
    at += run.bytes;
    to = to.subspan(run.bytes);
  }
  return Status::ok();
}

BlockDone SourceReader::read(const BlockRequest &request, uint32_t thread) {
  return {request.id, make(request, thread)};
}
