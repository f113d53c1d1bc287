//===- FakeRoot.h - files that imitate /proc and /sys -----------*- C++ -*-===//
//
// Code that reads /proc and /sys takes the root directory as a parameter, so
// that a test can give it such a folder with the state of a machine.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_RUNTIME_FAKE_FAKEROOT_H
#define AIRPACK_TEST_RUNTIME_FAKE_FAKEROOT_H

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace air::test {

/// A folder that exists as long as the object, and is empty at first.
class FakeRoot {
public:
  FakeRoot() {
    // A process of the same number that was killed may have left the folder.
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  FakeRoot(const FakeRoot &) = delete;
  FakeRoot &operator=(const FakeRoot &) = delete;
  ~FakeRoot() { std::filesystem::remove_all(folder); }

  const std::string &path() const { return folder; }

  /// The path of a file, such as "proc/meminfo".
  std::string at(const std::string &name) const { return folder + "/" + name; }

  void put(const std::string &name, const std::string &text) const {
    const std::filesystem::path file = at(name);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  /// Sets how much memory the machine has, and how much of it is available.
  void putMemory(uint64_t totalKib, uint64_t availableKib) const {
    put("proc/meminfo",
        "MemTotal: " + std::to_string(totalKib) +
            " kB\nMemAvailable: " + std::to_string(availableKib) + " kB\n");
  }

  /// Puts the process into the memory cgroup `name`, such as "box/job". In
  /// version 1 of cgroups, the process is in groups of other controllers, too.
  void enterGroup(int version, const std::string &name) const {
    put("proc/self/cgroup", version == 2
                                ? "0::/" + name + "\n"
                                : "9:cpu:/\n4:memory:/" + name + "\n0::/\n");
  }

  /// Writes the files of a memory cgroup: its limit, a number or "max", and its
  /// usage, of which `inactive` and `active` bytes are page cache.
  void putGroup(int version, const std::string &name, const std::string &limit,
                uint64_t usage, uint64_t inactive = 0,
                uint64_t active = 0) const {
    const std::string caches[] = {
        "inactive_file " + std::to_string(inactive) + "\n",
        "active_file " + std::to_string(active) + "\n"};
    const std::string used = std::to_string(usage) + "\n";
    if (version == 2) {
      const std::string files = "sys/fs/cgroup/" + name + "/memory.";
      put(files + "max", limit + "\n");
      put(files + "high", "max\n");
      put(files + "current", used);
      put(files + "stat",
          "anon 5\ninactive_anon 77777\n" + caches[0] + caches[1]);
      return;
    }
    // Without "total_", the numbers leave out the group's descendants.
    const std::string files = "sys/fs/cgroup/memory/" + name + "/memory.";
    put(files + "limit_in_bytes", limit + "\n");
    put(files + "usage_in_bytes", used);
    put(files + "stat",
        "cache 1\ninactive_file 1000\nactive_file 2000\ntotal_" + caches[0] +
            "total_" + caches[1]);
  }

  /// The file with the limit of a memory cgroup.
  std::string limitOf(int version, const std::string &name) const {
    return at(version == 2
                  ? "sys/fs/cgroup/" + name + "/memory.max"
                  : "sys/fs/cgroup/memory/" + name + "/memory.limit_in_bytes");
  }

private:
  static std::string newFolder() {
    static int made = 0;
    return testing::TempDir() + "root-" + std::to_string(getpid()) + "-" +
           std::to_string(made++);
  }

  std::string folder = newFolder();
};

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_FAKE_FAKEROOT_H
