//===- DecodeMatMul.cpp - sizes and literals of a decode matmul -----------===//
#include "codegen/cuda/DecodeMatMul.h"

#include "codegen/cuda/Bindings.h"
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/HeadText.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"
#include "formats/plan/T16.h"

#include <algorithm>
#include <bit>

namespace air::codegen::cuda {
namespace {

struct Sizes {
  T16Unit unit;
  ActivationForm form;
  uint32_t tileOutputs, tiles, units, partUnits, warpUnits, blocks;
  bool even;
  uint32_t slotBytes, barrierOffset, xOffset, xLow, xStride, sumOffset,
      unitSumBytes, reduceOffset, flagOffset, tokenScaleOffset, headFlagOffset,
      codebookOffset, sharedBytes;
};

UnitLoop loopOf(const DecodeTiling &tiling) {
  return tiling.fetch == WeightFetch::Registers ? UnitLoop::DecodeFromRegisters
                                                : UnitLoop::Decode;
}

/// Computes all sizes of the kernel that `spec` describes. The kernel's shared
/// memory may exceed the target's limit; the caller must check.
Result<Sizes> sizesOf(const DecodeMatMul &spec, const CudaTarget &target) {
  const DecodeTiling &tiling = spec.tiling;
  Sizes s{};
  AIR_ASSIGN_OR_RETURN(s.unit, unitOf(spec.dtype, spec.layout));
  AIR_ASSIGN_OR_RETURN(s.form,
                       activationForm(spec.dtype, target, loopOf(tiling)));
  s.form.split |= spec.splitActivations;
  s.tileOutputs = isGlu(spec.output) ? kT16Rows / 2 : kT16Rows;
  s.tiles = divideUp(spec.rows, s.tileOutputs);
  s.units = static_cast<uint32_t>(t16UnitsPerTile(s.unit, spec.columns));
  s.partUnits = divideUp(s.units, tiling.splits);
  s.warpUnits = divideUp(s.partUnits, tiling.warps);
  s.blocks = std::min(s.tiles, std::max(1U, spec.multiprocessors *
                                                tiling.blocksPerMultiprocessor /
                                                tiling.splits));
  s.even = s.partUnits * tiling.splits == s.units &&
           s.warpUnits * tiling.warps == s.partUnits &&
           s.warpUnits % tiling.groupUnits == 0;
  const bool ring = tiling.fetch != WeightFetch::Registers;
  s.slotBytes = tiling.groupUnits * s.unit.bytes;
  uint32_t at =
      ring ? roundUp(tiling.warps * tiling.stages * s.slotBytes, 128) : 0;
  s.barrierOffset = at;
  at += tiling.fetch == WeightFetch::BulkCopy
            ? roundUp(tiling.warps * tiling.stages * 8, 128)
            : 0;
  // The banks of shared memory together span 128 bytes. The stride between the
  // activations of two tokens is 64 bytes more than a multiple of 128. When 8
  // lanes read 16 bytes each, half of them from one token and half from the
  // next, they therefore use different banks.
  const uint32_t partColumns = s.partUnits * s.unit.columns;
  s.xOffset = at;
  s.xLow = partColumns * 2;
  s.xStride = partColumns * 2 * (s.form.split ? 2 : 1) + 64;
  at += spec.tokens * s.xStride;
  s.sumOffset = at;
  s.unitSumBytes = unitSumBytes(s.form, s.unit, spec.tokens);
  at += roundUp(s.partUnits * s.unitSumBytes, 16);
  s.reduceOffset = at;
  at += 2 * tiling.reduceTiles * tiling.warps * spec.tokens * 16 * 4;
  s.flagOffset = at;
  at += 16;
  s.tokenScaleOffset = at;
  if (spec.input != MatMulInput::Half) {
    at += spec.tokens * (1 + tiling.warps) * 16;
  }
  s.headFlagOffset = at;
  if (spec.output == MatMulOutput::Heads) {
    // finishHeads() needs a flag of 4 bytes in shared memory for each head that
    // a group of tiles may overlap.
    at += roundUp((tiling.reduceTiles * kT16Rows /
                       std::max(1U, spec.heads.pages.headDim) +
                   2) *
                      4,
                  16);
  }
  s.codebookOffset = at;
  s.sharedBytes = at + codebookBytes(spec.dtype, spec.layout);
  return s;
}

Status checkHeadsOfBatch(const DecodeMatMul &spec, const std::string &where) {
  const HeadRows &heads = spec.heads;
  const uint32_t rows = headCount(heads) * heads.pages.headDim;
  if (spec.rows != rows) {
    return unsupportedError(
        where + " has a matrix of " + std::to_string(spec.rows) +
        " rows, but its heads need " + std::to_string(rows) + " rows");
  }
  if (heads.tokensPerSequence < 1 ||
      spec.tokens % heads.tokensPerSequence != 0) {
    return unsupportedError(
        where + " does not support " + std::to_string(heads.tokensPerSequence) +
        " tokens per sequence in a batch of " + std::to_string(spec.tokens) +
        "; all sequences must have the same number of tokens");
  }
  return Status::ok();
}

Status checkSpec(const DecodeMatMul &spec, const CudaTarget &target) {
  const DecodeTiling &tiling = spec.tiling;
  const std::string where = "a decode matmul for " + std::string(target.name);
  if (spec.output == MatMulOutput::Heads) {
    AIR_RETURN_IF_ERROR(checkHeads(spec.heads, where));
    AIR_RETURN_IF_ERROR(checkHeadsOfBatch(spec, where));
  }
  if (spec.splitActivations &&
      (spec.dtype != DType::F16 || spec.input == MatMulInput::Half)) {
    return unsupportedError(
        where + " with " + std::string(info(spec.dtype).name) +
        " weights cannot split each activation into a sum of two float16 "
        "numbers; only float32 activations with F16 weights can be split");
  }
  if (spec.rows == 0 || spec.columns == 0 || spec.columns % 8 != 0 ||
      spec.columns % info(spec.dtype).blockElements != 0 ||
      spec.rows > 1U << 24 || spec.columns > 1U << 20) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(spec.rows) + " rows (1 to 2^24), " +
        std::to_string(spec.columns) + " columns (a multiple of 8 and of " +
        std::to_string(info(spec.dtype).blockElements) + ", at most 2^20)");
  }
  if (spec.tokens < 1 || spec.tokens > 8) {
    return unsupportedError(where + " does not support " +
                            std::to_string(spec.tokens) +
                            " tokens; the number must be 1 to 8");
  }
  if (tiling.warps < 1 || tiling.warps > 32 || tiling.groupUnits < 1 ||
      tiling.groupUnits > 16 || tiling.stages < 1 || tiling.stages > 16 ||
      tiling.blocksPerMultiprocessor < 1 ||
      tiling.blocksPerMultiprocessor > 16 || tiling.splits < 1 ||
      tiling.splits > 64 || tiling.reduceTiles < 1 || tiling.reduceTiles > 64 ||
      tiling.heldTiles < 1 || tiling.heldTiles > 8 ||
      spec.multiprocessors < 1 || spec.multiprocessors > 1024) {
    return unsupportedError(
        where +
        " cannot be made because one of these numbers is out of range: " +
        std::to_string(tiling.warps) + " warps per block (1 to 32), " +
        std::to_string(tiling.groupUnits) + " units per copy (1 to 16), " +
        std::to_string(tiling.stages) + " stages (1 to 16), " +
        std::to_string(tiling.blocksPerMultiprocessor) +
        " blocks per multiprocessor (1 to 16), " +
        std::to_string(tiling.splits) + " splits (1 to 64), " +
        std::to_string(tiling.reduceTiles) +
        " tiles between barriers (1 to 64), " +
        std::to_string(tiling.heldTiles) +
        " tiles that share activations (1 to 8), " +
        std::to_string(spec.multiprocessors) + " multiprocessors (1 to 1024)");
  }
  if ((tiling.fetch == WeightFetch::AsyncCopy && !target.hasAsyncCopy) ||
      (tiling.fetch == WeightFetch::BulkCopy && !target.hasBulkCopy)) {
    return unsupportedError(where + " cannot use '" +
                            std::string(fetchName(tiling.fetch)) +
                            "' copies: the target has no instruction for them");
  }
  if (tiling.heldTiles > 1 && !canHoldActivations(spec, target)) {
    return unsupportedError(
        where + " with " + std::string(info(spec.dtype).name) +
        " weights and '" + std::string(fetchName(tiling.fetch)) +
        "' copies cannot multiply " + std::to_string(tiling.heldTiles) +
        " tiles by the same activations; only F16 and BF16 weights can, if "
        "they are multiplied by tensor cores and copied to shared memory");
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        " cannot use dependent launches: the target does not support them");
  }
  return Status::ok();
}

