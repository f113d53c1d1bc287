//===- Cases.h - what is checked and timed on a GPU -------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/cuda/Probes.h"

#include <vector>

namespace air::gpubench {

/// The cases for one target and number of multiprocessors, in a fixed order.
struct Cases {
  /// Matmuls of unusual sizes, which are checked but not timed.
  std::vector<codegen::cuda::DecodeMatMul> odd;
  /// Matmuls of the sizes that real models have.
  std::vector<codegen::cuda::DecodeMatMul> shapes;
  /// Matmuls of one size, with many different tilings.
  std::vector<codegen::cuda::DecodeMatMul> tilings;
  std::vector<codegen::cuda::ReadProbe> reads;
  uint64_t copyBytes = 0;
  /// The numbers of thread blocks with which launches are probed.
  std::vector<uint32_t> launchBlocks;
};

/// The cases for a target, without those that it does not support.
Cases casesFor(const codegen::cuda::CudaTarget &target,
               uint32_t multiprocessors);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H
