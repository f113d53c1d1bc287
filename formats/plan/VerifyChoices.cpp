//===- VerifyChoices.cpp - rules of dispatches that choose tokens ---------===//
#include "formats/plan/Choice.h"
#include "formats/plan/PlanRules.h"
#include "formats/support/CountText.h"

#include <array>

namespace air::rules {
namespace {

using plan::Access;
using plan::BatchArray;
using plan::BindingKind;

/// Checks the bindings of a dispatch that chooses tokens.
Status verifyOperands(const plan::Plan &plan, const plan::Dispatch &dispatch,
                      const std::string &where) {
  // An array that the dispatch must bind, and how many of the dispatch's
  // bindings refer to it.
  struct Bound {
    BatchArray array;
    Access access;
    uint32_t times = 0;
  };
  std::array<Bound, 4> arrays = {Bound{BatchArray::TokenIds, Access::ReadWrite},
                                 {BatchArray::Positions, Access::ReadWrite},
                                 {BatchArray::RopePositions, Access::ReadWrite},
                                 {BatchArray::TokenCount, Access::Read}};
  uint32_t outputs = 0;
  for (uint32_t i = 0; i < dispatch.bindings()->size(); ++i) {
    const plan::Binding &binding = *dispatch.bindings()->Get(i);
    bool isExpected = false;
    if (binding.kind() == BindingKind::Buffer) {
      const bool isOutput = plan.buffers()->Get(binding.index())->is_output();
      isExpected = !isOutput || binding.access() == Access::Read;
      outputs += isOutput ? 1 : 0;
    } else if (binding.kind() == BindingKind::Batch) {
      for (Bound &bound : arrays) {
        if (binding.index() == static_cast<uint32_t>(bound.array)) {
          // Every choice reads TokenCount. A choice that can draw tokens also
          // writes it, because this array includes the counts of the draws.
          isExpected = binding.access() == bound.access ||
                       (bound.array == BatchArray::TokenCount &&
                        binding.access() == Access::ReadWrite);
          ++bound.times;
        }
      }
    }
    if (!isExpected) {
      return broken("plan.dispatch.choice", where,
                    "binds a " +
                        std::string(plan::EnumNameBindingKind(binding.kind())) +
                        " at index " + str(i) +
                        " of its bindings; a dispatch that chooses tokens "
                        "reads an output, reads or changes TokenCount, changes "
                        "TokenIds, Positions and RopePositions, and otherwise "
                        "binds only buffers that are not outputs");
    }
  }
  for (const Bound &bound : arrays) {
    if (bound.times != 1) {
      return broken("plan.dispatch.choice", where,
                    std::string("binds the batch's array ") +
                        plan::EnumNameBatchArray(bound.array) + " " +
                        countOf(bound.times, "time") +
                        "; a dispatch that chooses tokens must bind it "
                        "once");
    }
  }
  return outputs == 1
             ? Status::ok()
             : broken("plan.dispatch.choice", where,
                      "reads " + str(outputs) +
                          " outputs; a dispatch that chooses tokens must read "
                          "one output, the logits");
}

Status verifyProgram(const plan::Plan &plan, const plan::Program &program,
                     const std::string &where) {
  const uint32_t steps = program.steps()->size();
  for (uint32_t s = 0; s < steps; ++s) {
    const plan::Step &step = *program.steps()->Get(s);
    const uint32_t dispatches = step.dispatches()->size();
    for (uint32_t d = 0; d < dispatches; ++d) {
      const plan::Dispatch &dispatch = *step.dispatches()->Get(d);
      if (!isChoice(dispatch)) {
        continue;
      }
      const std::string at =
          where + ", " + label("step", s, step) + ", dispatch " + str(d);
      if (program.tile_tokens() != 0 || step.kind() != plan::StepKind::Head ||
          s + 1 != steps || d + 1 != dispatches || d == 0) {
        return broken("plan.dispatch.choice", at,
                      "changes arrays of the batch; only the last dispatch of "
                      "the program may do so, in a step of kind Head that has "
                      "other dispatches before it, and only if the program's "
                      "tile_tokens is 0");
      }
      AIR_RETURN_IF_ERROR(verifyOperands(plan, dispatch, at));
    }
  }
  return Status::ok();
}

} // namespace

Status verifyChoices(const plan::Plan &plan) {
  for (uint32_t p = 0; p < plan.programs()->size(); ++p) {
    const plan::Program &program = *plan.programs()->Get(p);
    AIR_RETURN_IF_ERROR(
        verifyProgram(plan, program, label("program", p, program)));
  }
  return Status::ok();
}

} // namespace air::rules
