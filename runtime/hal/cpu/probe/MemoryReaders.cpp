//===- MemoryReaders.cpp - all cores read memory in the background --------===//
#include "runtime/hal/cpu/probe/MemoryReaders.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "runtime/hal/cpu/probe/StreamReaders.h"

#include <algorithm>
#include <sched.h>
#include <string>
#include <utility>

namespace air::rt {

Result<std::unique_ptr<MemoryReaders>>
MemoryReaders::create(uint32_t threads, uint64_t memoryBytes) {
  AIR_ASSIGN_OR_RETURN(const uint64_t bytes, dramBufferBytes(memoryBytes));
  std::unique_ptr<MemoryReaders> made(new MemoryReaders(threads));
  AIR_ASSIGN_OR_RETURN(made->device, CpuDevice::create(threads));
  const uint64_t unit = kChunkBytes * threads;
  AIR_ASSIGN_OR_RETURN(made->memory,
                       ReadBandwidth::create(*made->device,
                                             made->device->threadPool(),
                                             ceilDiv(bytes, unit) * unit));
  for (uint32_t thread = 0; thread < threads; ++thread) {
    made->parts[thread] = {made->memory.part(thread)};
  }
  return made;
}

Result<std::unique_ptr<MemoryReaders>>
MemoryReaders::over(uint32_t threads,
                    std::span<const std::span<const uint8_t>> ranges) {
  std::unique_ptr<MemoryReaders> made(new MemoryReaders(threads));
  AIR_ASSIGN_OR_RETURN(made->device, CpuDevice::create(threads));
  for (std::span<const uint8_t> range : ranges) {
    const uint64_t own =
        range.size() / threads / kStreamPageBytes * kStreamPageBytes;
    for (uint32_t thread = 0; own != 0 && thread < threads; ++thread) {
      made->parts[thread].push_back(range.subspan(thread * own, own));
    }
  }
  if (made->parts.front().empty()) {
    return doesNotFitError("reading memory with " + countOf(threads, "thread") +
                           " needs a range of at least " +
                           std::to_string(threads * kStreamPageBytes) +
                           " bytes, but no range is that large");
  }
  return made;
}

void MemoryReaders::read(void *context, uint32_t thread) {
  auto &self = *static_cast<MemoryReaders *>(context);
  const StreamReader reader =
      streamReader(StreamLoads::Single, StreamHint::None);
  std::atomic<uint64_t> &bytes = self.counts[thread].bytes;
  uint64_t sum = 0;
  const auto isStopping = [&] {
    return self.stopping.load(std::memory_order_relaxed);
  };
  while (!isStopping()) {
    for (std::span<const uint8_t> part : self.parts[thread]) {
      for (uint64_t at = 0; at < part.size() && !isStopping();) {
        const uint64_t size = std::min(kChunkBytes, part.size() - at);
        sum += reader(part.data() + at, size / kStreamPageBytes, 0);
        at += size;
        bytes.fetch_add(size, std::memory_order_relaxed);
      }
    }
  }
  self.result.fetch_add(sum, std::memory_order_relaxed);
}

Status MemoryReaders::start() {
  std::vector<uint64_t> before;
  for (const Count &count : counts) {
    before.push_back(count.bytes.load(std::memory_order_relaxed));
  }
  stopping = false;
  AIR_ASSIGN_OR_RETURN(
      caller, Thread::start([this] { device->threadPool().run(read, this); }));
  for (size_t thread = 0; thread < counts.size(); ++thread) {
    while (counts[thread].bytes.load(std::memory_order_relaxed) ==
           before[thread]) {
      sched_yield();
    }
  }
  return Status::ok();
}

uint64_t MemoryReaders::bytes() const {
  uint64_t bytes = 0;
  for (const Count &count : counts) {
    bytes += count.bytes.load(std::memory_order_relaxed);
  }
  return bytes;
}

void MemoryReaders::stop() {
  stopping = true;
  caller.join();
}

} // namespace air::rt
