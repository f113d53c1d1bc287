//===- PlacementCases.cpp - placements that break one rule each -----------===//
#include "PlanCases.h"

#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanHeader.h"

namespace air::test {

namespace {

/// A case that modifies the second placement, which streams the weights.
template <typename F> Change inStreamed(F change) {
  return [change](SmallPlan &small) { change(*small.plan.placements[1]); };
}

/// Adds a prediction for verify passes, which equals the one for decode passes.
plan::PredictionT &addVerify(plan::PlacementT &placement) {
  placement.predictions.push_back(
      std::make_unique<plan::PredictionT>(*placement.predictions[0]));
  placement.predictions.back()->phase = "verify";
  return *placement.predictions.back();
}

/// Gives the layer's segment three pages, of which the streaming placement
/// keeps the first in RAM. The ring has three pages, too:
///
///   read    segment  page  page of the ring  before step  after step
///   0       0        1     0                 1            -2 (attn_out)
///   1       0        2     1                 1            -2
///   2       1        0     2                 4            -1 (head)
///
/// Negative numbers are steps of the previous pass, counted from its end. Pages
/// 0 and 1 of the ring may be overwritten once step 3 (attn_out) of the
/// previous pass has run, and page 2 once its step 4 (the output head) has run.
void threePages(SmallPlan &small) {
  P &p = small.plan;
  plan::SegmentT &layer = *p.segments[0];
  layer.raw_bytes = layer.stored_bytes = 2 * kPlanPageBytes + 100;
  for (size_t i = 1; i < p.segments.size(); ++i) {
    p.segments[i]->offset += 2 * kPlanPageBytes;
  }
  small.fileBytes += 2 * kPlanPageBytes;
  p.placements[0]->resident[0] = layer.raw_bytes;
  p.placements[0]->items[0]->bytes += 2 * kPlanPageBytes + 100;
  plan::PlacementT &streamed = *p.placements[1];
  streamed.resident[0] = kPlanPageBytes;
  streamed.items[0]->bytes += kPlanPageBytes;
  streamed.ring_bytes = streamed.items[5]->bytes = 3 * kPlanPageBytes;
  streamed.reads.insert(
      streamed.reads.begin(),
      std::make_unique<plan::StreamReadT>(*streamed.reads[0]));
  const uint64_t offsets[] = {kPlanPageBytes, 2 * kPlanPageBytes, 0};
  const int64_t after[] = {-2, -2, -1};
  for (uint32_t i = 0; i < 3; ++i) {
    streamed.reads[i]->offset = offsets[i];
    streamed.reads[i]->ring_offset = i * kPlanPageBytes;
    streamed.reads[i]->after_step = after[i];
  }
}

/// Gives the layer of threePages() a codec. The layer's first chunk has two
/// pages, and the second chunk has one; both are stored uncompressed. The
/// second placement keeps no page of the layer in RAM. It reads the first page,
/// and then the other two. The first read therefore ends in the middle of a
/// chunk, which breaks the rule plan.stream.coded.
void codedPages(SmallPlan &small) {
  threePages(small);
  P &p = small.plan;
  plan::SegmentT &layer = *p.segments[0];
  layer.codec = plan::Codec::Planes;
  layer.digest_chunk = 2 * kPlanPageBytes;
  layer.digests.resize(32);
  layer.stored_bytes = 3 * kPlanPageBytes;
  layer.chunk_ends = {2, 3};
  plan::PlacementT &streamed = *p.placements[1];
  streamed.resident[0] = 0;
  streamed.reads[0]->offset = 0;
  streamed.reads[1]->offset = kPlanPageBytes;
  streamed.reads[1]->bytes = 2 * kPlanPageBytes;
  for (const auto &placement : p.placements) {
    auto staging = std::make_unique<plan::BudgetItemT>();
    staging->name = "staging";
    staging->tier = plan::Tier::Ram;
    staging->bytes = codedStagingBytes(layer.digest_chunk);
    placement->budgets[0]->bytes += staging->bytes;
    placement->items.push_back(std::move(staging));
  }
}

/// A case that modifies the streaming placement after threePages().
template <typename F> Change inThreePages(F change) {
  return [change](SmallPlan &small) {
    threePages(small);
    change(*small.plan.placements[1]);
  };
}

using Placement = plan::PlacementT;

void addTensorBinding(plan::DispatchT &dispatch, uint32_t tensor) {
  dispatch.bindings.push_back(std::make_unique<plan::BindingT>());
  dispatch.bindings.back()->index = tensor;
}

/// Gives the output head 40 rows of 1024 columns, which are 3 row blocks of
/// 9216 bytes, and divides it into two steps. Step 4 reads the first two
/// blocks, which end in the middle of page 4, and step 5 reads the third one.
/// Chunks are as small as pages. The ring has 8 pages. A read must be done
/// before one step begins, and may begin when another has ended; a negative
/// number is a step of the pass before:
///
///   read    segment  pages    page of the ring  done before  begins after
///   0       0        0        0                 1            -2
///   1       1        0 to 4   1                 4            3
///   2       1        5 and 6  6                 5            3
void headParts(SmallPlan &small) {
  P &p = small.plan;
  plan::TensorT &matrix = *p.tensors[3];
  matrix.columns = 1024;
  matrix.bytes = 3 * 9216;
  plan::SegmentT &head = *p.segments[1];
  head.raw_bytes = head.stored_bytes = matrix.bytes;
  head.digest_chunk = kPlanPageBytes;
  head.digests.resize(7 * 16);
  for (size_t i = 2; i < p.segments.size(); ++i) {
    p.segments[i]->offset += 6 * kPlanPageBytes;
  }
  small.fileBytes += 6 * kPlanPageBytes;
  p.placements[0]->resident[1] = head.raw_bytes;
  p.placements[0]->items[0]->bytes += 7 * kPlanPageBytes;
  splitHead(p);
  Placement &streamed = *p.placements[1];
  streamed.ring_bytes = streamed.items[5]->bytes = 8 * kPlanPageBytes;
  streamed.predictions.clear();
  streamed.reads[0]->after_step = -2;
  streamed.reads[1]->bytes = 5 * kPlanPageBytes;
  streamed.reads[1]->ring_offset = kPlanPageBytes;
  auto second = std::make_unique<plan::StreamReadT>(*streamed.reads[1]);
  second->offset = 5 * kPlanPageBytes;
  second->ring_offset = 6 * kPlanPageBytes;
  second->bytes = 2 * kPlanPageBytes;
  second->before_step = 5;
  streamed.reads.push_back(std::move(second));
}

/// Gives headParts() a ring of 5 pages:
///
///   read    segment  pages    page of the ring  before step  after step
///   0       0        0        0                 1            `after`
///   1       1        0 to 4   1 to 4, 0         4            3
///   2       1        5 and 6  1 and 2           5            4
///
/// Page 0 of the ring may be overwritten once step 5, the last one, has run.
Change headPartsInFivePages(int64_t after) {
  return [after](SmallPlan &small) {
    headParts(small);
    Placement &streamed = *small.plan.placements[1];
    streamed.ring_bytes = streamed.items[5]->bytes = 5 * kPlanPageBytes;
    streamed.reads[0]->after_step = after;
    streamed.reads[2]->ring_offset = kPlanPageBytes;
    streamed.reads[2]->after_step = 4;
  };
}

/// Gives the layer's segment two pages, which are chunks, too. attn_out, which
/// is step 3, needs the first page, and attn_in, which is step 1, needs the
/// second one, so a pass reads the second page before the first.
void backwards(SmallPlan &small) {
  P &p = small.plan;
  plan::SegmentT &layer = *p.segments[0];
  p.tensors[2]->offset = 0; // the matrix of attn_out
  p.tensors[0]->offset = kPlanPageBytes;
  p.tensors[1]->offset = kPlanPageBytes + p.tensors[0]->bytes;
  layer.raw_bytes = layer.stored_bytes =
      p.tensors[1]->offset + p.tensors[1]->bytes;
  layer.digest_chunk = kPlanPageBytes;
  layer.digests.resize(32);
  for (size_t i = 1; i < p.segments.size(); ++i) {
    p.segments[i]->offset += kPlanPageBytes;
  }
  small.fileBytes += kPlanPageBytes;
  p.placements[0]->resident[0] = layer.raw_bytes;
  p.placements[0]->items[0]->bytes += kPlanPageBytes;
  Placement &streamed = *p.placements[1];
  streamed.ring_bytes = streamed.items[5]->bytes = 3 * kPlanPageBytes;
  streamed.predictions.clear();
  streamed.reads.insert(
      streamed.reads.begin() + 1,
      std::make_unique<plan::StreamReadT>(*streamed.reads[0]));
  streamed.reads[0]->offset = kPlanPageBytes;
  streamed.reads[1]->before_step = 3;
  const int64_t after[] = {-4, -2, -1};
  for (uint32_t i = 0; i < 3; ++i) {
    streamed.reads[i]->ring_offset = i * kPlanPageBytes;
    streamed.reads[i]->after_step = after[i];
  }
}

/// Adds a second matrix of the same shape to the output head of headParts(),
/// from page 7 of its segment on. Each of the two steps reads rows of both
/// matrices, so the second step goes back to the first matrix:
///
///   read    segment  pages     page of the ring  before step  after step
///   0       0        0         0                 1            -2
///   1       1        0 to 4    1                 4            3
///   2       1        7 to 11   6                 4            3
///   3       1        5 and 6   11                5            3
///   4       1        12, 13    13                5            3
void twoHeadMatrices(SmallPlan &small) {
  headParts(small);
  P &p = small.plan;
  p.tensors.push_back(std::make_unique<plan::TensorT>(*p.tensors[3]));
  plan::TensorT &matrix = *p.tensors.back();
  matrix.name = "second";
  matrix.offset = 7 * kPlanPageBytes;
  plan::SegmentT &head = *p.segments[1];
  head.raw_bytes = head.stored_bytes = matrix.offset + matrix.bytes;
  head.digests.resize(14 * 16);
  for (size_t i = 2; i < p.segments.size(); ++i) {
    p.segments[i]->offset += 7 * kPlanPageBytes;
  }
  small.fileBytes += 7 * kPlanPageBytes;
  p.placements[0]->resident[1] = head.raw_bytes;
  p.placements[0]->items[0]->bytes += 7 * kPlanPageBytes;
  for (uint32_t program = 0; program < p.programs.size(); ++program) {
    for (const uint32_t step : {4, 5}) {
      addTensorBinding(dispatchOf(p, program, step),
                       static_cast<uint32_t>(p.tensors.size() - 1));
    }
  }
  Placement &streamed = *p.placements[1];
  streamed.ring_bytes = streamed.items[5]->bytes = 15 * kPlanPageBytes;
  auto &reads = streamed.reads;
  for (const size_t first : {1, 2}) {
    reads.push_back(std::make_unique<plan::StreamReadT>(*reads[first]));
    reads.back()->offset += matrix.offset;
  }
  std::swap(reads[2], reads[3]);
  uint64_t end = kPlanPageBytes;
  for (size_t i = 1; i < reads.size(); ++i) {
    reads[i]->ring_offset = end;
    end += reads[i]->bytes;
  }
}

template <typename F> Change inHeadParts(F change) {
  return [change](SmallPlan &small) {
    headParts(small);
    change(*small.plan.placements[1]);
  };
}

} // namespace

std::vector<Case> placementCases() {
  return {
      {"plan.placement.count", in([](P &p) {
         while (p.placements.size() <= 16) {
           p.placements.push_back(
               std::make_unique<Placement>(*p.placements[1]));
           p.placements.back()->budgets[0]->bytes -= p.placements.size();
         }
       })},
      {"plan.placement.order",
       in([](P &p) { std::swap(p.placements[0], p.placements[1]); })},
      {"plan.placement.order", in([](P &p) {
         p.placements[1]->budgets[0]->bytes =
             p.placements[0]->budgets[0]->bytes;
       })},
      {"plan.placement.order",
       in([](P &p) { p.placements[0]->budgets.clear(); })},
      {"plan.placement.order",
       in([](P &p) { p.placements[1]->budgets[0]->bytes = 0; })},
      {"plan.placement.resident",
       inStreamed([](Placement &p) { p.resident.pop_back(); })},
      {"plan.placement.resident",
       inStreamed([](Placement &p) { p.resident[0] = 1; })},
      {"plan.placement.resident",
       inStreamed([](Placement &p) { p.resident[0] = kPlanPageBytes; })},
      // Kernels must be in RAM. An embedding table must be in RAM as a whole or
      // not at all.
      {"plan.placement.resident",
       inStreamed([](Placement &p) { p.resident[2] = 0; })},
      {"plan.placement.resident",
       inThreePages([](Placement &p) { p.resident[3] = 1; })},
      {"plan.placement.ring",
       inStreamed([](Placement &p) { p.ring_bytes += 1; })},
      {"plan.placement.ring",
       inStreamed([](Placement &p) { p.ring_bytes = 0; })},
      {"plan.placement.ring",
       in([](P &p) { p.placements[0]->ring_bytes = kPlanPageBytes; })},
      {"plan.stream.complete",
       inStreamed([](Placement &p) { p.reads.pop_back(); })},
      {"plan.stream.complete",
       inStreamed([](Placement &p) { p.reads.erase(p.reads.begin()); })},
      {"plan.stream.order",
       inStreamed([](Placement &p) { std::swap(p.reads[0], p.reads[1]); })},
      {"plan.stream.order",
       inThreePages([](Placement &p) { std::swap(p.reads[0], p.reads[1]); })},
      {"plan.stream.ascending", backwards},
      {"plan.stream.complete", inStreamed([](Placement &p) {
         p.reads.push_back(std::make_unique<plan::StreamReadT>(*p.reads[1]));
       })},
      {"plan.stream.coded", codedPages},
      {"plan.placement.resident",
       [](SmallPlan &small) {
         codedPages(small);
         small.plan.placements[1]->resident[0] = kPlanPageBytes;
       }},
      {"plan.stream.complete", inThreePages([](Placement &p) {
         p.reads[1]->offset -= kPlanPageBytes;
       })},
      {"plan.stream.complete",
       inThreePages([](Placement &p) { p.resident[0] = 0; })},
      {"plan.stream.range",
       inStreamed([](Placement &p) { p.reads[0]->bytes = 0; })},
      {"plan.stream.range",
       inStreamed([](Placement &p) { p.reads[0]->bytes -= 1; })},
      {"plan.stream.range",
       inStreamed([](Placement &p) { p.reads[0]->bytes += kPlanPageBytes; })},
      {"plan.stream.range",
       inStreamed([](Placement &p) { p.reads[0]->ring_offset = 64; })},
      {"plan.stream.range", inStreamed([](Placement &p) {
         p.reads[0]->ring_offset = kPlanPageBytes;
       })},
      {"plan.stream.range", inThreePages([](Placement &p) {
         // The read would go past the end of the segment.
         p.reads[1]->bytes += kPlanPageBytes;
       })},
      {"plan.stream.before",
       inStreamed([](Placement &p) { p.reads[0]->before_step = 0; })},
      {"plan.stream.before",
       inStreamed([](Placement &p) { p.reads[1]->before_step = 5; })},
      {"plan.stream.after",
       inStreamed([](Placement &p) { p.reads[0]->after_step = 1; })},
      {"plan.stream.after",
       inStreamed([](Placement &p) { p.reads[0]->after_step = -6; })},
      {"plan.stream.after",
       inThreePages([](Placement &p) { p.reads[2]->after_step = -3; })},
      // The layer's read overwrites the output head's page before the output
      // head has run.
      {"plan.stream.overrun",
       inStreamed([](Placement &p) { p.reads[0]->after_step = -2; })},
      // The output head's read overwrites the layer's page, which step 3 still
      // needs.
      {"plan.stream.overrun",
       inStreamed([](Placement &p) { p.reads[1]->after_step = 2; })},
      {"plan.stream.overrun", inThreePages([](Placement &p) {
         p.ring_bytes = p.items[5]->bytes = 2 * kPlanPageBytes;
         p.reads[2]->ring_offset = 0;
       })},
      // The first page of this read overwrites the page of the output head in
      // the ring.
      {"plan.stream.overrun", inThreePages([](Placement &p) {
         p.ring_bytes = p.items[5]->bytes = 2 * kPlanPageBytes;
         p.reads[1]->bytes += kPlanPageBytes;
         p.reads.erase(p.reads.begin());
         p.reads[0]->offset -= kPlanPageBytes;
         p.reads[0]->ring_offset = p.reads[1]->ring_offset = kPlanPageBytes;
         p.reads[1]->after_step = 3;
       })},
      // These reads overrun nothing, but they do not fill the ring in order.
      {"plan.stream.fill", inThreePages([](Placement &p) {
         std::swap(p.reads[0]->ring_offset, p.reads[1]->ring_offset);
       })},
      {"plan.stream.fill", inThreePages([](Placement &p) {
         p.ring_bytes = p.items[5]->bytes = 4 * kPlanPageBytes;
         p.reads[2]->ring_offset = 3 * kPlanPageBytes;
       })},
      {"plan.stream.programs", in([](P &p) {
         p.programs[1]->steps.push_back(
             std::make_unique<plan::StepT>(*p.programs[1]->steps.back()));
       })},
      // In the second program, attn_in also reads the output head's matrix.
      {"plan.stream.programs",
       in([](P &p) { addTensorBinding(dispatchOf(p, 1, 1), 3); })},
      // In the second program, the output head also reads a norm of the layer,
      // which is no longer in the ring by then.
      {"plan.stream.overrun",
       in([](P &p) { addTensorBinding(dispatchOf(p, 1, 4), 0); })},
      {"plan.stream.before", inHeadParts([](Placement &p) {
         // Both steps of the output head need this page, but only the read for
         // the second step contains it.
         p.reads[1]->bytes -= kPlanPageBytes;
         p.reads[2]->offset -= kPlanPageBytes;
         p.reads[2]->bytes += kPlanPageBytes;
         p.reads[2]->ring_offset -= kPlanPageBytes;
       })},
      {"plan.stream.before", inHeadParts([](Placement &p) {
         // A single read must not contain bytes for both steps of the output
         // head.
         p.reads[1]->bytes += p.reads[2]->bytes;
         p.reads.pop_back();
       })},
      {"plan.stream.before",
       inHeadParts([](Placement &p) { p.reads[2]->before_step = 4; })},
      // Steps 4 and 5, the two parts of the output head, both need page 4 of
      // its segment. In this plan, the layer's read for the next pass may begin
      // as soon as step 4 has run, and would then overwrite this page in the
      // ring before step 5 has used it.
      {"plan.stream.overrun", headPartsInFivePages(-2)},
      {"plan.budget.item", in([](P &p) { p.placements[0]->items.clear(); })},
      {"plan.budget.item",
       in([](P &p) { p.placements[0]->items[0]->name = "kv"; })},
      {"plan.budget.item",
       in([](P &p) { p.placements[0]->items[0]->name = ""; })},
      {"plan.budget.item",
       in([](P &p) { p.placements[0]->items[2]->tier = plan::Tier::Vram; })},
      {"plan.budget.item",
       inStreamed([](Placement &p) { p.items.pop_back(); })}, // no ring
      {"plan.budget.bytes",
       in([](P &p) { p.placements[0]->items[0]->bytes = 100; })},
      {"plan.budget.bytes",
       in([](P &p) { p.placements[0]->items[1]->bytes -= 1; })},
      {"plan.budget.bytes",
       in([](P &p) { p.placements[0]->items[2]->bytes -= 1; })},
      {"plan.budget.bytes",
       in([](P &p) { p.placements[0]->items[3]->bytes += 1; })},
      {"plan.budget.bytes",
       in([](P &p) { p.placements[0]->items[4]->bytes -= 1; })},
      {"plan.budget.bytes", in([](P &p) { p.machine->cores = 3; })},
      {"plan.budget.bytes",
       inStreamed([](Placement &p) { p.items[5]->bytes -= 1; })},
      {"plan.budget.bytes",
       inThreePages([](Placement &p) { p.items[0]->bytes -= 1; })},
      {"plan.budget.total", in([](P &p) {
         // The item "weights" no longer includes the bytes of the embedding
         // table.
         p.placements[0]->items[0]->bytes -= p.segments[3]->raw_bytes;
       })},
      {"plan.budget.sum", in([](P &p) {
         uint64_t sum = 0;
         for (const auto &item : p.placements[0]->items) {
           sum += item->bytes;
         }
         p.placements.pop_back();
         p.placements[0]->budgets[0]->bytes = sum - 1;
       })},
      {"plan.budget.sum",
       in([](P &p) { p.placements[0]->items[0]->bytes = UINT64_MAX; })},
      {"plan.budget.tier", in([](P &p) {
         auto &budgets = p.placements[0]->budgets;
         budgets.push_back(std::make_unique<plan::BudgetT>(*budgets[0]));
       })},
      {"plan.prediction.phase",
       in([](P &p) { p.placements[0]->predictions[0]->phase = ""; })},
      {"plan.prediction.phase", in([](P &p) {
         auto &predictions = p.placements[0]->predictions;
         predictions.push_back(
             std::make_unique<plan::PredictionT>(*predictions[0]));
       })},
      {"plan.prediction.link",
       in([](P &p) { p.placements[0]->predictions[0]->links[0]->link = ""; })},
      {"plan.prediction.link", in([](P &p) {
         auto &links = p.placements[0]->predictions[0]->links;
         links.push_back(std::make_unique<plan::LinkPredictionT>(*links[0]));
       })},
      {"plan.prediction.bytes", in([](P &p) {
         p.placements[0]->predictions[0]->links[0]->bytes_per_pass = 1000;
       })},
      // The two reads read two pages, but the prediction states one byte less.
      {"plan.prediction.bytes", inStreamed([](Placement &p) {
         p.predictions[0]->links[1]->bytes_per_pass = 2 * kPlanPageBytes - 1;
       })},
      {"plan.prediction.bytes",
       inStreamed([](Placement &p) { p.predictions[0]->links.pop_back(); })},
      // A verify pass reads as much as a decode pass.
      {"plan.prediction.bytes", inStreamed([](Placement &p) {
         addVerify(p).links[0]->bytes_per_pass = 1000;
       })},
      {"plan.prediction.bytes", inStreamed([](Placement &p) {
         addVerify(p).links[1]->bytes_per_pass = 2 * kPlanPageBytes - 1;
       })},
      {"plan.prediction.bytes",
       inStreamed([](Placement &p) { addVerify(p).links.pop_back(); })},
      {"plan.prediction.bound",
       in([](P &p) { p.placements[0]->predictions[0]->nanoseconds = 99'000; })},
      {"plan.prediction.bound", in([](P &p) {
         p.placements[0]->predictions[0]->links[0]->bytes_per_pass = UINT64_MAX;
       })},
      {"plan.prediction.limit",
       in([](P &p) { p.placements[0]->predictions[0]->limit = "disk"; })},
  };
}

std::vector<Change> validPlacements() {
  return {
      // One page of a segment stays in RAM, and two reads provide its other two
      // pages.
      threePages,
      // Two steps read different parts of a matrix.
      headParts,
      // Each of two steps reads a part of each of two matrices.
      twoHeadMatrices,
      // In the ring, the weights of the output head's second step replace those
      // of its first step, except for the page that both steps need.
      headPartsInFivePages(-1),
      // A read may wrap around the end of the ring.
      inThreePages([](Placement &p) {
        p.reads[0]->bytes += kPlanPageBytes;
        p.reads.erase(p.reads.begin() + 1);
        p.reads[0]->ring_offset = 2 * kPlanPageBytes;
        p.reads[1]->ring_offset = kPlanPageBytes;
      }),
      // The embedding table may have a budget item of its own instead of being
      // a part of the item "weights".
      in([](P &p) {
        auto &items = p.placements[0]->items;
        items[0]->bytes -= p.segments[3]->raw_bytes;
        items.push_back(std::make_unique<plan::BudgetItemT>());
        items.back()->name = "tables";
        items.back()->bytes = p.segments[3]->raw_bytes;
      }),
      inStreamed([](plan::PlacementT &p) { addVerify(p); }),
  };
}

} // namespace air::test
