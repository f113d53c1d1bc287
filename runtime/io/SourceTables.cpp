//===- SourceTables.cpp - single rows of tables in a model's file ---------===//
#include "runtime/io/SourceTables.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

Result<std::unique_ptr<SourceTables>>
SourceTables::create(const PlanFile &plan, const SourceFiles &sources,
                     const ReferencedBytes &bytes) {
  std::unique_ptr<SourceTables> made(new SourceTables(plan, sources, bytes));
  const plan::Plan &root = plan.plan();
  for (const plan::Program *program : *root.programs()) {
    for (const plan::Step *step : *program->steps()) {
      if (step->kind() != plan::StepKind::Embed) {
        continue;
      }
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        for (const plan::Binding *binding : *dispatch->bindings()) {
          if (binding->kind() == plan::BindingKind::Tensor) {
            AIR_RETURN_IF_ERROR(made->reserve(
                root.tensors()->Get(binding->index())->segment()));
          }
        }
      }
    }
  }
  return made;
}

SourceTables::~SourceTables() {
  for (const Table &table : tables) {
    if (table.memory != nullptr) {
      munmap(table.memory, table.bytes);
    }
  }
}

/// Reserves addresses for the segment without taking memory for them.
Status SourceTables::reserve(uint32_t segment) {
  Table &table = tables[segment];
  if (table.memory != nullptr) {
    return Status::ok();
  }
  const plan::Segment &record = *file.plan().segments()->Get(segment);
  table.bytes = alignUp(record.raw_bytes(), kPlanPageBytes);
  void *region = mmap(nullptr, table.bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) {
    return doesNotFitError("cannot reserve " + std::to_string(table.bytes) +
                           " bytes of address space for segment '" +
                           record.name()->str() + "': " + std::strerror(errno));
  }
  table.memory = static_cast<uint8_t *>(region);
  // The rows that a pass needs are far apart, so most of a huge page would not
  // be needed.
  (void)madvise(region, table.bytes, MADV_NOHUGEPAGE);
  table.verified.resize(file.chunkCount(segment));
  table.present.resize(table.bytes / kPlanPageBytes);
  return Status::ok();
}

/// Asks the system to read the bytes of the source files from which the bytes
/// of `range` are computed. Returns without waiting for them.
void SourceTables::ask(const SegmentRange &range) {
  const uint64_t end = range.offset + range.bytes;
  for (uint64_t at = range.offset; at < end;) {
    const ReferencedBytes::Run run =
        bytes.next(range.segment, at, end, UINT64_MAX);
    if (run.from.bytes != 0 && run.from.file != kPlanFileNumber) {
      (void)posix_fadvise(sources.file(run.from.file - 1).file(),
                          static_cast<off_t>(run.from.offset),
                          static_cast<off_t>(run.from.bytes),
                          POSIX_FADV_WILLNEED);
    }
    at += run.bytes;
  }
}

/// Converts the bytes [begin, end) of the segment, which are whole pages of one
/// chunk.
Status SourceTables::makePages(uint32_t segment, uint64_t begin, uint64_t end) {
  Table &table = tables[segment];
  const uint64_t chunkSize =
      file.plan().segments()->Get(segment)->digest_chunk();
  const uint64_t index = begin / chunkSize;
  const std::span<uint8_t> to(table.memory + begin, end - begin);
  if (table.verified[index]) {
    needed += to.size();
    return bytes.makeAll(segment, begin, to, read);
  }
  chunk.resize(file.chunkBytes(segment, index));
  needed += chunk.size();
  AIR_RETURN_IF_ERROR(bytes.makeAll(segment, index * chunkSize, chunk, read));
  AIR_RETURN_IF_ERROR(file.verifyChunk(segment, index, chunk));
  table.verified[index] = true;
  std::memcpy(to.data(), chunk.data() + (begin - index * chunkSize), to.size());
  return Status::ok();
}

Status SourceTables::require(std::span<const SegmentRange> ranges) {
  for (const SegmentRange &range : ranges) {
    ask(range);
  }
  for (const SegmentRange &range : ranges) {
    Table &table = tables[range.segment];
    const uint64_t chunkSize =
        file.plan().segments()->Get(range.segment)->digest_chunk();
    const uint64_t end = range.offset + range.bytes;
    for (uint64_t at = range.offset; at < end;) {
      // Converts the pages from `at` to the end of the range or of the chunk,
      // whichever comes first.
      const uint64_t first = at / kPlanPageBytes;
      const uint64_t stop = std::min((at / chunkSize + 1) * chunkSize, end);
      const uint64_t last = ceilDiv(stop, kPlanPageBytes);
      const auto begin = table.present.begin() + static_cast<ptrdiff_t>(first);
      const auto behind = table.present.begin() + static_cast<ptrdiff_t>(last);
      if (std::find(begin, behind, false) != behind) {
        AIR_RETURN_IF_ERROR(makePages(range.segment, first * kPlanPageBytes,
                                      last * kPlanPageBytes));
        std::fill(begin, behind, true);
      }
      at = stop;
    }
  }
  return Status::ok();
}

void SourceTables::endPass(const plan::Placement &placement) {
  if (needed - neededAtDrop <= kCachedBytes) {
    return;
  }
  neededAtDrop = needed;
  for (uint32_t i = 0; i < tables.size(); ++i) {
    Table &table = tables[i];
    const bool isResident =
        file.plan().segments()->Get(i)->kind() == plan::SegmentKind::Table &&
        placement.resident()->Get(i) != 0;
    if (table.memory == nullptr || isResident) {
      continue;
    }
    (void)madvise(table.memory, table.bytes, MADV_DONTNEED);
    std::fill(table.present.begin(), table.present.end(), false);
    for (uint64_t at = 0; at < table.bytes;) {
      const ReferencedBytes::Run run =
          bytes.next(i, at, table.bytes, UINT64_MAX);
      if (run.from.bytes != 0 && run.from.file != kPlanFileNumber) {
        sources.file(run.from.file - 1)
            .dropFromCache(run.from.offset, run.from.bytes);
      }
      at += run.bytes;
    }
  }
}
