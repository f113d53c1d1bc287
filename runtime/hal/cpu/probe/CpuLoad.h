//===- CpuLoad.h - CPU time that others take --------------------*- C++ -*-===//
//
// A rate that is measured while other programs run on the same CPUs is too low.
// CpuLoad tells how much of the CPU time others have taken since it was made,
// from the counters in /proc/stat (man 5 proc) and from this process's own CPU
// time (man 2 getrusage).
//
// Thread-safety: all functions may be called from any thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CPU_PROBE_CPULOAD_H
#define AIRPACK_RUNTIME_HAL_CPU_PROBE_CPULOAD_H

#include <optional>
#include <string>

namespace air::rt {

/// CPU time of all CPUs together since the machine was started, in seconds.
struct CpuTimes {
  /// Time in which a CPU executed anything, or had something to execute while
  /// the hypervisor ran another virtual machine on it.
  double busy = 0;
  /// The sum of `busy` and the time in which CPUs had nothing to execute.
  double total = 0;
};

/// Reads the first line of the file `root` + "/proc/stat". `root` is "", except
/// in tests. Returns nullopt if the line cannot be read.
std::optional<CpuTimes> cpuTimes(const std::string &root);

/// Returns the share of the CPU time between `before` and `after` that was
/// neither idle nor among the `own` seconds of this process, from 0 to 1; 0 if
/// no time has passed.
double shareOfOthers(const CpuTimes &before, const CpuTimes &after, double own);

class CpuLoad {
public:
  explicit CpuLoad(std::string root = "");

  /// shareOfOthers() since the constructor was called; 0 if it is not known.
  double others() const;

private:
  std::string root;
  std::optional<CpuTimes> start;
  double ownStart;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CPU_PROBE_CPULOAD_H
