//===- HostBandwidth.cpp - how fast this machine reads memory now ---------===//
#include "tools/tune/HostBandwidth.h"

#include "runtime/hal/cpu/ReadBandwidth.h"

namespace air::tune {

Result<double> hostReadBandwidth(uint32_t threads, uint64_t memoryBytes) {
  // Long enough that at least one read is hardly disturbed by other processes.
  constexpr double kSeconds = 0.3;
  return rt::measureDramBandwidth(threads, memoryBytes, kSeconds);
}

} // namespace air::tune
