//===- PlacementNote.h - which placement of a plan for a GPU ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
#define AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H

#include "runtime/exec/Session.h"

#include <string>

namespace air {

/// If a session does not use the first placement of its plan, because too
/// little memory of the GPU or too little RAM is free: a sentence that says so,
/// and states how much memory the first placement and the chosen one need.
/// Otherwise "".
std::string placementNote(const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
