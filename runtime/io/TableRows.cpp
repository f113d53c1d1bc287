//===- TableRows.cpp - single rows of tables that stay on disk ------------===//
#include "runtime/io/TableRows.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

namespace {

void advise(std::span<const uint8_t> bytes, int advice) {
  // The advice affects only the speed, so a failure is ignored. Without
  // MADV_WILLNEED, the pages are read when they are touched.
  (void)madvise(const_cast<uint8_t *>(bytes.data()), bytes.size(), advice);
}

} // namespace

TableRows::TableRows(const PlanFile &plan)
    : file(plan), tables(plan.plan().segments()->size()) {}

/// Asks the system to read the pages that contain `range`, without waiting for
/// them. If the first or the last chunk of the range has not been verified yet,
/// asks for the whole chunk.
void TableRows::ask(const Table &table, const SegmentRange &range) {
  const plan::Segment &segment = *file.plan().segments()->Get(range.segment);
  uint64_t chunk = segment.digest_chunk();
  uint64_t begin = range.offset / kPlanPageBytes * kPlanPageBytes;
  uint64_t end = alignUp(range.offset + range.bytes, kPlanPageBytes);
  if (!table.verified[range.offset / chunk]) {
    begin = range.offset / chunk * chunk;
  }
  uint64_t last = (range.offset + range.bytes - 1) / chunk;
  if (!table.verified[last]) {
    end = (last + 1) * chunk;
  }
  end = std::min(end, alignUp(segment.stored_bytes(), kPlanPageBytes));
  advise(file.bytes().subspan(segment.offset() + begin, end - begin),
         MADV_WILLNEED);
  needed += end - begin;
}

Status TableRows::require(std::span<const SegmentRange> ranges) {
  for (const SegmentRange &range : ranges) {
    Table &table = tables[range.segment];
    const plan::Segment &segment = *file.plan().segments()->Get(range.segment);
    if (!table.isUsed) {
      table.isUsed = true;
      table.verified.resize(
          ceilDiv(segment.stored_bytes(), segment.digest_chunk()));
      // The rows are far apart, so the system should not read ahead past a
      // row.
      advise(file.segmentBytes(range.segment), MADV_RANDOM);
    }
    ask(table, range);
  }
  for (const SegmentRange &range : ranges) {
    Table &table = tables[range.segment];
    uint64_t chunk = file.plan().segments()->Get(range.segment)->digest_chunk();
    uint64_t last = (range.offset + range.bytes - 1) / chunk;
    for (uint64_t i = range.offset / chunk; i <= last; ++i) {
      if (!table.verified[i]) {
        AIR_RETURN_IF_ERROR(file.verifyChunk(range.segment, i));
        table.verified[i] = true;
      }
    }
  }
  return Status::ok();
}

void TableRows::endPass() {
  if (needed - neededAtDrop <= kCachedBytes) {
    return;
  }
  neededAtDrop = needed;
  for (uint32_t i = 0; i < tables.size(); ++i) {
    if (tables[i].isUsed) {
      file.dropFromCache(i);
    }
  }
}
