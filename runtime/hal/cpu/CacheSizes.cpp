//===- CacheSizes.cpp - the data caches that Linux reports ----------------===//
#include "runtime/hal/cpu/CacheSizes.h"

#include "runtime/hal/cpu/CpuTopology.h"

#include <cstdlib>
#include <fstream>
#include <map>

namespace air::rt {
namespace {

/// At most this number of caches of a CPU are examined. Linux numbers the
/// caches of each CPU from 0.
constexpr int kMostCaches = 16;

std::string lineOf(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Returns the number of bytes that a text such as "48K", "2M" or "1024"
/// states, or 0 if it does not begin with a number or states 2^64 or more.
uint64_t sizeOf(const std::string &text) {
  char *end = nullptr;
  const uint64_t number = std::strtoull(text.c_str(), &end, 10);
  const unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 0;
  return number > UINT64_MAX >> shift ? 0 : number << shift;
}

/// Calls visit(level, bytes, folder) for each data or unified cache of CPU
/// number `cpu`. `folder` is the folder in which Linux describes the cache.
template <typename Visit>
void visitCaches(const std::string &root, uint32_t cpu, Visit visit) {
  for (int index = 0; index < kMostCaches; ++index) {
    const std::string folder = root + "/sys/devices/system/cpu/cpu" +
                               std::to_string(cpu) + "/cache/index" +
                               std::to_string(index);
    const uint64_t bytes = sizeOf(lineOf(folder + "/size"));
    if (bytes != 0 && lineOf(folder + "/type") != "Instruction") {
      visit(lineOf(folder + "/level"), bytes, folder);
    }
  }
}

} // namespace

CacheSizes cacheSizes(const std::string &root, uint32_t cpu) {
  CacheSizes sizes;
  visitCaches(
      root, cpu,
      [&](const std::string &level, uint64_t bytes, const std::string &) {
        if (level == "1") {
          sizes.l1d = bytes;
        } else if (level == "2") {
          sizes.l2 = bytes;
        } else if (level == "3") {
          sizes.l3 = bytes;
        }
      });
  return sizes;
}

uint64_t allLastLevelCacheBytes(const std::string &root,
                                std::span<const uint32_t> cpus) {
  // The size of each last-level cache. The key is the first CPU that shares the
  // cache.
  std::map<uint32_t, uint64_t> caches;
  for (uint32_t cpu : cpus) {
    uint64_t largest = 0;
    uint32_t owner = cpu;
    visitCaches(
        root, cpu,
        [&](const std::string &, uint64_t bytes, const std::string &folder) {
          if (bytes < largest) {
            return;
          }
          largest = bytes;
          const std::vector<uint32_t> sharing =
              parseCpuList(lineOf(folder + "/shared_cpu_list"));
          owner = sharing.empty() ? cpu : sharing.front();
        });
    caches[owner] = largest;
  }
  uint64_t total = 0;
  for (const auto &[owner, bytes] : caches) {
    total += bytes;
  }
  return total;
}

} // namespace air::rt
