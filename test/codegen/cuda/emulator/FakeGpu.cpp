//===- FakeGpu.cpp - late work, and checks of every access ----------------===//
#include "test/codegen/cuda/emulator/FakeGpu.h"

#include "test/codegen/cuda/emulator/Emulator.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>

using namespace air::fakecuda;

namespace {

constexpr uint64_t kAlignment = 256;
// The number of guard bytes on each side of an allocation. They show whether a
// kernel writes outside it.
constexpr uint64_t kGuardBytes = 256;
constexpr uint8_t kGuard = 0xa5;
constexpr uint64_t kKernelMicroseconds = 10;
constexpr uint64_t kCopyBytesPerMicrosecond = 10000;

uint64_t addressOf(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

uint8_t *pointerTo(uint64_t address) {
  return reinterpret_cast<uint8_t *>(address);
}

bool isGuard(const uint8_t *bytes, uint64_t count) {
  return std::all_of(bytes, bytes + count,
                     [](uint8_t byte) { return byte == kGuard; });
}

/// Appends to `changes` the words of `now` that differ from `before`.
void addChanges(const std::vector<uint8_t> &before, uint8_t *now,
                std::vector<std::span<uint8_t>> &changes) {
  // Compares words instead of bytes. Until the dependent kernel has waited for
  // the kernel that made the changes, the emulator replaces them with NaN, and
  // a NaN needs a whole word.
  constexpr size_t kWord = 4;
  constexpr size_t kBlock = 256;
  for (size_t block = 0; block < before.size(); block += kBlock) {
    const size_t end = std::min(block + kBlock, before.size());
    if (std::memcmp(before.data() + block, now + block, end - block) == 0) {
      continue;
    }
    for (size_t i = block; i < end; i += kWord) {
      const size_t bytes = std::min(kWord, end - i);
      if (std::memcmp(before.data() + i, now + i, bytes) != 0) {
        changes.emplace_back(now + i, bytes);
      }
    }
  }
}

} // namespace

uint8_t *Gpu::allocate(uint64_t bytes) {
  if (bytes > fakeCuda.freeBytes) {
    return nullptr;
  }
  Allocation allocation;
  allocation.bytes = bytes;
  allocation.storage.assign(kAlignment + kGuardBytes + bytes + kGuardBytes,
                            kGuard);
  uint8_t *start = allocation.storage.data() + kGuardBytes;
  start += (kAlignment - addressOf(start) % kAlignment) % kAlignment;
  std::memset(start, 0xff, bytes);
  fakeCuda.freeBytes -= bytes;
  memory[addressOf(start)] = std::move(allocation);
  return start;
}

bool Gpu::free(uint64_t address) {
  const auto found = memory.find(address);
  if (found == memory.end()) {
    return false;
  }
  fakeCuda.freeBytes += found->second.bytes;
  memory.erase(found);
  return true;
}

bool Gpu::contains(uint64_t address, uint64_t bytes) const {
  auto next = memory.upper_bound(address);
  if (next == memory.begin()) {
    return false;
  }
  const auto &[start, allocation] = *std::prev(next);
  return bytes <= allocation.bytes &&
         address - start <= allocation.bytes - bytes;
}

bool Gpu::guardsAreIntact() const {
  return std::all_of(memory.begin(), memory.end(), [](const auto &one) {
    const auto &[start, allocation] = one;
    const uint8_t *bytes = pointerTo(start);
    return isGuard(bytes - kGuardBytes, kGuardBytes) &&
           isGuard(bytes + allocation.bytes, kGuardBytes);
  });
}

int Gpu::fail(int code, const std::string &text) {
  failureText = text;
  return code;
}

int Gpu::advance(Stream &stream, uint64_t count) {
  while (failure == kOk && !stream.queue.empty() && stream.done < count) {
    const Point after = stream.queue.front().after;
    if (after.stream && after.stream->done < after.count) {
      // With `copiesEarly`, this may also do some of the work of `stream`.
      advance(*after.stream, after.count);
      continue;
    }
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    ++stream.done;
    failure = work.action();
    if (fakeCuda.copiesEarly && stream.hasKernels) {
      advanceCopies();
    }
  }
  return failure;
}

void Gpu::advanceCopies() {
  for (Stream &stream : streams) {
    while (!stream.hasKernels && failure == kOk && !stream.queue.empty()) {
      const Point &after = stream.queue.front().after;
      if (after.stream && after.stream->done < after.count) {
        break;
      }
      advance(stream, stream.done + 1);
    }
  }
}

int Gpu::advanceAll() {
  for (Stream &stream : streams) {
    advance(stream);
  }
  return failure;
}

void Gpu::copy(void *to, const void *from, uint64_t bytes) {
  microseconds +=
      (bytes + kCopyBytesPerMicrosecond - 1) / kCopyBytesPerMicrosecond;
  std::memcpy(to, from, bytes);
}

int Gpu::runKernel(const KernelCall &call) {
  microseconds += kKernelMicroseconds;
  const std::string &name = call.kernel->name;
  if (fakeCuda.failingKernel != 0 && --fakeCuda.failingKernel == 0) {
    return fail(fakeCuda.kernelResult, "kernel " + name + " was made to fail");
  }
  emulator::EmulatedLaunch launch;
  launch.function = call.kernel->address;
  launch.gridX = call.gridX;
  launch.gridY = call.gridY;
  launch.threads = call.threads;
  launch.sharedBytes = call.sharedBytes;
  // Results must not depend on the order of threads and blocks.
  launch.reversed = std::exchange(reversed, !reversed);
  launch.findRaces = emulator::shouldFindRaces(launches++);
  for (const uint64_t argument : call.arguments) {
    if (argument != 0 && !contains(argument, 1)) {
      return fail(kIllegalAddress,
                  "argument " + std::to_string(launch.bindings.size()) +
                      " of kernel " + name + " is not in the GPU's memory");
    }
    launch.bindings.push_back(pointerTo(argument));
  }
  if (call.dependent) {
    launch.dependent = written;
  }
  // What this kernel writes is found by comparing the memory before and after
  // it. This is needed only if the next kernel may start before this one has
  // ended.
  std::map<uint64_t, std::vector<uint8_t>> before;
  if (call.hasDependent) {
    for (const auto &[start, allocation] : memory) {
      before[start].assign(pointerTo(start),
                           pointerTo(start) + allocation.bytes);
    }
  }
  const Status status = emulator::run(launch);
  written.clear();
  for (const auto &[start, bytes] : before) {
    addChanges(bytes, pointerTo(start), written);
  }
  if (!status.isOk()) {
    return fail(kLaunchFailed, "kernel " + name + ": " + status.message());
  }
  if (!guardsAreIntact()) {
    return fail(kIllegalAddress,
                "kernel " + name + " wrote outside of the GPU's allocations");
  }
  return kOk;
}

int64_t Gpu::liveObjects() const {
  return static_cast<int64_t>(memory.size() + modules.size() + streams.size() +
                              events.size() + graphs.size() +
                              graphExecutables.size() + pinned.size()) +
         users;
}

void Gpu::reset() {
  for (const auto &[start, allocation] : memory) {
    fakeCuda.freeBytes += allocation.bytes;
  }
  for (const Module &module : modules) {
    dlclose(module.library);
  }
  *this = Gpu();
}
