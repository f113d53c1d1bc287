//===- LoadNote.cpp - a note that others used the CPUs --------------------===//
#include "tools/airrun/LoadNote.h"

#include "tools/cli/Output.h"

#include <string>

namespace air {

/// A guess, and not a measured value: the share of the CPU time that interrupts
/// of the disk and a desktop without work should hardly ever take.
static constexpr double kQuietShare = 0.1;

void noteLoad(const rt::CpuLoad &load, std::string_view command) {
  const double others = load.others();
  if (others > kQuietShare) {
    cli::printNotes(
        {"other programs, the kernel or other virtual machines took " +
         cli::format("%.0f", 100 * others) +
         " % of the CPU time during the measurement, so the rates may be too "
         "low; run " +
         std::string(command) + " again while nothing else runs"});
  }
}

} // namespace air
