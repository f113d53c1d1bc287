//===- PrefillMatMul.cpp - matmuls for many tokens as CUDA text -----------===//
#include "codegen/cuda/PrefillMatMul.h"

#include "codegen/cuda/Bindings.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"
#include "codegen/cuda/PrefillOperands.h"

#include <algorithm>
#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr const char *kText = R"(
// Copies one unit of columns to a slot: the weights of the thread block's tiles
// of rows, and the activations of its groups of 8 tokens. For a tile beyond the
// matrix, copies the last tile of the matrix. For a group beyond the batch,
// copies the last group of the batch.
AP_DEVICE void fetchUnit(u8 *slot, const u8 *weights, const u8 *operands, u32 firstTile,
                         u32 firstGroup, u32 groups, u32 unit, u32 warp, u32 lane) {
  for (u32 i = warp; i < kBlockTiles; i += kWarps) {
    const u32 tile = firstTile + i < kTiles ? firstTile + i : kTiles - 1;
    copyPieces(slot + i * kUnitBytes, weights + ((u64)tile * kUnits + unit) * kUnitBytes,
               kUnitBytes, lane);
  }
  u8 *to = slot + kBlockTiles * kUnitBytes;
  for (u32 i = warp; i < kBlockGroups; i += kWarps) {
    const u32 group = firstGroup + i < groups ? firstGroup + i : groups - 1;
    copyPieces(to + i * kChunkBytes, operands + ((u64)group * kUnits + unit) * kChunkBytes,
               kChunkBytes, lane);
  }
}

AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const u8 *weights, const u8 *operands, const float *scales, float *y,
 const u32 *tokenCount AP_PARAMETERS) {
  const More more = {AP_ARGUMENTS};
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 g = lane / 4;
  const u32 t = lane % 4;
  const u32 firstGroup = ap_block_x() * kBlockGroups;
  const u32 firstTile = ap_block_y() * kBlockTiles;
  const u32 rowWarp = warp % kRowWarps;
  const u32 tokenWarp = warp / kRowWarps;
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  const u32 count = *tokenCount;
  const u32 groups = (count + 7) / 8;
  if (firstGroup >= groups) {
    return;
  }
  // While the warps multiply the unit in one slot, the next units are copied to
  // the other slots.
  constexpr u32 kAhead = kStages - 1;
#pragma unroll 1
  for (u32 unit = 0; unit < kAhead; ++unit) {
    if (unit < kUnits) {
      fetchUnit(shared + unit * kSlotBytes, weights, operands, firstTile, firstGroup, groups, unit,
                warp, lane);
    }
    endCopies();
  }
  copyCodebook(thread);
  Sums sums[kRowTiles][kTokenGroups] = {};
  u32 slot = 0;
#pragma unroll 1
  for (u32 unit = 0; unit < kUnits; ++unit) {
    waitForCopies<(kAhead > 1 ? kAhead - 1 : 0)>();
    publishCopies();
    ap_barrier();
    if (unit + kAhead < kUnits) {
      const u32 free = slot == 0 ? kAhead : slot - 1;
      fetchUnit(shared + free * kSlotBytes, weights, operands, firstTile, firstGroup, groups,
                unit + kAhead, warp, lane);
    }
    endCopies();
    if (kAhead == 0) {
      waitForCopies<0>();
      publishCopies();
      ap_barrier();
    }
    const u8 *from = shared + slot * kSlotBytes;
    Unit units[kRowTiles];
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
      loadUnit(units[i], from + (rowWarp * kRowTiles + i) * kUnitBytes, lane);
    }
    const u8 *chunk =
        from + kBlockTiles * kUnitBytes + tokenWarp * kTokenGroups * kChunkBytes;
    multiplyUnits(sums, units, chunk + (kCoreMatrices ? 0 : lane * 16),
                  chunk + kChunkSums + (kSumsAsHalves ? (g * 4 + t) * kSumLane : t * 16));
    slot = slot + 1 == kStages ? 0 : slot + 1;
  }
  // Reads the number of tokens again, because the loop leaves no register in
  // which to keep it.
  const u32 end = ap_stream4(tokenCount);