std::string literalsText(const DecodeMatMul &spec, const Sizes &s) {
  const DecodeTiling &tiling = spec.tiling;
  std::string text;
  literal(text, "kRows", spec.rows);
  literal(text, "kColumns", spec.columns);
  literal(text, "kTokens", spec.tokens);
  literal(text, "kRowTiles", 1U);
  literal(text, "kLazy", false);
  literal(text, "kTokenGroups", 1U);
  // The mma has columns for 8 tokens. Up to 4 tokens leave room for the
  // rounding errors of their activations.
  literal(text, "kSplitColumns",
          s.form.split && !s.form.floats && spec.tokens <= 4);
  literal(text, "kGroupStride", 0U);
  literal(text, "kTiles", s.tiles);
  literal(text, "kUnits", s.units);
  literal(text, "kUnitColumns", s.unit.columns);
  literal(text, "kUnitBytes", s.unit.bytes);
  literal(text, "kUnitSumBytes", s.unitSumBytes);
  literal(text, "kBlocks", s.blocks);
  literal(text, "kBlocksPerMultiprocessor", tiling.blocksPerMultiprocessor);
  literal(text, "kWarps", tiling.warps);
  literal(text, "kThreads", tiling.warps * 32);
  literal(text, "kGroupUnits", tiling.groupUnits);
  literal(text, "kStages", tiling.stages);
  literal(text, "kSlotBytes", s.slotBytes);
  literal(text, "kSplits", tiling.splits);
  literal(text, "kPartUnits", s.partUnits);
  literal(text, "kPartColumns", s.partUnits * s.unit.columns);
  literal(text, "kWarpUnits", s.warpUnits);
  literal(text, "kEven", s.even);
  literal(text, "kReduceTiles", tiling.reduceTiles);
  literal(text, "kHeldTiles", tiling.heldTiles);
  text += formLiterals(s.form, spec.tokens, 64);
  literal(text, "kBarrierOffset", s.barrierOffset);
  literal(text, "kXOffset", s.xOffset);
  literal(text, "kXLow", s.xLow);
  literal(text, "kXStride", s.xStride);
  literal(text, "kSumOffset", s.sumOffset);
  literal(text, "kReduceOffset", s.reduceOffset);
  literal(text, "kFlagOffset", s.flagOffset);
  literal(text, "kTokenScaleOffset", s.tokenScaleOffset);
  literal(text, "kNorm", isNormed(spec.input));
  literal(text, "kLayerNorm", spec.input == MatMulInput::LayerNorm);
  literal(text, "kEpsilon", spec.epsilon);
  literal(text, "kTileOutputs", s.tileOutputs);
  literal(text, "kPaired", isGlu(spec.output));
  literal(text, "kGelu", spec.output == MatMulOutput::GeluGlu);
  literal(text, "kBias", spec.hasBias);
  literal(text, "kRowScales", spec.hasRowScales);
  literal(text, "kHeadCounters", spec.tiling.splits > 1 ? s.tiles : 0U);
  if (spec.output == MatMulOutput::Heads) {
    literal(text, "kHeadFlagOffset", s.headFlagOffset);
    literal(text, "kTokensPerSequence", spec.heads.tokensPerSequence);
    text += headLiterals(spec.heads);
  }
  text += dependentLaunchText(spec.dependentLaunch);
  return text;
}

