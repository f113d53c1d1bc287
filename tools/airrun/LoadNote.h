//===- LoadNote.h - a note that others used the CPUs ------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_LOADNOTE_H
#define AIRPACK_TOOLS_AIRRUN_LOADNOTE_H

#include "runtime/hal/cpu/probe/CpuLoad.h"

#include <string_view>

namespace air {

/// Prints a note on standard error if, since `load` was constructed, other
/// programs, the kernel or other virtual machines have taken so much of the CPU
/// time that the measured rates may be too low. `command` is what to run again,
/// for example "airrun probe".
void noteLoad(const rt::CpuLoad &load, std::string_view command);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LOADNOTE_H