#pragma unroll
  for (u32 group = 0; group < kTokenGroups; ++group) {
    float totals[kRowTiles][4];
#pragma unroll
    for (u32 i = 0; i < kRowTiles; ++i) {
      totalOf(sums[i][group], totals[i]);
    }
#pragma unroll
    for (u32 j = 0; j < 2; ++j) {
      const u32 token = (firstGroup + tokenWarp * kTokenGroups + group) * 8 + 2 * t + j;
      if (token >= end) {
        continue;
      }
      const float back = scales[token];
#pragma unroll
      for (u32 i = 0; i < kRowTiles; ++i) {
        const float(&total)[4] = totals[i];
        const u32 row = (firstTile + rowWarp * kRowTiles + i) * kTileOutputs + g;
        if (row < kRows) {
          storeOutput(y, more, token, row, back * total[j], back * total[2 + j]);
        }
        if (!kPaired && row + 8 < kRows) {
          storeOutput(y, more, token, row + 8, back * total[2 + j], 0);
        }
      }
    }
  }
}
)";

constexpr const char *kPublishForWgmma = R"(
AP_DEVICE void publishCopies() { ap_wgmma_publish(); }
)";
constexpr const char *kPublishNothing = R"(
AP_DEVICE void publishCopies() {}
)";

struct Sizes {
  uint32_t tileOutputs, tiles, blockTiles, blockGroups, warps, slotBytes,
      sharedBytes;
};

/// Like prefillOperands, except that the result's `unit` is that of
/// `spec.layout`, which may be t16i.
Result<PrefillOperands> operandsOf(const PrefillMatMul &spec,
                                   const CudaTarget &target,
                                   const std::string &where) {
  AIR_ASSIGN_OR_RETURN(PrefillOperands operands,
                       prefillOperands(prefillInputOf(spec), target, where));
  AIR_ASSIGN_OR_RETURN(operands.unit, unitOf(spec.dtype, spec.layout));
  return operands;
}

Sizes sizesOf(const PrefillMatMul &spec, const PrefillOperands &operands) {
  const PrefillTiling &tiling = spec.tiling;
  Sizes s{};
  s.tileOutputs = isGlu(spec.output) ? kT16Rows / 2 : kT16Rows;
  s.tiles = divideUp(spec.rows, s.tileOutputs);
  s.blockTiles = tiling.rowWarps * tiling.rowTiles;
  s.blockGroups = tiling.tokenWarps * tiling.tokenGroups;
  s.warps = tiling.rowWarps * tiling.tokenWarps;
  s.slotBytes =
      s.blockTiles * operands.unit.bytes + s.blockGroups * operands.chunkBytes;
  s.sharedBytes =
      tiling.stages * s.slotBytes + codebookBytes(spec.dtype, spec.layout);
  return s;
}

Status checkSpec(const PrefillMatMul &spec, const std::string &where) {
  if (spec.output == MatMulOutput::Heads) {
    return unsupportedError(where +
                            " cannot normalise, rotate and store heads; use a "
                            "separate kernel for this after the matmul");
  }
  const uint64_t outputs = uint64_t{spec.rows} * spec.maxTokens;
  if (spec.rows < 1 || spec.rows > 1U << 24 || outputs > UINT32_MAX) {
    return unsupportedError(where + " does not support " +
                            std::to_string(spec.rows) + " rows and " +
                            std::to_string(spec.maxTokens) +
                            " tokens; the number of rows must be 1 to 2^24, "
                            "and rows times tokens must be below 2^32");
  }
  const PrefillTiling &tiling = spec.tiling;
  const auto inRange = [](uint32_t value, uint32_t most) {
    return value >= 1 && value <= most;
  };
  if (!inRange(tiling.rowWarps, 16) || !inRange(tiling.tokenWarps, 16) ||
      tiling.rowWarps * tiling.tokenWarps > 16 ||
      !inRange(tiling.rowTiles, 4) || !inRange(tiling.tokenGroups, 16) ||
      tiling.rowTiles * tiling.tokenGroups > 16 || !inRange(tiling.stages, 8)) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(tiling.rowWarps) + " x " +
        std::to_string(tiling.tokenWarps) +
        " warps (their product must be 1 to 16), " +
        std::to_string(tiling.rowTiles) +
        " tiles of rows per warp (1 to 4) x " +
        std::to_string(tiling.tokenGroups) +
        " groups of tokens per warp (their product must be 1 to 16), " +
        std::to_string(tiling.stages) + " stages (1 to 8)");
  }
  if (spec.wgmma && (tiling.rowTiles != 1 || tiling.rowWarps % 4 != 0 ||
                     !std::has_single_bit(tiling.tokenGroups))) {
    return unsupportedError(where +
                            " with wgmma cannot be made because one of these "
                            "numbers is not allowed: " +
                            std::to_string(tiling.rowWarps) +
                            " warps along the rows (a multiple of 4), " +
                            std::to_string(tiling.rowTiles) +
                            " tiles of rows per warp (only 1), " +
                            std::to_string(tiling.tokenGroups) +
                            " groups of tokens per warp (a power of two)");
  }
  return Status::ok();
}

} // namespace