/// The bindings after the first five. Only some kernels have them.
std::vector<Binding> moreBindings(const DecodeMatMul &spec) {
  std::vector<Binding> bindings = {
      {"norm_weight", "const float *", "normWeight", isNormed(spec.input)},
      {"norm_bias", "const float *", "normBias",
       spec.input == MatMulInput::LayerNorm},
      {"bias", "const float *", "bias", spec.hasBias},
      {"row_scales", "const float *", "rowScales", spec.hasRowScales},
  };
  if (spec.output == MatMulOutput::Heads) {
    for (const Binding &one : headBindings(spec.heads)) {
      bindings.push_back(one);
    }
  }
  return bindings;
}

} // namespace

std::string_view fetchName(WeightFetch fetch) {
  switch (fetch) {
  case WeightFetch::Registers:
    return "registers";
  case WeightFetch::AsyncCopy:
    return "async";
  case WeightFetch::BulkCopy:
    return "bulk";
  }
  return "?";
}

bool canHoldActivations(const DecodeMatMul &spec, const CudaTarget &target) {
  const bool onTensorCores = spec.dtype == DType::F16 ||
                             (spec.dtype == DType::BF16 && target.hasAsyncCopy);
  return onTensorCores && spec.tiling.fetch != WeightFetch::Registers;
}

