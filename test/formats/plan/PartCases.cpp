//===- PartCases.cpp - parts of a dispatch that break a rule --------------===//
#include "PlanCases.h"

namespace air::test {

static constexpr uint32_t kHeadStep = 4;

void splitHead(P &p) {
  for (const auto &program : p.programs) {
    plan::StepT &head = *program->steps[kHeadStep];
    head.dispatches[0]->grid->rows_per_tile = 32;
    head.dispatches[0]->grid->tiles = 1;
    program->steps.push_back(std::make_unique<plan::StepT>(head));
    program->steps.back()->name = "head.1";
    program->steps.back()->dispatches[0]->grid->first_tile = 1;
    head.dispatches[0]->barrier = false;
  }
}

namespace {

/// Divides the output head of the plan into two steps, and then applies
/// `change`.
template <typename F> Change inParts(F change) {
  return in([change](P &p) {
    splitHead(p);
    change(p);
  });
}

plan::DispatchT &firstPart(P &p) { return dispatchOf(p, 0, kHeadStep); }
plan::DispatchT &secondPart(P &p) { return dispatchOf(p, 0, kHeadStep + 1); }

} // namespace

std::vector<Case> partCases() {
  return {
      {"plan.dispatch.part",
       in([](P &p) { firstPart(p).grid->first_tile = 1; })},
      {"plan.dispatch.part", in([](P &p) { firstPart(p).grid->tiles = 2; })},
      {"plan.dispatch.part",
       inParts([](P &p) { secondPart(p).grid->tiles = 2; })},
      {"plan.dispatch.part",
       inParts([](P &p) { secondPart(p).grid->first_tile = UINT64_MAX; })},
      {"plan.dispatch.tile_rows",
       in([](P &p) { firstPart(p).grid->rows_per_tile = 16; })},
      {"plan.dispatch.tile_rows",
       in([](P &p) { firstPart(p).grid->rows_per_tile = 40; })},
      // The tile would end in the middle of a row block.
      {"plan.dispatch.tile_rows",
       in([](P &p) { firstPart(p).grid->rows_per_tile = 24; })},
      {"plan.dispatch.parts",
       inParts([](P &p) { p.programs[0]->steps.pop_back(); })},
      {"plan.dispatch.parts", inParts([](P &p) {
         std::swap(p.programs[0]->steps[kHeadStep],
                   p.programs[0]->steps[kHeadStep + 1]);
       })},
      {"plan.dispatch.parts",
       inParts([](P &p) { secondPart(p).grid->first_tile = 0; })},
      // In the first of these two cases, the second part runs all tiles. In the
      // other, the second part runs another kernel than the first part.
      {"plan.dispatch.parts", inParts([](P &p) {
         secondPart(p).grid->first_tile = secondPart(p).grid->tiles = 0;
       })},
      {"plan.dispatch.parts", inParts([](P &p) { secondPart(p).entry = 4; })},
      {"plan.dispatch.parts",
       inParts([](P &p) { secondPart(p).grid->tokens_per_tile = 0; })},
      {"plan.dispatch.parts",
       inParts([](P &p) { secondPart(p).scratch_bytes += 64; })},
      {"plan.dispatch.parts", inParts([](P &p) {
         secondPart(p).arithmetic = plan::Arithmetic::BFloat16;
       })},
      {"plan.dispatch.parts",
       inParts([](P &p) { bindingOf(p, kHeadStep + 1, 0, 0).index = 2; })},
      {"plan.dispatch.parts",
       inParts([](P &p) { secondPart(p).bindings.pop_back(); })},
      {"plan.dispatch.parts",
       inParts([](P &p) { firstPart(p).barrier = true; })},
      {"plan.dispatch.parts", inParts([](P &p) {
         p.programs[0]->steps[kHeadStep + 1]->kind = plan::StepKind::MatMul;
       })},
      {"plan.dispatch.parts",
       inParts([](P &p) { p.programs[0]->steps[kHeadStep + 1]->layer = 0; })},
      // No other dispatch may lie between the parts of a step.
      {"plan.dispatch.parts", inParts([](P &p) {
         auto &dispatches = p.programs[0]->steps[kHeadStep + 1]->dispatches;
         dispatches.insert(
             dispatches.begin(),
             std::make_unique<plan::DispatchT>(dispatchOf(p, 0, 2)));
       })},
  };
}

std::vector<Change> validParts() {
  return {
      in(splitHead),
      // The dispatches of both parts may belong to the same step.
      inParts([](P &p) {
        for (const auto &program : p.programs) {
          program->steps[kHeadStep]->dispatches.push_back(
              std::move(program->steps.back()->dispatches[0]));
          program->steps.pop_back();
        }
      }),
      // A dispatch that adds its results to a buffer may be divided into parts,
      // like one that overwrites a buffer. Here, the dispatch of attn_out is
      // divided into two.
      in([](P &p) {
        for (const auto &program : p.programs) {
          plan::StepT &out = *program->steps[3];
          out.dispatches[0]->grid->rows_per_tile = 16;
          out.dispatches[0]->grid->tiles = 1;
          out.dispatches.push_back(
              std::make_unique<plan::DispatchT>(*out.dispatches[0]));
          out.dispatches[1]->grid->first_tile = 1;
          out.dispatches[0]->barrier = false;
        }
      }),
  };
}

} // namespace air::test
