//===- HostFacts.cpp - what Linux reports about this machine --------------===//
#include "formats/machine/HostFacts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace air {

namespace {

std::string contentsOf(const std::string &path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

/// The folder of a cgroup, ending with '/'. It need not exist, since
/// /proc/self/cgroup may name a path that only exists outside the container.
struct GroupFolder {
  std::string path;
  bool isUnified = false; ///< whether it is a cgroup of version 2
};

/// Appends the folders of the cgroup `group` and of its ancestors to `folders`.
/// `mount` is where the cgroup file system is mounted.
void appendFolders(const std::string &mount, std::string group, bool isUnified,
                   std::vector<GroupFolder> &folders) {
  while (true) {
    folders.push_back({mount + (group == "/" ? "" : group) + "/", isUnified});
    if (group.empty() || group == "/") {
      return;
    }
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

/// Returns the folders of this process's cgroups that may have the files of
/// `controller`: the folders of the version 1 hierarchy to which the controller
/// belongs, and all folders of version 2.
std::vector<GroupFolder> groupFolders(const std::string &root,
                                      const std::string &controller) {
  std::vector<GroupFolder> folders;
  // Each line is "HIERARCHY:CONTROLLERS:PATH". For cgroup version 2, the
  // hierarchy is 0 and the list of controllers is empty.
  std::ifstream file(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find(':');
    const size_t second =
        first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers =
        "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      appendFolders(mount, group, true, folders);
      appendFolders(mount + "/unified", group, true, folders);
    } else if (controllers.find("," + controller + ",") != std::string::npos) {
      appendFolders(mount + "/" + controller, group, false, folders);
    }
  }
  return folders;
}

} // namespace

std::optional<uint64_t> leadingNumber(std::string_view text) {
  uint64_t value = 0;
  size_t digits = 0;
  for (char c : text) {
    if (c < '0' || c > '9') {
      break;
    }
    if (__builtin_mul_overflow(value, uint64_t{10}, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) {
      return UINT64_MAX;
    }
    ++digits;
  }
  return digits == 0 ? std::nullopt : std::optional<uint64_t>(value);
}

std::optional<uint64_t> numberAfter(std::string_view text,
                                    std::string_view key) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(key)) {
      continue;
    }
    line.remove_prefix(key.size());
    const size_t digit = line.find_first_not_of(" \t");
    if (digit != 0 && digit != std::string_view::npos) {
      return leadingNumber(line.substr(digit));
    }
  }
  return std::nullopt;
}

std::vector<MemoryGroup> memoryGroups(const std::string &root) {
  std::vector<MemoryGroup> groups;
  for (const GroupFolder &folder : groupFolders(root, "memory")) {
    MemoryGroup found;
    if (folder.isUnified) {
      // Above memory.high, Linux slows a process down so much that it hardly
      // runs, so memory.high is a limit, too.
      found.limits = {folder.path + "memory.max", folder.path + "memory.high"};
      found.usage = folder.path + "memory.current";
      // The line "file" also counts files in memory (tmpfs), which cannot be
      // reclaimed.
      found.pageCache = {"inactive_file", "active_file"};
    } else {
      found.limits = {folder.path + "memory.limit_in_bytes"};
      found.usage = folder.path + "memory.usage_in_bytes";
      // The lines without "total_" count only this cgroup. Those with it also
      // count its descendants.
      found.pageCache = {"total_inactive_file", "total_active_file"};
    }
    found.statistics = folder.path + "memory.stat";
    std::error_code error;
    if (std::filesystem::exists(found.limits.front(), error)) {
      groups.push_back(std::move(found));
    }
  }
  return groups;
}

uint64_t memoryLimit(const std::string &root) {
  uint64_t smallest = kUnlimitedMemory;
  for (const MemoryGroup &group : memoryGroups(root)) {
    for (const std::string &limit : group.limits) {
      smallest = std::min(
          smallest, leadingNumber(contentsOf(limit)).value_or(UINT64_MAX));
    }
  }
  return smallest == kUnlimitedMemory ? 0 : smallest;
}

uint64_t memoryCapacity(const std::string &root) {
  uint64_t total = UINT64_MAX;
  if (auto kib = numberAfter(contentsOf(root + "/proc/meminfo"), "MemTotal:")) {
    total = *kib > UINT64_MAX / 1024 ? UINT64_MAX : *kib * 1024;
  }
  if (const uint64_t limit = memoryLimit(root)) {
    total = std::min(total, limit);
  }
  return total == UINT64_MAX ? 0 : total;
}

uint32_t cpuQuota(const std::string &root) {
  uint64_t smallest = UINT32_MAX;
  for (const GroupFolder &folder : groupFolders(root, "cpu")) {
    std::optional<uint64_t> quota;
    std::optional<uint64_t> period;
    if (folder.isUnified) {
      // "QUOTA PERIOD" in microseconds, where QUOTA may be "max".
      const std::string both = contentsOf(folder.path + "cpu.max");
      quota = leadingNumber(both);
      const size_t space = both.find(' ');
      if (space != std::string::npos) {
        period = leadingNumber(std::string_view(both).substr(space + 1));
      }
    } else {
      // The quota is -1 if there is none.
      quota = leadingNumber(contentsOf(folder.path + "cpu.cfs_quota_us"));
      period = leadingNumber(contentsOf(folder.path + "cpu.cfs_period_us"));
    }
    if (quota && period.value_or(0) != 0) {
      smallest = std::min(smallest, std::max<uint64_t>(*quota / *period, 1));
    }
  }
  return static_cast<uint32_t>(smallest);
}

} // namespace air
