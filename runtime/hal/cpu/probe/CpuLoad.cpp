//===- CpuLoad.cpp - CPU time that others take ----------------------------===//
#include "runtime/hal/cpu/probe/CpuLoad.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

namespace air::rt {

/// The CPU time that this process has taken so far, in seconds.
static double ownSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<CpuTimes> cpuTimes(const std::string &root) {
  // The word "cpu" is followed by the times user, nice, system, idle, iowait,
  // irq, softirq and steal, in clock ticks. All further times in the line
  // (guest and guest_nice) are already counted in user and nice.
  constexpr size_t kFields = 8;
  constexpr size_t kIdle = 3;
  constexpr size_t kIoWait = 4;
  std::ifstream file(root + "/proc/stat");
  std::string name;
  if (!(file >> name) || name != "cpu") {
    return std::nullopt;
  }
  const auto ticksPerSecond = static_cast<double>(sysconf(_SC_CLK_TCK));
  CpuTimes times;
  for (size_t field = 0; field < kFields; ++field) {
    double ticks = 0;
    if (!(file >> ticks)) {
      return std::nullopt;
    }
    times.total += ticks / ticksPerSecond;
    if (field != kIdle && field != kIoWait) {
      times.busy += ticks / ticksPerSecond;
    }
  }
  return times;
}

double shareOfOthers(const CpuTimes &before, const CpuTimes &after,
                     double own) {
  const double total = after.total - before.total;
  if (total <= 0) {
    return 0;
  }
  return std::clamp((after.busy - before.busy - own) / total, 0.0, 1.0);
}

CpuLoad::CpuLoad(std::string root)
    : root(std::move(root)), start(cpuTimes(this->root)),
      ownStart(ownSeconds()) {}

double CpuLoad::others() const {
  const std::optional<CpuTimes> now = cpuTimes(root);
  return start && now ? shareOfOthers(*start, *now, ownSeconds() - ownStart)
                      : 0;
}

} // namespace air::rt
