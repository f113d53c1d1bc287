//===- PlacementNote.h - which placement of a plan for a GPU ----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
#define AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H

#include "runtime/exec/Session.h"

#include <string>

namespace air {

/// Returns a sentence for the user if the session does not use the first
/// placement of its plan, because too little memory of the GPU or too little
/// RAM is free. It states how much memory the first placement and the chosen
/// one need. Otherwise returns "".
std::string placementNote(const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
