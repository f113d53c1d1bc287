//===- HostBandwidth.h - how fast this machine reads memory now -*- C++ -*-===//
#ifndef AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H
#define AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H

#include "formats/support/Status.h"

#include <cstdint>

namespace air::tune {

/// The bytes per second that `threads` threads together read from memory,
/// measured in about half a second, or longer where the caches are so large
/// that the buffer has more than 1 GiB. The result differs from run to run, so
/// it must not enter a plan. `memoryBytes` is the size of the machine's RAM, or
/// 0 if it is not known. Errors: DoesNotFit if the RAM is too small for the
/// buffer that is read, and those of the CPU device.
Result<double> hostReadBandwidth(uint32_t threads, uint64_t memoryBytes);

} // namespace air::tune

#endif // AIRPACK_TOOLS_TUNE_HOSTBANDWIDTH_H
