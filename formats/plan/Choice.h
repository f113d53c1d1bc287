//===- Choice.h - the dispatch that chooses next tokens ---------*- C++ -*-===//
//
// A choice is a dispatch that prepares the next pass on the GPU. It replaces
// each token of the batch by the token that the model predicts to follow it,
// and adds 1 to the token's position in the KV cache and to its position for
// RoPE. Tokens and positions are arrays of the batch (BatchArray in plan.fbs).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_CHOICE_H
#define AIRPACK_FORMATS_PLAN_CHOICE_H

#include "formats/plan/plan_generated.h"

namespace air {

/// Whether a dispatch is a choice. The dispatch need not have been verified.
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

/// Whether a choice can draw tokens, not only choose the best one. The dispatch
/// need not have been verified.
inline bool canDraw(const plan::Dispatch &choice) {
  if (choice.bindings() != nullptr) {
    for (const plan::Binding *binding : *choice.bindings()) {
      if (binding->kind() == plan::BindingKind::Batch &&
          binding->index() ==
              static_cast<uint32_t>(plan::BatchArray::TokenCount) &&
          binding->access() != plan::Access::Read) {
        return true;
      }
    }
  }
  return false;
}

/// Whether a program has a choice that can draw. The program need not have been
/// verified.
inline bool hasDraw(const plan::Program &program) {
  if (program.steps() == nullptr || program.steps()->size() == 0) {
    return false;
  }
  const auto *dispatches =
      program.steps()->Get(program.steps()->size() - 1)->dispatches();
  return dispatches != nullptr && dispatches->size() != 0 &&
         canDraw(*dispatches->Get(dispatches->size() - 1));
}

/// Whether any program of a plan has a choice that can draw. The plan need not
/// have been verified.
inline bool hasDraw(const plan::Plan &plan) {
  if (plan.programs() != nullptr) {
    for (const plan::Program *program : *plan.programs()) {
      if (hasDraw(*program)) {
        return true;
      }
    }
  }
  return false;
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_CHOICE_H
