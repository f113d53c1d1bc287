//===- ProbeFile.h - where measurements are remembered ----------*- C++ -*-===//
//
// `airrun probe --save` writes the file probe.json in cacheFolder(), and
// `--target host` reads it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_PROBEFILE_H
#define AIRPACK_TOOLS_CLI_PROBEFILE_H

#include "formats/machine/MachineProfile.h"
#include "formats/support/AtomicFile.h"

#include <functional>
#include <string>

namespace air::cli {

/// The folder for files that the programs can make again:
/// $XDG_CACHE_HOME/airpack, or $HOME/.cache/airpack if XDG_CACHE_HOME is unset,
/// empty or relative (XDG Base Directory Specification). The result is empty if
/// neither variable can be used.
std::string cacheFolder();

/// The path of probe.json, whether or not the file exists; empty if
/// cacheFolder() is empty.
std::string probeFilePath();

/// Opens the file for saveProbe(), and creates its folders. It should be called
/// before the machine is measured, so that a file that cannot be written causes
/// an error early. Errors: Usage if probeFilePath() is empty, Io if the folders
/// cannot be created, and those of AtomicFile.
Result<AtomicFile> openProbeFile();

/// Writes `profile`, which was measured on this machine, and commits the file.
Status saveProbe(AtomicFile &file, const MachineProfile &profile);

/// Returns Ok if a plan can be made for the GPU, or else an error that says why
/// not.
using GpuCheck = std::function<Status(const GpuProfile &)>;

/// Returns the profile that `spec` names, as resolveProfile() does. For "host",
/// a saved probe of this machine replaces the nominal rates and adds the GPU.
/// If `check` refuses this GPU, useCpuOnly() removes it from the profile. Notes
/// on standard error say what was done:
/// - If the probe is used, a note names its file. If the probe was measured
///   with another number of cores, a second note says which of its rates are
///   not used.
/// - If the probe cannot be used, for example because it is damaged or is of
///   another machine, a note says why. The rates are then nominal.
/// - If there is no saved probe, but the machine has an NVIDIA driver, a note
///   says that the GPU is not used.
Result<MachineProfile> resolveTarget(const std::string &spec,
                                     const GpuCheck &check = nullptr);

/// Removes the GPU of the target "host", and prints a note that says why the
/// plan is for the CPU.
void useCpuOnly(MachineProfile &host, const Status &why);

/// Returns what resolveTarget("host") returns without a GpuCheck. Prints no
/// notes.
MachineProfile hostTarget();

/// Returns how programs read plans from the disk: the way of reading that
/// chooseDiskRate() chooses from the disk rates in the saved probe of this
/// machine, or a default DiskRate if no probe has been saved. If there is a
/// saved probe that cannot be used, returns an error that says why.
Result<DiskRate> savedDiskRate();

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_PROBEFILE_H
