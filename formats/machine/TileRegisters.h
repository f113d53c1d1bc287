//===- TileRegisters.h - x86's tiles need leave -----------------*- C++ -*-===//
//
// Tile registers (AMX) take 8 KiB of every thread that uses them: Linux gives
// them to processes that ask, and only these may execute a tile instruction.
// Source: the kernel's Documentation/arch/x86/xstate.rst.
//
// Thread-safety: any.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H
#define AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H

#include "formats/machine/MachineProfile.h"

namespace air {

/// Whether this system gives tile registers to who asks.
bool hasTileRegisters();

/// checkRunsOn(), and for a plan with tile instructions asks for what they
/// need, for all threads of this process until it ends. Mismatch when the
/// answer is no.
Status prepareToRun(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H