DecodeTiling defaultDecodeTiling(const DecodeMatMul &spec,
                                 const CudaTarget &target) {
  DecodeMatMul trial = spec;
  DecodeTiling &tiling = trial.tiling;
  tiling = DecodeTiling();
  tiling.fetch = target.hasBulkCopy    ? WeightFetch::BulkCopy
                 : target.hasAsyncCopy ? WeightFetch::AsyncCopy
                                       : WeightFetch::Registers;
  auto fits = [&](uint32_t limit) {
    const Result<Sizes> sizes = sizesOf(trial, target);
    return sizes.isOk() && sizes->sharedBytes <= limit;
  };
  // Most of a block's shared memory holds the activations of its columns. The
  // columns are split into more and more parts, up to 64, until a block needs
  // at most half of the shared memory that the target allows. If the weights go
  // to registers, two blocks must also fit in a multiprocessor.
  const uint32_t limit = target.sharedBytesPerBlock;
  const bool inRegisters = tiling.fetch == WeightFetch::Registers;
  const uint32_t halfOfMultiprocessor =
      target.sharedBytesPerMultiprocessor / 2 - kReservedSharedBytes;
  const uint32_t most =
      inRegisters ? std::min(limit / 2, halfOfMultiprocessor) : limit / 2;
  tiling.stages = 1;
  while (tiling.splits < 64 && !fits(most)) {
    tiling.splits *= 2;
  }
  if (inRegisters) {
    tiling.blocksPerMultiprocessor = fits(halfOfMultiprocessor) ? 2 : 1;
    return tiling;
  }
  // Chooses the largest number of units per copy that evenly divides the units
  // that a warp multiplies in each tile. A copy may be at most 5 KiB long.
  const Result<Sizes> sizes = sizesOf(trial, target);
  if (sizes.isOk()) {
    for (uint32_t group = 1; group * sizes->unit.bytes <= 5120; ++group) {
      if (sizes->warpUnits % group == 0) {
        tiling.groupUnits = group;
      }
    }
    // If activations are split into two numbers and there are more than 4
    // tokens, it takes as many instructions to read a tile's activations as to
    // read its weights. So 2 or 4 tiles share the activations, if every thread
    // block has that many tiles.
    if (sizes->form.split && spec.tokens > 4 &&
        canHoldActivations(trial, target)) {
      tiling.heldTiles =
          std::bit_floor(std::min(4U, sizes->tiles / sizes->blocks));
    }
  }
  // Chooses the largest number of prefetch slots that fits in shared memory, up
  // to 4.
  for (uint32_t stages = 2; stages <= 4; ++stages) {
    tiling.stages = stages;
    if (!fits(limit)) {
      tiling.stages = stages - 1;
      break;
    }
  }
  return tiling;
}

