//===- MemoryLimit.cpp - how much memory is left at present ---------------===//
#include "runtime/io/MemoryLimit.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// At most this number of bytes are read from a file. The files of cgroups,
/// /proc/meminfo and /proc/self/status are smaller.
constexpr size_t kMostFileBytes = 16384;

} // namespace

MemoryLimit::Number::Number(std::string file,
                            std::vector<std::string_view> keysOfLines,
                            uint64_t unitBytes)
    : name(std::move(file)), keys(std::move(keysOfLines)), unit(unitBytes),
      descriptor(::open(name.c_str(), O_RDONLY | O_CLOEXEC)) {}

MemoryLimit::Number::Number(Number &&other) noexcept
    : name(std::move(other.name)), keys(std::move(other.keys)),
      unit(other.unit), descriptor(std::exchange(other.descriptor, -1)),
      last(other.last) {}

MemoryLimit::Number::~Number() {
  if (descriptor >= 0) {
    close(descriptor);
  }
}

std::optional<uint64_t> MemoryLimit::Number::read() {
  std::array<char, kMostFileBytes> text;
  const ssize_t count =
      descriptor < 0 ? 0 : pread(descriptor, text.data(), text.size(), 0);
  if (count <= 0) {
    return last;
  }
  const std::string_view contents(text.data(), static_cast<size_t>(count));
  std::optional<uint64_t> number;
  if (keys.empty()) {
    number = contents.starts_with("max") ? UINT64_MAX : leadingNumber(contents);
  }
  for (const std::string_view key : keys) {
    const std::optional<uint64_t> part = numberAfter(contents, key);
    if (!part) {
      return last;
    }
    number = checkedAdd(number.value_or(0), *part).value_or(UINT64_MAX);
  }
  if (number) {
    last = checkedMul(*number, unit).value_or(UINT64_MAX);
  }
  return last;
}

MemoryLimit::MemoryLimit(const std::string &root)
    : total(root + "/proc/meminfo", {"MemTotal:"}, 1024),
      available(root + "/proc/meminfo", {"MemAvailable:"}, 1024),
      own(root + "/proc/self/status", {"RssAnon:", "VmPTE:"}, 1024) {
  for (const MemoryGroup &group : memoryGroups(root)) {
    std::vector<Number> limits;
    for (const std::string &path : group.limits) {
      limits.emplace_back(path, std::vector<std::string_view>(), 1);
    }
    groups.push_back({std::move(limits), Number(group.usage, {}, 1),
                      Number(group.statistics, group.pageCache, 1)});
  }
}

MemoryLimit MemoryLimit::open(const std::string &root) {
  return MemoryLimit(root);
}

MemoryLimit::~MemoryLimit() = default;

std::optional<MemoryRoom> MemoryLimit::read() {
  std::optional<MemoryRoom> closest;
  uint64_t smallest = UINT64_MAX;
  const auto consider = [&](uint64_t limit, int64_t free,
                            const std::string &file) {
    smallest = std::min(smallest, limit);
    if (!closest || free < closest->free) {
      closest = MemoryRoom{free, limit, 0, file, std::nullopt};
    }
  };
  for (Group &group : groups) {
    uint64_t limit = kUnlimitedMemory;
    const std::string *file = nullptr;
    for (Number &number : group.limits) {
      const uint64_t value = number.read().value_or(kUnlimitedMemory);
      if (value < limit) {
        limit = value;
        file = &number.path();
      }
    }
    if (file == nullptr) {
      continue;
    }
    const uint64_t usage =
        std::min(group.usage.read().value_or(0), kUnlimitedMemory);
    const uint64_t cached = std::min(group.pageCache.read().value_or(0), usage);
    consider(limit,
             static_cast<int64_t>(limit) - static_cast<int64_t>(usage - cached),
             *file);
  }
  // The total is a limit even where the system does not say how much of it is
  // available. The reverse is of no use: if the total is not known, what is
  // available is ignored.
  if (const uint64_t bytes = total.read().value_or(0); bytes != 0) {
    const uint64_t limit = std::min(bytes, kUnlimitedMemory);
    const uint64_t free = available.read().value_or(limit);
    consider(limit, static_cast<int64_t>(std::min(free, kUnlimitedMemory)),
             total.path());
  }
  if (closest) {
    closest->smallest = smallest;
    closest->own = own.read();
  }
  return closest;
}

uint64_t air::rt::usableBytes(const MemoryRoom &room, uint64_t own) {
  if (room.free >= 0) {
    return checkedAdd(own, static_cast<uint64_t>(room.free))
        .value_or(UINT64_MAX);
  }
  const auto excess = static_cast<uint64_t>(-room.free);
  return own > excess ? own - excess : 0;
}
