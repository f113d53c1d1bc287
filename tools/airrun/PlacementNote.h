//===- PlacementNote.h - why a plan is not as fast as it can be -*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
#define AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H

#include "runtime/exec/Session.h"

#include <string>

namespace air {

/// Returns a sentence for the user if the session uses a slower placement than
/// it could with more free memory, and "" otherwise. With a GPU, that is any
/// placement but the first of the plan. Without a GPU, it is any placement that
/// comes after the first one that the limits of memory allow; other processes
/// then use some of the RAM. The sentence states how much memory the faster
/// placement and the chosen one need.
std::string placementNote(const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLACEMENTNOTE_H
