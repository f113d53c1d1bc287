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

/// Appends the cgroup `group` and its ancestors to `groups`. `mount` is where
/// the cgroup file system is mounted. A group whose limits are not visible is
/// left out, since /proc/self/cgroup may name a path that only exists outside
/// the container.
void appendGroups(const std::string &mount, std::string group, bool isUnified,
                  std::vector<MemoryGroup> &groups) {
  while (true) {
    const std::string folder = mount + (group == "/" ? "" : group) + "/";
    MemoryGroup found;
    if (isUnified) {
      // Above memory.high, Linux slows a process down so much that it hardly
      // runs, so memory.high is a limit, too.
      found.limits = {folder + "memory.max", folder + "memory.high"};
      found.usage = folder + "memory.current";
      found.inactiveFile = "inactive_file";
    } else {
      found.limits = {folder + "memory.limit_in_bytes"};
      found.usage = folder + "memory.usage_in_bytes";
      // The line "inactive_file" counts only this cgroup. The line
      // "total_inactive_file" also counts its descendants.
      found.inactiveFile = "total_inactive_file";
    }
    found.statistics = folder + "memory.stat";
    std::error_code error;
    if (std::filesystem::exists(found.limits.front(), error)) {
      groups.push_back(std::move(found));
    }
    if (group.empty() || group == "/") {
      return;
    }
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
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
    const size_t digit = line.find_first_not_of(' ');
    if (digit != 0 && digit != std::string_view::npos) {
      return leadingNumber(line.substr(digit));
    }
  }
  return std::nullopt;
}

std::vector<MemoryGroup> memoryGroups(const std::string &root) {
  std::vector<MemoryGroup> groups;
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
      appendGroups(mount, group, true, groups);
      appendGroups(mount + "/unified", group, true, groups);
    } else if (controllers.find(",memory,") != std::string::npos) {
      appendGroups(mount + "/memory", group, false, groups);
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

} // namespace air
