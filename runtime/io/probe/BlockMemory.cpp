//===- BlockMemory.cpp - memory with pages of a chosen size ---------------===//
#include "runtime/io/probe/BlockMemory.h"

#include "formats/machine/HostFacts.h"
#include "formats/support/CheckedMath.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <sys/mman.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPageBytes = 4096;

/// Returns how many bytes of the mapping that contains `address` are in huge
/// pages, according to /proc/self/smaps.
uint64_t hugeBytesAt(const void *address) {
  std::ifstream file("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool isInside = false;
  std::string line;
  while (std::getline(file, line)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      isInside = begin <= wanted && wanted < end;
    } else if (isInside) {
      if (const auto kib = numberAfter(line, "AnonHugePages:")) {
        return *kib * 1024;
      }
    }
  }
  return 0;
}

} // namespace

Result<BlockMemory> BlockMemory::create(uint64_t bytes, bool hugePages) {
  BlockMemory memory;
  memory.mapped = bytes + kHugePageBytes;
  memory.mapping = mmap(nullptr, memory.mapped, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory.mapping == MAP_FAILED) {
    memory.mapping = nullptr;
    return doesNotFitError(
        "cannot allocate " + std::to_string(bytes) +
        " bytes of memory to measure the disk: " + std::strerror(errno));
  }
  memory.aligned = reinterpret_cast<uint8_t *>(
      alignUp(reinterpret_cast<uintptr_t>(memory.mapping), kHugePageBytes));
  (void)madvise(memory.aligned, bytes,
                hugePages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (hugePages) {
    std::memset(memory.aligned, 1, bytes);
    if (hugeBytesAt(memory.aligned) < bytes) {
      return unsupportedError("reading into huge pages is not measured, "
                              "because the system has too few of them for " +
                              std::to_string(bytes) + " bytes");
    }
    return memory;
  }
  // On an idle machine, pages that are touched one after the other are often
  // adjacent in RAM. The pages of a program that has run for a long time are
  // not. To measure what such a program gets, the pages are touched in a
  // scattered order. Each is reached once, because `step` and `pages` have no
  // common factor.
  const uint64_t pages = bytes / kPageBytes;
  uint64_t step = pages * 5 / 8;
  while (std::gcd(step, pages) != 1) {
    ++step;
  }
  for (uint64_t i = 0; i < pages; ++i) {
    memory.aligned[i * step % pages * kPageBytes] = 1;
  }
  return memory;
}

BlockMemory::~BlockMemory() {
  if (mapping != nullptr) {
    munmap(mapping, mapped);
  }
}

BlockMemory::BlockMemory(BlockMemory &&other) noexcept
    : mapping(std::exchange(other.mapping, nullptr)), mapped(other.mapped),
      aligned(other.aligned) {}

BlockMemory &BlockMemory::operator=(BlockMemory &&other) noexcept {
  std::swap(mapping, other.mapping);
  std::swap(mapped, other.mapped);
  std::swap(aligned, other.aligned);
  return *this;
}