std::string decodeMatMulName(const DecodeMatMul &spec,
                             const CudaTarget &target) {
  const DecodeTiling &tiling = spec.tiling;
  std::string name = "matmul_" + nameInKernels(spec.dtype, spec.layout);
  auto add = [&](const char *prefix, uint32_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("n", spec.rows);
  add("k", spec.columns);
  add("m", spec.tokens);
  name += "_" + std::string(target.name) + "x" +
          std::to_string(spec.multiprocessors) + "_" +
          std::string(fetchName(tiling.fetch));
  add("w", tiling.warps);
  add("g", tiling.groupUnits);
  add("s", tiling.stages);
  add("b", tiling.blocksPerMultiprocessor);
  add("p", tiling.splits);
  add("r", tiling.reduceTiles);
  if (tiling.heldTiles > 1) {
    add("h", tiling.heldTiles);
  }
  if (spec.dependentLaunch) {
    name += "_d";
  }
  name += inputName(spec.input);
  if (isNormed(spec.input)) {
    add("e", std::bit_cast<uint32_t>(spec.epsilon));
  }
  name += spec.splitActivations ? "_split" : "";
  name += spec.hasBias ? "_bias" : "";
  name += spec.hasRowScales ? "_scaled" : "";
  name += outputName(spec.output);
  if (spec.output == MatMulOutput::Heads) {
    name += headName(spec.heads);
    add("t", spec.heads.tokensPerSequence);
  }
  return name;
}

Result<CudaKernel> generateDecodeMatMul(const DecodeMatMul &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics) {
  AIR_RETURN_IF_ERROR(checkSpec(spec, target));
  AIR_ASSIGN_OR_RETURN(const Sizes s, sizesOf(spec, target));
  const DecodeTiling &tiling = spec.tiling;
  CudaKernel kernel;
  kernel.name = decodeMatMulName(spec, target);
  if (s.sharedBytes > target.sharedBytesPerBlock ||
      (s.sharedBytes + kReservedSharedBytes) * tiling.blocksPerMultiprocessor >
          target.sharedBytesPerMultiprocessor) {
    return doesNotFitError(
        "kernel " + kernel.name + " needs " + std::to_string(s.sharedBytes) +
        " bytes of shared memory for each of " +
        std::to_string(tiling.blocksPerMultiprocessor) +
        " thread blocks, but the target allows " +
        std::to_string(target.sharedBytesPerBlock) +
        " bytes per thread block, and a multiprocessor has " +
        std::to_string(target.sharedBytesPerMultiprocessor) +
        " bytes; use fewer stages or more splits");
  }
  AIR_ASSIGN_OR_RETURN(kernel.weightBytes,
                       layoutBytes(spec.dtype, spec.layout,
                                   uint64_t{s.tiles} * kT16Rows, spec.columns));
  kernel.gridX = s.blocks;
  kernel.gridY = tiling.splits;
  kernel.threads = tiling.warps * 32;
  kernel.sharedBytes = s.sharedBytes;
  if (tiling.splits > 1) {
    kernel.partialBytes =
        uint64_t{4} * tiling.splits * spec.tokens * s.tiles * kT16Rows;
    kernel.counterBytes = uint64_t{4} * s.tiles;
  }
  if (spec.output == MatMulOutput::Heads) {
    kernel.counterBytes += uint64_t{4} * headCount(spec.heads);
  }
  kernel.bindings = {"weights", "x", "y", "partials", "counters"};
  const std::vector<Binding> more = moreBindings(spec);
  addBindings(kernel, more);
  kernel.text = std::string(commonText()) + literalsText(spec, s) +
                "#define KERNEL_NAME " + kernel.name + "\n" +
                bindingsText(more) + std::string(intrinsics) +
                std::string(takeText(tiling.fetch)) +
                codebookText(spec.dtype, spec.layout, s.codebookOffset) +
                unitText(spec.dtype, spec.layout, s.form, loopOf(tiling)) +
                ringText(tiling.fetch) + inputText(spec.input) +
                std::string(roundingText()) + std::string(activationText()) +
                outputText(spec.output) + kernelText(tiling.heldTiles > 1);
  return kernel;
}

} // namespace air::codegen::cuda
