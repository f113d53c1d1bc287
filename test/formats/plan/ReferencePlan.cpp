//===- ReferencePlan.cpp - the small plan without its matrices ------------===//
#include "ReferencePlan.h"

#include "formats/dtype/DType.h"
#include "formats/plan/Layout.h"
#include "formats/plan/PackLayout.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"

#include <algorithm>

namespace air::test {

namespace {

constexpr uint64_t kHeaderBytes = 96;

/// Appends `count` random rows of the tensor to the source, and to `rows`.
void addRows(ReferencePlan &made, plan::TensorT &tensor, uint64_t count,
             std::vector<uint8_t> &rows) {
  auto run = std::make_unique<plan::SourceRowsT>();
  run->offset = made.source.size();
  run->rows = count;
  const uint64_t bytes =
      count * *rowBytes(*dtypeFromId(tensor.dtype), tensor.columns);
  auto seed = static_cast<uint32_t>(made.source.size());
  for (uint64_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525 + 1013904223;
    rows.push_back(static_cast<uint8_t>(seed >> 24));
    made.source.push_back(rows.back());
  }
  // What lies between tensors in the file must not matter.
  made.source.insert(made.source.end(), 32 + count % 5, 0xee);
  tensor.source_rows.push_back(std::move(run));
}

void leaveOut(ReferencePlan &made, size_t index,
              std::initializer_list<uint64_t> counts) {
  plan::TensorT &tensor = *made.small.plan.tensors[index];
  std::vector<uint8_t> rows;
  for (uint64_t count : counts) {
    addRows(made, tensor, count, rows);
  }
  std::vector<uint8_t> packed(tensor.bytes);
  packRows(*dtypeFromId(tensor.dtype), static_cast<Layout>(tensor.layout),
           tensor.rows, tensor.columns, rows, packed);
  std::copy(packed.begin(), packed.end(),
            made.raw[tensor.segment].begin() +
                static_cast<std::ptrdiff_t>(tensor.offset));
}

} // namespace

ReferencePlan makeReferencePlan(uint64_t tableRows) {
  ReferencePlan made;
  made.small = makeSmallPlan();
  plan::PlanT &plan = made.small.plan;
  plan.reference = true;
  made.raw = made.small.segments;
  plan::TensorT &table = *plan.tensors[4];
  table.rows = tableRows;
  table.bytes = *layoutBytes(*dtypeFromId(table.dtype), Layout::Rows, tableRows,
                             table.columns);
  plan.segments[3]->raw_bytes = table.bytes;
  plan.placements[0]->resident[3] = table.bytes;
  plan.placements[0]->items[0]->bytes += table.bytes;
  plan.placements[0]->budgets[0]->bytes += table.bytes;
  made.raw[3].resize(table.bytes);
  made.source.assign(kHeaderBytes, 0x11);
  // The vector of the first segment (128 bytes) stays in the plan.
  leaveOut(made, 1, {21, 1, 42});
  leaveOut(made, 2, {32});
  leaveOut(made, 3, {40});
  leaveOut(made, 4, {tableRows});
  for (uint32_t i : {0, 1, 3}) {
    plan::SegmentT &segment = *plan.segments[i];
    segment.stored_bytes = i == 0 ? 128 : 0;
    made.small.segments[i].resize(segment.stored_bytes);
    std::vector<uint8_t> pages = made.raw[i];
    pages.resize(alignUp(pages.size(), kPlanPageBytes));
    segment.digests = chunkDigests(pages, segment.digest_chunk);
  }
  plan::SourceT &source = *plan.sources[0];
  source.name = "small.gguf";
  source.bytes = made.source.size();
  source.header_bytes = kHeaderBytes;
  const Digest digest = digestOf(std::span(made.source).first(kHeaderBytes));
  source.digest.assign(digest.begin(), digest.end());
  // The source is read through a staging buffer, which the budget includes.
  for (const auto &placement : plan.placements) {
    placement->items.push_back(std::make_unique<plan::BudgetItemT>());
    placement->items.back()->name = "staging";
    placement->items.back()->bytes = uint64_t{8} << 20;
    placement->budgets[0]->bytes += uint64_t{8} << 20;
  }
  made.small.fileBytes = *placeSegments(plan, metadataOf(plan).size());
  return made;
}

void makeReference(SmallPlan &small) { small = makeReferencePlan().small; }

} // namespace air::test
