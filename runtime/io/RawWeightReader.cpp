//===- RawWeightReader.cpp - a reader of raw bytes of weights -------------===//
#include "runtime/io/RawWeightReader.h"

#include "formats/support/CheckedMath.h"
#include "runtime/io/BlockProgress.h"
#include "runtime/io/HugePages.h"
#include "runtime/io/StreamSchedule.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

RawWeightReader::RawWeightReader(const plan::Plan &plan, IoMethod method,
                                 uint32_t depth)
    : ThreadedReader(method, depth) {
  const std::vector<uint64_t> offsets = rawOffsets(plan);
  for (uint32_t i = 0; i < offsets.size(); ++i) {
    if (plan.segments()->Get(i)->kind() == plan::SegmentKind::Weights) {
      begins.emplace_back(offsets[i], i);
    }
  }
}

RawWeightReader::~RawWeightReader() {
  if (memory != nullptr) {
    munmap(memory, memoryBytes);
  }
}

Status RawWeightReader::allocateStaging(uint64_t bytes) {
  const uint64_t mapped = bytes + kHugePageBytes;
  void *region = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return doesNotFitError(
        "cannot allocate " + std::to_string(bytes) +
        " bytes of memory for reading weights: " + std::strerror(errno));
  }
  // Unmaps all but `memory`, so that no huge page extends beyond it.
  auto *first = static_cast<uint8_t *>(region);
  memory = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(region), kHugePageBytes));
  memoryBytes = alignUp(bytes, kBlockAlignment);
  partBytes = bytes / depth() / kBlockAlignment * kBlockAlignment;
  if (memory != first) {
    munmap(first, static_cast<uint64_t>(memory - first));
  }
  if (memory + memoryBytes != first + mapped) {
    munmap(memory + memoryBytes,
           static_cast<uint64_t>(first + mapped - memory) - memoryBytes);
  }
  // A failure is ignored: huge pages only make reading faster.
  (void)madvise(memory, memoryBytes, MADV_HUGEPAGE);
  std::memset(memory, 0, memoryBytes);
  collapseToHugePages(memory, memoryBytes);
  return Status::ok();
}

RawWeightReader::Place RawWeightReader::placeOf(uint64_t offset) const {
  const auto next = std::upper_bound(
      begins.begin(), begins.end(), offset,
      [](uint64_t wanted, const auto &begin) { return wanted < begin.first; });
  const auto &[begin, segment] = *std::prev(next);
  return {segment, offset - begin};
}

Result<std::span<const uint8_t>>
RawWeightReader::readRange(const BlockFile &file, uint64_t offset,
                           uint64_t bytes, uint8_t *to) {
  BlockRequest request;
  request.offset = offset / kBlockAlignment * kBlockAlignment;
  const uint64_t end = alignUp(offset + bytes, kBlockAlignment);
  // The last block of a file may be shorter. If the file itself has become
  // shorter, the read reports it.
  request.bytes =
      std::max(std::min(end, file.size()), offset + bytes) - request.offset;
  request.to = to;
  uint64_t count = 0;
  const BlockDone done = readBlock(file, request, count);
  countBytes(count);
  if (method() == IoMethod::Buffered) {
    (void)posix_fadvise(file.descriptor(), static_cast<off_t>(request.offset),
                        static_cast<off_t>(end - request.offset),
                        POSIX_FADV_DONTNEED);
  }
  AIR_RETURN_IF_ERROR(done.status);
  return std::span<const uint8_t>(to + (offset - request.offset), bytes);
}
