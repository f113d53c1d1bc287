//===- Measure.h - checks and timings of a folder's kernels -----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H

#include "tools/air-gpu-bench/Driver.h"
#include "tools/air-gpu-bench/Kernels.h"

#include <string>
#include <vector>

namespace air::gpubench {

/// One line of the report. GB are 10^9 bytes.
struct Row {
  std::string group; ///< "check", "limit", "read", "shape", "tiling", ...
  std::string name;
  bool isRight = true;
  double relativeError = 0; ///< 0 where nothing is compared
  double worstShare = 0;    ///< of the allowed error
  double microseconds = 0;  ///< 0 where nothing is timed
  double spread = 0;        ///< (slowest - fastest) / median of the replays
  double gigabytesPerSecond = 0; ///< bytes the kernel reads and writes
  double sourceGigabytes = 0;    ///< per second, of GGUF's bytes
  uint32_t registers = 0;
};

struct Report {
  DeviceFacts device;
  std::string nvrtc;
  double copyGigabytes = 0; ///< read and written, the faster way
  double readGigabytes = 0; ///< the fastest read probe
  uint32_t notReached = 0;  ///< kernels that the time did not suffice for
  std::vector<Row> rows;
};

struct MeasureOptions {
  bool checks = true;
  bool timings = true;
  std::string filter; ///< only names that contain it; "" for all
  /// Seconds after which no further kernel is begun.
  double seconds = 3600;
};

/// Io and Mismatch for a GPU that does not fit the folder; a kernel that
/// computes something wrong is a row with isRight false.
Result<Report> measure(Driver &driver, const KernelFolder &folder,
                       const MeasureOptions &options);

std::string reportTable(const Report &report);
std::string reportJson(const Report &report);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H
