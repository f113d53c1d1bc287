//===- Cases.h - what is checked and timed on a GPU -------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H
#define AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H

#include "codegen/cuda/DecodeMatMul.h"
#include "codegen/cuda/Probes.h"

#include <vector>

namespace air::gpubench {

/// All for one target and one count of multiprocessors; the order is fixed.
struct Cases {
  std::vector<codegen::cuda::DecodeMatMul> odd;     ///< shapes to be right on
  std::vector<codegen::cuda::DecodeMatMul> shapes;  ///< shapes of models
  std::vector<codegen::cuda::DecodeMatMul> tilings; ///< one shape, many tilings
  std::vector<codegen::cuda::ReadProbe> reads;
  uint64_t copyBytes = 0;
  std::vector<uint32_t> launchBlocks; ///< blocks of launch probes
};

/// Leaves out what the target cannot do.
Cases casesFor(const codegen::cuda::CudaTarget &target,
               uint32_t multiprocessors);

} // namespace air::gpubench

#endif // AIRPACK_TOOLS_AIR_GPU_BENCH_CASES_H
