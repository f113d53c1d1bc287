//===- Measure.h - checks and timings of a folder's kernels -----*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H

#include "tools/air-gpu-bench/Driver.h"
#include "tools/air-gpu-bench/Kernels.h"

#include <string>
#include <vector>

namespace air::gpubench {

/// One line of the report. A gigabyte (GB) is 10^9 bytes.
struct Row {
  std::string group; ///< "check", "limit", "read", "shape", "tiling", ...
  std::string name;
  bool isRight = true;
  double relativeError = 0; ///< 0 where nothing is compared
  double worstShare = 0;    ///< largest error / allowed error
  double microseconds = 0;  ///< 0 where nothing is timed
  double spread = 0;        ///< (slowest - fastest) / median of the replays
  double gigabytesPerSecond = 0; ///< read and written by the kernel
  /// The size of the matrix in the GGUF file divided by the time, in GB/s.
  double sourceGigabytes = 0;
  uint32_t registers = 0;
};

struct Report {
  DeviceFacts device;
  std::string nvrtc;
  double copyGigabytes = 0; ///< GB/s read plus written by the fastest copy
  double readGigabytes = 0; ///< GB/s of the fastest read probe
  uint32_t notReached = 0;  ///< measurements left out at the time limit
  std::vector<Row> rows;
};

struct MeasureOptions {
  bool checks = true;
  bool timings = true;
  /// If this is not empty, only the matmul kernels whose name contains this
  /// text are run, and of the other measurements only the copies.
  std::string filter;
  /// After this many seconds no further matmul or read probe is started.
  double seconds = 3600;
};

/// Runs the folder's kernels. Errors: Mismatch if the folder was made for
/// another compute capability or, with timings, for another number of
/// multiprocessors; those of cudaTarget() for the folder's target, of Driver,
/// and of MappedFile::open() for the kernels. A kernel with wrong results is
/// not an error; isRight is false in its row.
Result<Report> measure(Driver &driver, const KernelFolder &folder,
                       const MeasureOptions &options);

std::string reportTable(const Report &report);
std::string reportJson(const Report &report);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_MEASURE_H
