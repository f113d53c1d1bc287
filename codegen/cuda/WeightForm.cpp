//===- WeightForm.cpp - which layout a GPU multiplies faster --------------===//
#include "codegen/cuda/WeightForm.h"

#include "formats/plan/T16Indices.h"

#include <algorithm>

namespace air::codegen::cuda {
namespace {

/// Clock frequencies in MHz under load, near the boost clocks in the white
/// papers of the architectures.
struct Clock {
  uint32_t capability;
  uint32_t megahertz;
};
constexpr Clock kClocks[] = {{75, 1650}, {80, 1410},  {86, 1700}, {89, 2500},
                             {90, 1755}, {100, 1850}, {120, 2450}};

struct Row {
  DType dtype;
  double codes;     ///< instructions per weight in layout t16
  double indices;   ///< the same in layout t16i
  uint32_t lookups; ///< of a lane in a unit of t16i
  /// The average number of cycles of a look-up by a warp with random indices.
  /// Shared memory has 32 banks, each of which delivers one word per cycle, so
  /// a look-up takes as many cycles as there are different words to read from
  /// the busiest bank. The average depends on the number of entries of the
  /// codebook, and on the number of indices that the warp looks up at once: 32,
  /// or 16 if each index belongs to two lanes.
  double lookupCycles;
};

// The instructions were counted in decode matmuls for 1 token that NVRTC 13.0
// compiled for sm_86 and for sm_90a. `codes` and `indices` are the larger count
// of the two targets, rounded up. CudaCompileTest fails if a kernel has more
// instructions.
constexpr Row kRows[] = {
    {DType::IQ2_XXS, 1.65, 1.96, 16, 3.16},
    {DType::IQ2_XS, 2.61, 4.97, 32, 2.33},
    {DType::IQ3_XXS, 2.13, 3.35, 32, 3.16},
    {DType::IQ1_S, 1.90, 2.90, 16, 3.48},
    {DType::IQ3_S, 1.15, 3.53, 32, 3.34},
    {DType::IQ2_S, 2.61, 4.75, 32, 2.35},
    {DType::IQ1_M, 2.46, 5.04, 32, 2.38},
};

} // namespace

Result<WeightWork> weightWork(DType dtype, Layout layout) {
  const Row *row = std::ranges::find(kRows, dtype, &Row::dtype);
  if (row == std::end(kRows)) {
    return unsupportedError("dtype " + std::string(info(dtype).name) +
                            " has only one layout for GPUs");
  }
  const bool indices = layout == Layout::T16Indices;
  AIR_ASSIGN_OR_RETURN(const T16IndexUnit indexUnit, t16IndexUnit(dtype));
  AIR_ASSIGN_OR_RETURN(const T16Unit codeUnit, t16Unit(dtype));
  const T16Unit &unit = indices ? indexUnit.unit : codeUnit;
  const double weights = unit.columns * kT16Rows;
  // Shared memory delivers 128 bytes per cycle. For each unit, a warp also
  // reads activations and their sums, which takes at most 16 more cycles.
  double cycles = unit.bytes / 128.0 + 16;
  if (indices) {
    cycles += row->lookups * row->lookupCycles;
  }
  return WeightWork{unit.bytes / weights, indices ? row->indices : row->codes,
                    cycles / weights};
}

double WeightTime::longest() const { return std::max({memory, issue, shared}); }

WeightTime weightTime(const WeightWork &work, double bytesPerCycle) {
  return {work.bytes / bytesPerCycle, work.instructions / (128 * 0.7),
          work.sharedCycles};
}

double bytesPerCycle(const CudaTarget &target, uint32_t multiprocessors,
                     uint64_t memoryBandwidth) {
  const Clock *clock =
      std::ranges::find(kClocks, target.capability, &Clock::capability);
  if (clock == std::end(kClocks) || multiprocessors == 0) {
    return 0;
  }
  return static_cast<double>(memoryBandwidth) /
         (multiprocessors * (clock->megahertz * 1e6));
}

Layout weightLayout(DType dtype, const CudaTarget &target,
                    uint32_t multiprocessors, uint64_t memoryBandwidth) {
  const Result<WeightWork> codes = weightWork(dtype, Layout::T16);
  const Result<WeightWork> indices = weightWork(dtype, Layout::T16Indices);
  const double rate = bytesPerCycle(target, multiprocessors, memoryBandwidth);
  if (!codes || !indices || rate == 0) {
    return Layout::T16;
  }
  return weightTime(*indices, rate).longest() <
                 kFasterThan * weightTime(*codes, rate).longest()
             ? Layout::T16Indices
             : Layout::T16;
}

} // namespace air::codegen::cuda
