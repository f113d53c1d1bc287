//===- PlacementNote.h - which placement of a plan for a GPU ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
#define AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H

#include "runtime/exec/Session.h"

#include <string>

namespace air {

/// If a session uses another placement than the first one of its plan, because
/// too little GPU memory is free: a sentence that says so, with both sizes.
/// Otherwise "".
std::string placementNote(const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
