//===- MemoryReaders.cpp - all cores read memory in the background --------===//
#include "runtime/hal/cpu/probe/MemoryReaders.h"

#include "formats/support/CheckedMath.h"
#include "runtime/hal/cpu/probe/StreamReaders.h"

#include <sched.h>
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
  return made;
}

void MemoryReaders::read(void *context, uint32_t thread) {
  auto &self = *static_cast<MemoryReaders *>(context);
  const std::span<const uint8_t> part = self.memory.part(thread);
  const StreamReader reader =
      streamReader(StreamLoads::Single, StreamHint::None);
  std::atomic<uint64_t> &chunks = self.counts[thread].chunks;
  uint64_t sum = 0;
  for (uint64_t at = 0; !self.stopping.load(std::memory_order_relaxed);
       at = at + kChunkBytes == part.size() ? 0 : at + kChunkBytes) {
    sum += reader(part.data() + at, kChunkBytes / kStreamPageBytes, 0);
    chunks.fetch_add(1, std::memory_order_relaxed);
  }
  self.result.fetch_add(sum, std::memory_order_relaxed);
}

Status MemoryReaders::start() {
  std::vector<uint64_t> before;
  for (const Count &count : counts) {
    before.push_back(count.chunks.load(std::memory_order_relaxed));
  }
  stopping = false;
  AIR_ASSIGN_OR_RETURN(
      caller, Thread::start([this] { device->threadPool().run(read, this); }));
  for (size_t thread = 0; thread < counts.size(); ++thread) {
    while (counts[thread].chunks.load(std::memory_order_relaxed) ==
           before[thread]) {
      sched_yield();
    }
  }
  return Status::ok();
}

uint64_t MemoryReaders::bytes() const {
  uint64_t chunks = 0;
  for (const Count &count : counts) {
    chunks += count.chunks.load(std::memory_order_relaxed);
  }
  return chunks * kChunkBytes;
}

void MemoryReaders::stop() {
  stopping = true;
  caller.join();
}

} // namespace air::rt
