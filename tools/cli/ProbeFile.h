//===- ProbeFile.h - where measurements are remembered ----------*- C++ -*-===//
//
// `airrun probe --save` writes the file $XDG_CACHE_HOME/airpack/probe.json, or
// $HOME/.cache/airpack/probe.json if XDG_CACHE_HOME is unset, empty or relative
// (XDG Base Directory Specification). `--target host` reads it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_PROBEFILE_H
#define AIRPACK_TOOLS_CLI_PROBEFILE_H

#include "formats/machine/MachineProfile.h"

#include <string>

namespace air::cli {

/// The path of the file; empty if neither variable is set.
std::string probeFilePath();

/// Writes `profile`, which was measured on this machine, and creates the
/// folders. Returns the path. Errors: Io and DoesNotFit, as AtomicFile, and
/// Usage if neither variable is set.
Result<std::string> saveProbe(const MachineProfile &profile);

/// Returns the profile that `spec` names, as resolveProfile() does. For "host",
/// a saved probe of this machine replaces the nominal rates, and a line on
/// standard error says so. A saved probe that is damaged or of another machine
/// is not used, and a line says why.
Result<MachineProfile> resolveTarget(const std::string &spec);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_PROBEFILE_H
