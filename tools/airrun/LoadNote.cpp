//===- LoadNote.cpp - a note that others used the CPUs --------------------===//
#include "tools/airrun/LoadNote.h"

#include "tools/cli/Output.h"

#include <string>

namespace air {

/// The note is printed if anything but this process has taken more than this
/// share of the CPU time. The value is a guess, not a measurement: the handling
/// of disk interrupts and an idle desktop should rarely take more.
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
