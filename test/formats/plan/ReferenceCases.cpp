//===- ReferenceCases.cpp - reference plans that break one rule each ------===//
#include "PlanCases.h"
#include "ReferencePlan.h"

namespace air::test {

namespace {

/// A case that modifies the small plan after makeReference().
template <typename F> Change inReference(F change) {
  return [change](SmallPlan &small) {
    makeReference(small);
    change(small.plan);
  };
}

/// Changes how many pages the segment takes in the file.
void addPages(SmallPlan &small, size_t segment, int64_t pages) {
  const auto bytes = static_cast<uint64_t>(pages * 4096);
  for (size_t i = segment + 1; i < small.plan.segments.size(); ++i) {
    small.plan.segments[i]->offset += bytes;
  }
  small.fileBytes += bytes;
}

Case named(std::string name) {
  return {"plan.reference",
          inReference([name](P &p) { p.sources[0]->name = name; })};
}

} // namespace

std::vector<Case> referenceCases() {
  return {
      {"plan.reference", inReference([](P &p) { p.sources.clear(); })},
      named(""),
      named("a/small.gguf"),
      named("/small.gguf"),
      named("."),
      named(".."),
      named("small\n.gguf"),
      named(std::string(256, 'n')),
      {"plan.reference", inReference([](P &p) {
         p.sources.push_back(std::make_unique<plan::SourceT>(*p.sources[0]));
       })},
      {"plan.reference", inReference([](P &p) { p.weightless = true; })},
      {"plan.reference.codec",
       inReference([](P &p) { p.segments[0]->codec = plan::Codec::Planes; })},
      {"plan.reference.codec",
       inReference([](P &p) { p.segments[3]->codec = plan::Codec::Zstd; })},
      // A plan that contains its weights must not name a source file.
      {"plan.reference", in([](P &p) { p.sources[0]->name = "small.gguf"; })},
      {"plan.reference", in([](P &p) {
         p.tensors[2]->source_rows.push_back(
             std::make_unique<plan::SourceRowsT>());
         p.tensors[2]->source_rows[0]->rows = 32;
       })},
      // The plan must store the vector at the start of the first segment,
      // because it is not in the source.
      {"plan.reference.stored",
       [](SmallPlan &small) {
         makeReference(small);
         small.plan.segments[0]->stored_bytes = 0;
         addPages(small, 0, -1);
       }},
      {"plan.reference.stored",
       inReference([](P &p) { p.segments[0]->stored_bytes = 64; })},
      {"plan.reference.stored",
       inReference([](P &p) { p.segments[0]->stored_bytes = 129; })},
      {"plan.reference.stored",
       inReference([](P &p) { p.tensors[2]->source_rows.clear(); })},
      {"plan.reference.stored", inReference([](P &p) {
         p.tensors[0]->source_rows.push_back(
             std::make_unique<plan::SourceRowsT>());
         p.tensors[0]->source_rows[0]->rows = 1;
       })},
      {"plan.reference.rows",
       inReference([](P &p) { p.tensors[1]->source_rows[1]->source = 1; })},
      {"plan.reference.rows",
       inReference([](P &p) { p.tensors[1]->source_rows[1]->rows = 0; })},
      {"plan.reference.rows",
       inReference([](P &p) { p.tensors[1]->source_rows[2]->rows = 41; })},
      {"plan.reference.rows",
       inReference([](P &p) { p.tensors[1]->source_rows[2]->rows = 43; })},
      {"plan.reference.rows", inReference([](P &p) {
         p.tensors[1]->source_rows[2]->rows = UINT64_MAX - 21;
       })},
      {"plan.reference.rows",
       inReference([](P &p) { p.tensors[1]->source_rows.pop_back(); })},
      {"plan.reference.rows", inReference([](P &p) {
         p.tensors[4]->source_rows[0]->offset = p.sources[0]->bytes - 1;
       })},
      {"plan.reference.rows", inReference([](P &p) {
         p.tensors[4]->source_rows[0]->offset = UINT64_MAX;
       })},
      {"plan.segment.bytes",
       inReference([](P &p) { p.segments[3]->raw_bytes = uint64_t{1} << 63; })},
      {"plan.segment.bytes", inReference([](P &p) {
         p.segments[0]->stored_bytes = p.segments[0]->raw_bytes + 1;
       })},
      // Digests must cover the raw bytes of a whole segment, not only those
      // that the plan stores.
      {"plan.segment.digest",
       inReference([](P &p) { p.segments[1]->digests.clear(); })},
      {"plan.budget.bytes",
       inReference([](P &p) { p.placements[1]->items.back()->bytes -= 1; })},
      {"plan.budget.item",
       inReference([](P &p) { p.placements[0]->items.pop_back(); })},
      // A plan must store its kernels.
      {"plan.weightless",
       inReference([](P &p) { p.segments[2]->stored_bytes = 0; })},
  };
}

std::vector<Change> validReferences() {
  return {
      makeReference,
      // A reference plan may store a matrix instead of referring to the source
      // if it also stores everything that precedes the matrix in its segment.
      [](SmallPlan &small) {
        makeReference(small);
        small.plan.tensors[3]->source_rows.clear();
        small.plan.segments[1]->stored_bytes =
            small.plan.segments[1]->raw_bytes;
        addPages(small, 1, 1);
      },
  };
}

} // namespace air::test
