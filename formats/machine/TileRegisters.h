//===- TileRegisters.h - permission for AMX tiles ---------------*- C++ -*-===//
//
// Tile registers (AMX) take 8 KiB per thread that uses them. Linux grants them
// to a process on request; in any other process tile instructions fault.
// Source: the Linux kernel's Documentation/arch/x86/xstate.rst.
//
// Thread-safety: callable from any thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H
#define AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H

#include "formats/machine/MachineProfile.h"

namespace air {

/// Returns whether this system grants tile registers on request.
bool hasTileRegisters();

/// Requests the permission to use tile registers, which holds for all threads
/// of this process until it ends. Returns false if the system refuses.
bool requestTileRegisters();

/// Calls checkRunsOn(). If the plan uses tile registers, also requests the
/// permission to use them. Fails with Mismatch if the system refuses.
Status prepareToRun(const MachineProfile &plan, const MachineProfile &host);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_TILEREGISTERS_H