PrefillInput prefillInputOf(const PrefillMatMul &spec) {
  PrefillInput input;
  input.dtype = spec.dtype;
  input.columns = spec.columns;
  input.maxTokens = spec.maxTokens;
  input.splitActivations = spec.splitActivations;
  input.wgmma = spec.wgmma;
  input.outputs = spec.outputs;
  input.dependentLaunch = spec.dependentLaunch;
  return input;
}

PrefillTiling defaultPrefillTiling(const PrefillMatMul &spec,
                                   const CudaTarget &target,
                                   uint32_t multiprocessors) {
  PrefillMatMul trial = spec;
  PrefillTiling &tiling = trial.tiling;
  const Result<PrefillOperands> operands = operandsOf(spec, target, "");
  // A thread block multiplies up to 64 tokens, or up to 128 where shared memory
  // is large.
  const bool large = target.sharedBytesPerBlock > 128 * 1024;
  const uint32_t groups = divideUp(spec.maxTokens, 8);
  tiling = {.rowWarps = 4, .rowTiles = 2, .tokenGroups = 2, .stages = 2};
  tiling.tokenWarps = groups > 4 ? 2 : 1;
  uint32_t mostGroups = large ? 8 : 4;
  uint32_t leastWarps = 1;
  if (spec.wgmma) {
    tiling.rowWarps = 8;
    tiling.rowTiles = 1;
    tiling.tokenWarps = 1;
    // With a scale per 16 columns, more than 8 groups of tokens would need too
    // many registers.
    mostGroups = operands.isOk() && operands->form.halves ? 8 : 16;
    leastWarps = 4;
  } else if (operands.isOk() && operands->form.floats) {
    // Activations in float32 are multiplied without tensor cores. To multiply
    // one tile of rows by one group of tokens, each lane then needs 16
    // accumulators (2 rows by 8 tokens). A warp therefore gets only one tile
    // and at most four groups.
    tiling.rowTiles = 1;
    mostGroups = 4;
  }
  while (tiling.tokenGroups < mostGroups &&
         tiling.tokenWarps * tiling.tokenGroups < groups) {
    tiling.tokenGroups *= 2;
  }
  if (!operands.isOk()) {
    return tiling;
  }
  const auto fits = [&] {
    return sizesOf(trial, *operands).sharedBytes <= target.sharedBytesPerBlock;
  };
  // Two slots must fit in shared memory. Weights take less room than
  // activations, so the number of tokens is halved first.
  while (!fits() && tiling.tokenGroups > 2) {
    tiling.tokenGroups /= 2;
  }
  while (!fits() && tiling.tokenWarps > 1) {
    tiling.tokenWarps /= 2;
  }
  while (!fits() && tiling.rowTiles > 1) {
    tiling.rowTiles /= 2;
  }
  while (!fits() && tiling.rowWarps > leastWarps) {
    tiling.rowWarps /= 2;
  }
  // Gives each thread block fewer rows until there are at least as many thread
  // blocks as multiprocessors.
  const auto blocks = [&] {
    const Sizes s = sizesOf(trial, *operands);
    return uint64_t{divideUp(s.tiles, s.blockTiles)} *
           divideUp(groups, s.blockGroups);
  };
  while (blocks() < multiprocessors && tiling.rowTiles > 1) {
    tiling.rowTiles /= 2;
  }
  while (blocks() < multiprocessors &&
         tiling.rowWarps > std::max(2U, leastWarps)) {
    tiling.rowWarps /= 2;
  }
  while (tiling.stages < 4) {
    ++tiling.stages;
    if (!fits()) {
      --tiling.stages;
      break;
    }
  }
  return tiling;
}

