//===- HostBandwidth.cpp - how fast this machine reads memory now ---------===//
#include "tools/tune/HostBandwidth.h"

#include "runtime/hal/cpu/ReadBandwidth.h"

namespace air::tune {

Result<double> hostReadBandwidth(uint32_t threads, uint64_t memoryBytes) {
  // With so many samples, at least the best one is hardly disturbed by other
  // processes.
  constexpr uint32_t kSamples = 20;
  constexpr uint32_t kMilliseconds = 20;
  return rt::measureDramBandwidth(threads, memoryBytes, kSamples,
                                  kMilliseconds);
}

} // namespace air::tune
