//===- PlacementNote.h - why a plan is not as fast as it can be -*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
#define AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H

#include "runtime/exec/Session.h"

#include <string>

namespace air {

/// Returns a sentence for the user if the session does not use the first
/// placement of its plan because too little memory of the GPU or too little RAM
/// is free; without a GPU, if it does not use the first one that the limits of
/// memory allow, because other processes use some of it. The sentence states
/// how much memory that placement and the chosen one need. Otherwise returns
/// "".
std::string placementNote(const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