std::string prefillMatMulName(const PrefillMatMul &spec,
                              const CudaTarget &target) {
  const PrefillTiling &tiling = spec.tiling;
  std::string name = "prefill_matmul_" + nameInKernels(spec.dtype, spec.layout);
  auto add = [&](const char *prefix, uint32_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("n", spec.rows);
  add("k", spec.columns);
  add("m", spec.maxTokens);
  name += "_" + std::string(target.name);
  add("w", tiling.rowWarps);
  add("", tiling.tokenWarps);
  add("t", tiling.rowTiles);
  add("", tiling.tokenGroups);
  add("s", tiling.stages);
  name += spec.splitActivations ? "_split" : "";
  name += spec.wgmma ? "_wgmma" : "";
  name += spec.outputs ? "_outputs" : "";
  name += spec.hasBias ? "_bias" : "";
  name += spec.hasRowScales ? "_scaled" : "";
  name += outputName(spec.output);
  return name + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generatePrefillMatMul(const PrefillMatMul &spec,
                                         const CudaTarget &target,
                                         std::string_view intrinsics) {
  const std::string where = "a prefill matmul for " + std::string(target.name);
  AIR_RETURN_IF_ERROR(checkSpec(spec, where));
  AIR_ASSIGN_OR_RETURN(const PrefillOperands operands,
                       operandsOf(spec, target, where));
  const PrefillTiling &tiling = spec.tiling;
  const Sizes s = sizesOf(spec, operands);
  CudaKernel kernel;
  kernel.name = prefillMatMulName(spec, target);
  kernel.sharedBytes = s.sharedBytes;
  if (kernel.sharedBytes > target.sharedBytesPerBlock) {
    return doesNotFitError(
        "kernel " + kernel.name + " needs " +
        std::to_string(kernel.sharedBytes) +
        " bytes of shared memory per thread block, but the target allows " +
        std::to_string(target.sharedBytesPerBlock) +
        " bytes; use fewer stages or smaller tiles");
  }
  kernel.gridX = divideUp(spec.maxTokens, 8 * s.blockGroups);
  kernel.gridY = divideUp(s.tiles, s.blockTiles);
  if (kernel.gridY > UINT16_MAX) {
    return unsupportedError(where + " would have " +
                            std::to_string(kernel.gridY) +
                            " thread blocks along its rows, but at most 65535 "
                            "are allowed; use larger tiles");
  }
  AIR_ASSIGN_OR_RETURN(kernel.weightBytes,
                       layoutBytes(spec.dtype, spec.layout,
                                   uint64_t{s.tiles} * kT16Rows, spec.columns));
  kernel.threads = s.warps * 32;
  kernel.bindings = {"weights", "operands", "scales", "y",
                     spec.outputs ? "output_count" : "token_count"};
  const std::vector<Binding> more = {
      {"bias", "const float *", "bias", spec.hasBias},
      {"row_scales", "const float *", "rowScales", spec.hasRowScales}};
  addBindings(kernel, more);
  std::string &text = kernel.text;
  text = std::string(commonText()) + operandLiterals(operands);
  literal(text, "kRows", spec.rows);
  literal(text, "kTokens", 8U);
  literal(text, "kTiles", s.tiles);
  literal(text, "kUnitBytes", operands.unit.bytes);
  literal(text, "kRowWarps", tiling.rowWarps);
  literal(text, "kRowTiles", tiling.rowTiles);
  literal(text, "kLazy", true);
  literal(text, "kSplitColumns", false);
  literal(text, "kTokenGroups", tiling.tokenGroups);
  literal(text, "kGroupStride", operands.chunkBytes);
  literal(text, "kXStride", 64U);
  literal(text, "kStages", tiling.stages);
  literal(text, "kWarps", s.warps);
  literal(text, "kThreads", kernel.threads);
  literal(text, "kBlockTiles", s.blockTiles);
  literal(text, "kBlockGroups", s.blockGroups);
  literal(text, "kSlotBytes", s.slotBytes);
  literal(text, "kTileOutputs", s.tileOutputs);
  literal(text, "kPaired", isGlu(spec.output));
  literal(text, "kGelu", spec.output == MatMulOutput::GeluGlu);
  literal(text, "kBias", spec.hasBias);
  literal(text, "kRowScales", spec.hasRowScales);
  text += dependentLaunchText(spec.dependentLaunch) + "#define KERNEL_NAME " +
          kernel.name + "\n" + bindingsText(more) + std::string(intrinsics) +
          std::string(takeText(WeightFetch::AsyncCopy)) +
          codebookText(spec.dtype, spec.layout, tiling.stages * s.slotBytes) +
          unitText(spec.dtype, spec.layout, operands.form,
                   spec.wgmma ? UnitLoop::Wgmma : UnitLoop::Prefill) +
          std::string(copyText(target)) +
          (spec.wgmma ? kPublishForWgmma : kPublishNothing) +
          storeText(spec.output) + kText;
  return kernel;
}

} // namespace air::codegen::cuda
