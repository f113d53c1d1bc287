//===- CacheSizesTest.cpp - caches as Linux describes them ----------------===//
#include "runtime/hal/cpu/CacheSizes.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

using namespace air::rt;

namespace {

class Machine {
public:
  Machine()
      : root(std::filesystem::path(::testing::TempDir()) /
             ("caches-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(root);
  }
  ~Machine() { std::filesystem::remove_all(root); }
  void add(int cpu, int index, const char *level, const char *type,
           const char *size, const char *sharing) const {
    const std::filesystem::path folder =
        root / ("sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                "/cache/index" + std::to_string(index));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "level") << level << "\n";
    std::ofstream(folder / "type") << type << "\n";
    std::ofstream(folder / "size") << size << "\n";
    std::ofstream(folder / "shared_cpu_list") << sharing << "\n";
  }
  std::filesystem::path root;
};

} // namespace

TEST(CacheSizes, OneCpu) {
  const Machine machine;
  EXPECT_EQ(cacheSizes(machine.root, 0).largest(), 0u);
  machine.add(0, 0, "1", "Data", "48K", "0");
  machine.add(0, 1, "1", "Instruction", "64K", "0");
  machine.add(0, 2, "2", "Unified", "2048K", "0");
  CacheSizes sizes = cacheSizes(machine.root, 0);
  EXPECT_EQ(sizes.l1d, 49'152u);
  EXPECT_EQ(sizes.l2, 2'097'152u);
  EXPECT_EQ(sizes.l3, 0u);
  EXPECT_EQ(sizes.largest(), 2'097'152u);
  machine.add(0, 3, "3", "Unified", "260M", "0-1");
  sizes = cacheSizes(machine.root, 0);
  EXPECT_EQ(sizes.l3, 272'629'760u);
  EXPECT_EQ(sizes.largest(), 272'629'760u);
}

TEST(CacheSizes, SharedCachesCountOnce) {
  const Machine machine;
  for (int cpu = 0; cpu < 4; ++cpu) {
    machine.add(cpu, 0, "1", "Data", "32K", std::to_string(cpu).c_str());
    machine.add(cpu, 1, "3", "Unified", "1M", cpu < 2 ? "0-1" : "2-3");
  }
  const std::vector<uint32_t> all = {0, 1, 2, 3};
  EXPECT_EQ(allLastLevelCacheBytes(machine.root, all), 2'097'152u);
  const std::vector<uint32_t> half = {1};
  EXPECT_EQ(allLastLevelCacheBytes(machine.root, half), 1'048'576u);
  const std::vector<uint32_t> unknown = {9};
  EXPECT_EQ(allLastLevelCacheBytes(machine.root, unknown), 0u);
}

TEST(CacheSizes, NonsenseIsUnknown) {
  const Machine machine;
  machine.add(0, 0, "1", "Data", "big", "?");
  machine.add(0, 1, "2", "Unified", "99999999999999999999M", "");
  EXPECT_EQ(cacheSizes(machine.root, 0).largest(), 0u);
}
