//===- HostBandwidth.h - how fast this machine reads memory now -*- C++ -*-===//
#ifndef AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H
#define AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::tune {

/// Bytes per second that `threads` threads together read from memory, measured
/// in about half a second. The result differs from run to run, so it must not
/// enter a plan. `memoryBytes` is the machine's RAM, or 0 if that is not known.
/// Errors: DoesNotFit, and those of the CPU device.
Result<double> hostReadBandwidth(uint32_t threads, uint64_t memoryBytes);

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H
