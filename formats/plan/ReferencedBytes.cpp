//===- ReferencedBytes.cpp - segments made from a model's file ------------===//
#include "formats/plan/ReferencedBytes.h"

#include "formats/plan/Layout.h"
#include "formats/plan/PackLayout.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cstring>

namespace air {

namespace {

/// The largest range that makeAll() reads at once, unless a row block is
/// larger.
constexpr uint64_t kReadAtOnce = uint64_t{1} << 20;

} // namespace

uint64_t stagingBytes(uint64_t largestRowBlock) {
  constexpr uint64_t kLeast = uint64_t{1} << 20;
  constexpr uint64_t kHugePage = uint64_t{2} << 20;
  // The verifier has checked that the size of a segment fits in 63 bits, so the
  // size of a row block can be rounded up without overflow.
  const uint64_t slot = std::max(
      kLeast, alignUp(largestRowBlock, kPlanPageBytes) + 2 * kPlanPageBytes);
  const uint64_t all = checkedMul(slot, kReferenceReads).value_or(INT64_MAX);
  return alignUp(all, kHugePage);
}

uint64_t largestRowBlock(const plan::Plan &plan) {
  uint64_t largest = 0;
  for (const plan::Tensor *tensor : *plan.tensors()) {
    if (tensor->source_rows() != nullptr &&
        static_cast<Layout>(tensor->layout()) == Layout::X16) {
      const uint64_t row =
          *rowBytes(*dtypeFromId(tensor->dtype()), tensor->columns());
      largest =
          std::max(largest, std::min<uint64_t>(tensor->rows(), kX16Rows) * row);
    }
  }
  return largest;
}

ReferencedBytes::ReferencedBytes(const plan::Plan &plan)
    : segments(plan.segments()->size()), largest(air::largestRowBlock(plan)) {
  for (uint32_t i = 0; i < segments.size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    if (segment.stored_bytes() != 0) {
      Part part;
      part.end = segment.stored_bytes();
      part.isStored = true;
      part.stored = {kPlanFileNumber, segment.offset(), segment.stored_bytes()};
      segments[i].push_back(std::move(part));
    }
  }
  for (const plan::Tensor *tensor : *plan.tensors()) {
    if (tensor->source_rows() == nullptr) {
      continue;
    }
    // The verifier has checked dtype, layout and all sizes, so the lookups
    // below cannot fail.
    Part part;
    part.begin = tensor->offset();
    part.end = tensor->offset() + tensor->bytes();
    part.dtype = *dtypeFromId(tensor->dtype());
    part.isX16 = static_cast<Layout>(tensor->layout()) == Layout::X16;
    part.columns = tensor->columns();
    part.rowBytes = *rowBytes(part.dtype, part.columns);
    part.rowCount = tensor->rows();
    uint64_t row = 0;
    for (const plan::SourceRows *rows : *tensor->source_rows()) {
      part.rows.push_back(
          {row,
           row + rows->rows(),
           {rows->source() + 1, rows->offset(), rows->rows() * part.rowBytes}});
      row += rows->rows();
    }
    segments[tensor->segment()].push_back(std::move(part));
  }
  for (std::vector<Part> &parts : segments) {
    std::sort(parts.begin(), parts.end(),
              [](const Part &a, const Part &b) { return a.begin < b.begin; });
  }
}

/// Returns the part that contains the byte at `offset`, or else the first part
/// after it. Returns null if no part ends after `offset`.
const ReferencedBytes::Part *ReferencedBytes::partAt(uint32_t segment,
                                                     uint64_t offset) const {
  const std::vector<Part> &parts = segments[segment];
  auto found = std::upper_bound(
      parts.begin(), parts.end(), offset,
      [](uint64_t wanted, const Part &part) { return wanted < part.end; });
  return found == parts.end() ? nullptr : &*found;
}

/// The run that begins at `offset`, a byte of the tensor `part`, and ends at
/// `end` or earlier, within the tensor.
ReferencedBytes::Run ReferencedBytes::runOfRows(const Part &part,
                                                uint64_t offset, uint64_t end,
                                                uint64_t mostBytes) {
  const uint64_t begin = offset - part.begin;
  const uint64_t blockRows = part.isX16 ? kX16Rows : 1;
  const uint64_t blockBytes = blockRows * part.rowBytes;
  const uint64_t firstRow = begin / blockBytes * blockRows;
  const Rows &rows = *std::upper_bound(
      part.rows.begin(), part.rows.end(), firstRow,
      [](uint64_t row, const Rows &some) { return row < some.end; });
  if (!part.isX16) {
    const uint64_t skipped = begin - rows.first * part.rowBytes;
    const uint64_t bytes =
        std::min({end - offset, rows.from.bytes - skipped, mostBytes});
    return {bytes, {rows.from.file, rows.from.offset + skipped, bytes}};
  }
  const uint64_t wanted =
      std::min(ceilDiv(end - part.begin, blockBytes) * kX16Rows, part.rowCount);
  const uint64_t mostBlocks =
      std::min<uint64_t>(mostBytes, INT64_MAX) / blockBytes;
  const uint64_t most = firstRow + std::max<uint64_t>(mostBlocks, 1) * kX16Rows;
  uint64_t endRow = std::min({wanted, most, rows.end});
  if (endRow != part.rowCount && endRow - firstRow > kX16Rows) {
    // If `rows` ends within a row block, the other rows of this block are in
    // another file range. The run then ends before this block, unless this is
    // its only block.
    endRow -= (endRow - firstRow) % kX16Rows;
  }
  const uint64_t blocks = ceilDiv(endRow - firstRow, kX16Rows);
  return {std::min(end, part.begin + firstRow * part.rowBytes +
                            blocks * blockBytes) -
              offset,
          {rows.from.file,
           rows.from.offset + (firstRow - rows.first) * part.rowBytes,
           (endRow - firstRow) * part.rowBytes}};
}

ReferencedBytes::Run ReferencedBytes::next(uint32_t segment, uint64_t offset,
                                           uint64_t end,
                                           uint64_t mostBytes) const {
  const Part *part = partAt(segment, offset);
  if (part == nullptr || part->begin >= end) {
    return {end - offset, {}};
  }
  const uint64_t begin = std::max(offset, part->begin);
  const uint64_t endOfPart = std::min(end, part->end);
  Run run;
  if (part->isStored) {
    run.bytes = std::min(endOfPart - begin, mostBytes);
    run.from = {part->stored.file, part->stored.offset + begin, run.bytes};
  } else {
    run = runOfRows(*part, begin, endOfPart, mostBytes);
  }
  // The run includes the zeros before the part and, if it reaches the end of
  // the part, the zeros after it. They are not read from a file.
  if (begin + run.bytes == part->end) {
    const Part *after = partAt(segment, part->end);
    run.bytes = std::min(after == nullptr ? end : after->begin, end) - begin;
  }
  run.bytes += begin - offset;
  return run;
}

/// Fills `to` with the bytes of the segment from `offset` on, all of which must
/// belong to the tensor `part`, whose layout is x16. `from` has rows of the
/// tensor as they are in the model's file, beginning with the first row of the
/// row block that contains the byte at `offset`. If `from` does not contain all
/// rows of the last row block, `read` is called to read the missing rows.
Status ReferencedBytes::makeRowBlocks(const Part &part, uint64_t offset,
                                      std::span<uint8_t> to,
                                      std::span<const uint8_t> from,
                                      const ReadFile &read) {
  const uint64_t blockBytes = kX16Rows * part.rowBytes;
  std::vector<uint8_t> block;
  std::vector<uint8_t> joined;
  while (!to.empty()) {
    const uint64_t begin = offset - part.begin;
    const uint64_t inBlock = begin % blockBytes;
    const uint64_t firstRow = begin / blockBytes * kX16Rows;
    const uint64_t whole =
        inBlock != 0 ? 0
                     : std::min(to.size(), from.size()) / blockBytes * kX16Rows;
    if (whole != 0) {
      const uint64_t bytes = whole * part.rowBytes;
      packRows(part.dtype, Layout::X16, whole, part.columns, from.first(bytes),
               to.first(bytes));
      from = from.subspan(bytes);
      to = to.subspan(bytes);
      offset += bytes;
      continue;
    }
    // Only a part of this row block was requested, or only a part of its rows
    // was read into `from`. The whole row block is assembled in `block`, and
    // the requested bytes are copied from there.
    const uint64_t rows =
        std::min<uint64_t>(kX16Rows, part.rowCount - firstRow);
    const uint64_t bytes = rows * part.rowBytes;
    std::span<const uint8_t> source = from.first(std::min(from.size(), bytes));
    from = from.subspan(source.size());
    if (source.size() < bytes) {
      joined.assign(source.begin(), source.end());
      joined.resize(bytes);
      for (const Rows &some : part.rows) {
        const uint64_t first =
            std::max(some.first, firstRow + source.size() / part.rowBytes);
        const uint64_t end = std::min(some.end, firstRow + rows);
        if (first < end) {
          AIR_RETURN_IF_ERROR(
              read(some.from.file,
                   some.from.offset + (first - some.first) * part.rowBytes,
                   std::span(joined).subspan((first - firstRow) * part.rowBytes,
                                             (end - first) * part.rowBytes)));
        }
      }
      source = joined;
    }
    block.resize(blockBytes);
    packRows(part.dtype, Layout::X16, rows, part.columns, source, block);
    const uint64_t taken = std::min<uint64_t>(blockBytes - inBlock, to.size());
    std::memcpy(to.data(), block.data() + inBlock, taken);
    to = to.subspan(taken);
    offset += taken;
  }
  return Status::ok();
}

Status ReferencedBytes::make(uint32_t segment, uint64_t offset,
                             std::span<uint8_t> to,
                             std::span<const uint8_t> from,
                             const ReadFile &read) const {
  const Part *part = partAt(segment, offset);
  const uint64_t end = offset + to.size();
  if (part == nullptr || part->begin >= end) {
    std::fill(to.begin(), to.end(), 0);
    return Status::ok();
  }
  const uint64_t begin = std::max(offset, part->begin);
  const uint64_t endOfPart = std::min(end, part->end);
  std::fill_n(to.data(), begin - offset, 0);
  std::fill_n(to.data() + (endOfPart - offset), end - endOfPart, 0);
  const std::span<uint8_t> made = to.subspan(begin - offset, endOfPart - begin);
  if (part->isStored || !part->isX16) {
    std::memcpy(made.data(), from.data(), made.size());
    return Status::ok();
  }
  return makeRowBlocks(*part, begin, made, from, read);
}

Status ReferencedBytes::makeAll(uint32_t segment, uint64_t offset,
                                std::span<uint8_t> to,
                                const ReadFile &read) const {
  std::vector<uint8_t> from;
  while (!to.empty()) {
    const Run run = next(segment, offset, offset + to.size(), kReadAtOnce);
    from.resize(run.from.bytes);
    if (run.from.bytes != 0) {
      AIR_RETURN_IF_ERROR(read(run.from.file, run.from.offset, from));
    }
    AIR_RETURN_IF_ERROR(make(segment, offset, to.first(run.bytes), from, read));
    to = to.subspan(run.bytes);
    offset += run.bytes;
  }
  return Status::ok();
}

} // namespace air
