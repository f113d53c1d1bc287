//===- BufferCases.cpp - buffers that break a rule ------------------------===//
#include "PlanCases.h"

namespace air::test {
namespace {

/// Changes the first program so that it runs its layer twice. Between the two
/// runs, when the value of qkv is no longer needed, attn_out writes another
/// buffer at the offset of qkv.
void secondUseOfQkv(P &p) {
  auto &steps = p.programs[0]->steps;
  for (size_t i = 0; i < 3; ++i) {
    steps.insert(steps.begin() + 4 + static_cast<std::ptrdiff_t>(i),
                 std::make_unique<plan::StepT>(*steps[1 + i]));
  }
  p.reads[1]->first_step = 7;
  // The programs now have different numbers of steps, which a placement that
  // streams does not allow, so it is removed.
  p.placements.pop_back();
  p.placements[0]->predictions.clear();
  p.buffers.push_back(std::make_unique<plan::BufferT>(*p.buffers[1]));
  p.buffers.back()->name = "between";
  auto &bindings = dispatchOf(p, 0, 3).bindings;
  bindings.push_back(std::make_unique<plan::BindingT>());
  bindings.back()->kind = plan::BindingKind::Buffer;
  bindings.back()->index = 4;
  bindings.back()->access = plan::Access::Write;
}

/// Adds `count` buffers side by side, which the first step of the first program
/// writes.
void addBuffersThatStay(P &p, uint32_t count) {
  auto &bindings = dispatchOf(p, 0, 0).bindings;
  for (uint32_t i = 0; i < count; ++i) {
    bindings.push_back(std::make_unique<plan::BindingT>());
    bindings.back()->kind = plan::BindingKind::Buffer;
    bindings.back()->index = static_cast<uint32_t>(p.buffers.size());
    bindings.back()->access = plan::Access::Write;
    p.buffers.push_back(std::make_unique<plan::BufferT>());
    p.buffers.back()->name = "kept." + std::to_string(i);
    p.buffers.back()->offset = p.arena_bytes;
    p.buffers.back()->bytes = 64;
    p.arena_bytes += 64;
  }
  for (const auto &placement : p.placements) {
    placement->items[3]->bytes = p.arena_bytes;
    placement->budgets[0]->bytes *= 1024;
  }
}

} // namespace

std::vector<Case> bufferCases() {
  return {
      // No model has 13 buffers in each of 100,000 layers, so this many buffers
      // are refused.
      {"plan.buffer.count", in([](P &p) { addBuffersThatStay(p, 1'300'000); })},
      {"plan.buffer.name", in([](P &p) { p.buffers[1]->name = "x"; })},
      {"plan.buffer.name", in([](P &p) { p.buffers[1]->name = ""; })},
      {"plan.buffer.alignment", in([](P &p) { p.buffers[1]->offset += 32; })},
      {"plan.buffer.inside", in([](P &p) { p.buffers[1]->bytes = 0; })},
      {"plan.buffer.inside", in([](P &p) { p.arena_bytes -= 1; })},
      {"plan.buffer.inside",
       in([](P &p) { p.buffers[1]->offset = UINT64_MAX - 63; })},
      {"plan.buffer.unused", in([](P &p) {
         p.buffers.push_back(std::make_unique<plan::BufferT>(*p.buffers[0]));
         p.buffers.back()->name = "nobody";
       })},
      {"plan.buffer.unwritten",
       in([](P &p) { bindingOf(p, 0, 0, 1).access = plan::Access::Read; })},
      {"plan.buffer.unwritten", in([](P &p) {
         bindingOf(p, 0, 0, 1).access = plan::Access::ReadWrite;
       })},
      {"plan.buffer.unwritten", in([](P &p) {
         p.programs[1]->steps.erase(p.programs[1]->steps.begin());
       })},
      {"plan.buffer.output", in([](P &p) { p.programs[1]->steps.pop_back(); })},
      // The buffers `qkv` and `heads` must not overlap, because attn reads the
      // former and writes the latter.
      {"plan.buffer.overlap", in([](P &p) { p.buffers[2]->offset = 4096; })},
      {"plan.buffer.overlap", in([](P &p) { p.buffers[1]->bytes += 1; })},
      {"plan.buffer.overlap", in([](P &p) { p.buffers[0]->bytes += 1; })},
      // The runtime reads outputs after the last step, so they must keep their
      // bytes to the end.
      {"plan.buffer.overlap", in([](P &p) {
         // `qkv` becomes an output, but the logits overwrite its bytes.
         p.buffers[1]->is_output = true;
       })},
      // The second layer adds to qkv, so nothing may overwrite qkv between the
      // layers.
      {"plan.buffer.overlap", in([](P &p) {
         secondUseOfQkv(p);
         bindingOf(p, 4, 0, 3).access = plan::Access::ReadWrite;
       })},
      // Another buffer at the offset of `qkv` is written one step too early,
      // while attention still reads `qkv`.
      {"plan.buffer.overlap", in([](P &p) {
         secondUseOfQkv(p);
         dispatchOf(p, 0, 2).bindings.push_back(
             std::move(dispatchOf(p, 0, 3).bindings.back()));
         dispatchOf(p, 0, 3).bindings.pop_back();
       })},
      // Without a barrier after attn, which reads qkv, the logits may overwrite
      // qkv too early.
      {"plan.buffer.overlap", in([](P &p) {
         plan::ProgramT &m1 = *p.programs[0];
         // attn_out is removed because it reads what attn writes, so it would
         // require the barrier, too.
         m1.steps.erase(m1.steps.begin() + 3);
         m1.steps[2]->dispatches[0]->barrier = false;
       })},
  };
}

std::vector<Change> validBuffers() {
  return {
      // Two layers use qkv. Between them, another buffer uses its bytes.
      in(secondUseOfQkv),
      // A model of 1,000 layers needs this many buffers if each layer has 13
      // that no other layer uses.
      in([](P &p) { addBuffersThatStay(p, 13'000); }),
  };
}

} // namespace air::test
