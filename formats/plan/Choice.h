//===- Choice.h - the dispatch that chooses next tokens ---------*- C++ -*-===//
//
// A choice is a dispatch that replaces each token of a batch by the token that
// the model predicts to follow it, and advances the token's positions. Tokens
// and positions are arrays of the batch (BatchArray in plan.fbs).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_CHOICE_H
#define AIRPACK_FORMATS_PLAN_CHOICE_H

#include "formats/plan/plan_generated.h"

namespace air {

/// Whether a dispatch is a choice, which chooses the next token of each
/// sequence of the batch on the GPU. The dispatch need not have been verified.
inline bool isChoice(const plan::Dispatch &dispatch) {
  if (dispatch.bindings() != nullptr) {
    for (const plan::Binding *binding : *dispatch.bindings()) {
      if (binding->kind() == plan::BindingKind::Batch &&
          binding->access() != plan::Access::Read) {
        return true;
      }
    }
  }
  return false;
}

/// Whether a program of a verified plan ends with a choice.
inline bool hasChoice(const plan::Program &program) {
  const auto &steps = *program.steps();
  const auto &dispatches = *steps.Get(steps.size() - 1)->dispatches();
  return isChoice(*dispatches.Get(dispatches.size() - 1));
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_CHOICE_H
