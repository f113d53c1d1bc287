//===- NodePlacement.cpp - weights on their readers' nodes ------*- C++ -*-===//
#include "runtime/io/NodePlacement.h"

#include <algorithm>
#include <linux/mempolicy.h>
#include <optional>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 // Linux has this since version 5.14.
#endif

using namespace air::rt;

namespace {

/// The largest number of nodes that a Linux kernel can be configured for.
constexpr unsigned long kMaxNodes = 1024;
constexpr unsigned long kBits = 8 * sizeof(unsigned long);

struct MemoryPolicy {
  int mode = MPOL_DEFAULT;
  unsigned long nodes[kMaxNodes / kBits] = {};
};

/// Returns nullopt if `node` is larger than any node that Linux supports.
std::optional<MemoryPolicy> preferring(uint32_t node) {
  if (node >= kMaxNodes) {
    return std::nullopt;
  }
  MemoryPolicy policy;
  policy.mode = MPOL_PREFERRED;
  policy.nodes[node / kBits] |= 1UL << (node % kBits);
  return policy;
}

bool getPolicy(MemoryPolicy &policy) {
  return syscall(SYS_get_mempolicy, &policy.mode, policy.nodes, kMaxNodes,
                 nullptr, 0UL) == 0;
}

bool setPolicy(const MemoryPolicy &policy) {
  // The last argument is the size of the set of nodes in bits. Linux reads one
  // bit less than that, so 1 is added.
  return syscall(SYS_set_mempolicy, policy.mode, policy.nodes, kMaxNodes + 1) ==
         0;
}

} // namespace

std::span<const uint8_t> air::rt::bytesOfPart(std::span<const uint8_t> bytes,
                                              const NodePart &part,
                                              uint64_t pageBytes) {
  uint64_t start = reinterpret_cast<uintptr_t>(bytes.data());
  auto boundary = [&](uint32_t thread) -> uint64_t {
    if (thread == 0) {
      return 0;
    }
    if (thread >= part.threads) {
      return bytes.size();
    }
    // The quotient and the remainder are multiplied separately, because
    // bytes.size() * thread could overflow.
    uint64_t at = bytes.size() / part.threads * thread +
                  bytes.size() % part.threads * thread / part.threads;
    uint64_t page = (start + at) / pageBytes * pageBytes;
    return page > start ? page - start : 0;
  };
  uint64_t begin = boundary(part.first);
  return bytes.subspan(begin, boundary(part.end) - begin);
}

void air::rt::placeOnNodes(std::span<const uint8_t> bytes,
                           std::span<const NodePart> parts) {
  MemoryPolicy before;
  auto pageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (!getPolicy(before)) {
    return;
  }
  for (const NodePart &part : parts) {
    std::span<const uint8_t> own = bytesOfPart(bytes, part, pageBytes);
    const std::optional<MemoryPolicy> policy = preferring(part.node);
    if (own.empty() || !policy) {
      continue;
    }
    if (!setPolicy(*policy)) {
      break;
    }
    uint64_t first =
        reinterpret_cast<uintptr_t>(own.data()) / pageBytes * pageBytes;
    uint64_t last = reinterpret_cast<uintptr_t>(own.data() + own.size());
    auto *page = reinterpret_cast<void *>(static_cast<uintptr_t>(first));
    if (madvise(page, last - first, MADV_POPULATE_READ) != 0) {
      // Linux lacks MADV_POPULATE_READ before version 5.14. Asking it to read
      // ahead is the next best choice.
      (void)madvise(page, last - first, MADV_WILLNEED);
    }
  }
  (void)setPolicy(before);
}

void air::rt::preferNodes(std::span<const uint8_t> bytes, uint64_t count,
                          std::span<const NodePart> parts) {
  auto pageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint8_t *end = bytes.data() + std::min<uint64_t>(count, bytes.size());
  for (const NodePart &part : parts) {
    std::span<const uint8_t> own = bytesOfPart(bytes, part, pageBytes);
    const std::optional<MemoryPolicy> policy = preferring(part.node);
    if (own.empty() || own.data() >= end || !policy) {
      continue;
    }
    const auto length = static_cast<uint64_t>(
        std::min(own.data() + own.size(), end) - own.data());
    // A failure is ignored: the pages then come from the node of the thread
    // that reads the file.
    (void)syscall(SYS_mbind, own.data(), length, policy->mode, policy->nodes,
                  kMaxNodes + 1, 0UL);
  }
}
