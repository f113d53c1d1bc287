//===- MatMulTiling.cpp - the cost model and the limits of tile sizes -----===//
#include "codegen/cpu/matmul/MatMulTiling.h"

#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/AmxGemm.h"
#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/WeightPanel.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace air::codegen {
namespace {

/// The default number of tokens per tile in large-M kernels. If this many
/// tokens share a panel, loading and decoding its weights costs little per
/// token.
constexpr uint64_t kTileTokens = 128;
/// The default number of tokens per tile for int8 panels and for tile
/// registers, if it leaves enough tiles. Compared with kTileTokens, it halves
/// the time for decoding, which is a larger part of a kernel's time with int8
/// panels than with float panels, and a still larger one with tile registers.
/// With twice as many tokens, tile registers become slower, because a tile's
/// sums and activations no longer stay in L2.
constexpr uint64_t kManyTileTokens = 256;
/// If there are at least this many tiles per core, all cores finish at about
/// the same time.
constexpr uint64_t kTilesPerCore = 8;
/// With tile registers, the cost model makes tiles so small that there are at
/// least this many per core, if the matrix has enough row blocks. Larger tiles
/// would be faster, because their activations serve more row blocks. But if
/// there were fewer tiles, some cores would wait for others.
constexpr double kLeastTilesPerCore = 4;
/// The number of tokens that the cost model assumes for large M. A pass over a
/// long prompt has about this many tokens.
constexpr uint64_t kNominalTokens = 512;
/// The number of tokens that the cost model assumes for batches of 2 to 8
/// tokens.
constexpr uint64_t kFewTokens = 4;
/// The limit on the bytes of activations that a tile reads again for every row
/// block. It is more than half of an L2 cache of 1 MiB, and enough for 2048
/// columns of 128 tokens in format I8, in which a token takes 68 bytes per 32
/// columns (ActivationTile).
constexpr uint64_t kTileActivationBytes = 576 << 10;
/// The limit on the bytes of a tile's sums, which share the L2 cache with its
/// activations.
constexpr uint64_t kMostSumBytes = 1 << 20;
/// The time in nanoseconds to claim a tile and to start on it, for profiles
/// that do not state it.
constexpr double kTileNs = 50;
/// The rate at which a core is assumed to load a tile's activations. It is
/// higher than the bandwidth of memory, since most of the loading overlaps with
/// arithmetic. Tile registers multiply too fast for this, so for them, the rate
/// is the bandwidth of memory.
constexpr double kActivationBytesPerNs = 100;
/// The largest number of row blocks per tile that the cost model chooses if the
/// profile does not state the time to start a tile. If the profile states it,
/// or for tile registers, the largest number is kKnownRowBlocks. For tile
/// registers, it is also limited by kLeastTilesPerCore.
constexpr uint64_t kNominalRowBlocks = 16;
constexpr uint64_t kKnownRowBlocks = 64;

/// MatMulTiling::runRowBlocks of a GluMatMul for few tokens. A core takes tens
/// of microseconds to read this many row blocks, and loses less than one
/// microsecond when it changes to the other matrix.
constexpr uint64_t kRunRowBlocks = 64;

/// The largest number of row blocks per tile that a spec may request.
constexpr uint64_t kMostRowBlocks = 96;

/// The time in nanoseconds that one core takes for one of the row blocks of a
/// tile if the tile has `tokens` tokens.
double rowBlockNs(const KernelSpec &spec, const IsaTraits &isa,
                  uint64_t tokens) {
  const double matrices = spec.op == KernelOp::GluMatMul ? 2 : 1;
  const double blocks =
      static_cast<double>(spec.k) / static_cast<double>(kCostColumns);
  const BlockTime time = predictBlock(spec, isa, tokens);
  return matrices * blocks * time.longer();
}

/// Returns the number of row blocks per tile that the cost model of
/// MatMulTiling.h chooses.
uint64_t modelRowBlocks(const KernelSpec &spec, const IsaTraits &isa,
                        uint64_t rowBlocks, uint64_t tileTokens) {
  const bool isLarge = spec.mClass == MClass::Large;
  const uint64_t tokens = isLarge                      ? tileTokens
                          : spec.mClass == MClass::One ? 1
                                                       : kFewTokens;
  const auto activations = static_cast<double>(
      4 * activationWords(spec.activation, isLarge ? spec.k : 0));
  const bool isInTiles =
      spec.activation == Activation::BF16x32 && isa.hasAmxBf16;
  const bool isKnown = isa.cpu.tileNs != 0;
  const double tileNs =
      (isKnown ? static_cast<double>(isa.cpu.tileNs) : kTileNs) +
      static_cast<double>(tokens) * activations /
          (isInTiles ? coreRates(isa).bytesPerNs : kActivationBytesPerNs);
  const auto tiles = static_cast<double>(
      rowBlocks * (isLarge ? ceilDiv(kNominalTokens, tileTokens) : 1));
  const double best =
      std::sqrt(2 * tileNs * tiles /
                (std::max(1U, isa.cores) * rowBlockNs(spec, isa, tokens)));
  const double most =
      isInTiles
          ? std::clamp(tiles / (kLeastTilesPerCore * std::max(1U, isa.cores)),
                       1.0, double{kKnownRowBlocks})
      : isKnown ? kKnownRowBlocks
                : kNominalRowBlocks;
  return static_cast<uint64_t>(std::clamp(std::round(best), 1.0, most));
}

/// The default number of tokens per tile of a kernel with int8 panels or with
/// tile registers. The kernel's matrix has `rowBlocks` row blocks, of which the
/// kernel multiplies `together` at a time.
uint64_t manyTileTokens(const IsaTraits &isa, uint64_t rowBlocks,
                        uint64_t together) {
  const uint64_t tiles =
      ceilDiv(rowBlocks, together) * ceilDiv(kNominalTokens, kManyTileTokens);
  return tiles >= kTilesPerCore * std::max(1U, isa.cores) ? kManyTileTokens
                                                          : kTileTokens;
}

/// Whether the kernel has code that prefetches weights.
bool hasPrefetches(const KernelSpec &spec) {
  return spec.layout == Layout::X16;
}

/// One size of MatMulTiles: a multiple of `step` up to `most`. `step` is 0 if
/// the spec's kernel has no such size.
struct Knob {
  const char *name;
  uint64_t MatMulTiles::*field;
  uint64_t step;
  uint64_t most;
};

std::array<Knob, 4> knobs(const KernelSpec &spec, const MatMulTiling &tiling) {
  const bool isLarge = spec.mClass == MClass::Large;
  const bool hasPanel = usesPanel(spec);
  const auto block = static_cast<uint64_t>(info(spec.dtype).blockElements);
  const uint64_t together = hasPanel ? tiling.microRowBlocks : 1;
  return {{
      {"rowBlocks", &MatMulTiles::rowBlocks, together, kMostRowBlocks},
      {"tokens", &MatMulTiles::tokens,
       !isLarge   ? 0
       : hasPanel ? kActivationTokens
                  : tiling.passTokens,
       1024},
      // Only int8 panels may vary in size: with float panels, another size
      // would change the order of additions.
      {"panelColumns", &MatMulTiles::panelColumns,
       hasPanel && isInt8Tiled(spec.activation)
           ? std::max(block, kActivationColumns)
           : 0,
       1024},
      {"prefetchBytes", &MatMulTiles::prefetchBytes,
       hasPanel || !hasPrefetches(spec) ? 0 : kLineBytes, kMostPrefetchBytes},
  }};
}

Status checkPrefetch(const KernelSpec &spec) {
  const MatMulTiles &tiles = spec.tiles;
  if (!tiles.prefetchHint) {
    return tiles.prefetchBytes == 0
               ? Status::ok()
               : internalError("tiles.prefetchBytes is " +
                               std::to_string(tiles.prefetchBytes) +
                               ", but tiles.prefetchHint is not set");
  }
  const std::string is = "tiles.prefetchHint is " +
                         std::string(streamHintName(*tiles.prefetchHint));
  if (!hasPrefetches(spec)) {
    return internalError(is + ", but this kernel has no prefetches");
  }
  if (usesPanel(spec) && *tiles.prefetchHint == StreamHint::T1T0) {
    return internalError(is + ", but this kernel has no prefetch distance");
  }
  const bool needsDistance =
      *tiles.prefetchHint != StreamHint::None && !usesPanel(spec);
  if (needsDistance != (tiles.prefetchBytes != 0)) {
    return internalError(
        is + " and tiles.prefetchBytes is " +
        std::to_string(tiles.prefetchBytes) +
        (needsDistance
             ? "; with this hint, tiles.prefetchBytes must be at least 1"
             : "; tiles.prefetchBytes must be 0 for this hint and kernel"));
  }
  return Status::ok();
}

uint64_t sumBytes(const KernelSpec &spec, const MatMulTiling &tiling) {
  return (spec.op == KernelOp::GluMatMul ? 2 : 1) * tiling.tileRowBlocks *
         tiling.tileTokens * static_cast<uint64_t>(kSumBytes);
}

} // namespace

bool usesPanel(const KernelSpec &spec) {
  return spec.activation == Activation::F32x16 ||
         spec.activation == Activation::BF16x32 ||
         (isInt8Tiled(spec.activation) && spec.mClass == MClass::Large);
}

std::vector<StreamHint> prefetchHints(const KernelSpec &spec) {
  std::vector<StreamHint> hints;
  for (uint8_t i = 0; i <= static_cast<uint8_t>(kLastStreamHint); ++i) {
    const auto hint = static_cast<StreamHint>(i);
    if (hint != StreamHint::T1T0 || !usesPanel(spec)) {
      hints.push_back(hint);
    }
  }
  return hints;
}

uint64_t gemvRows(const KernelSpec &spec, const IsaTraits &isa) {
  if (spec.mClass != MClass::Large || !isInt8Tiled(spec.activation)) {
    return 0;
  }
  if (spec.rowsFrom == RowsFrom::Outputs) {
    return spec.op == KernelOp::MatMul ? kGemvRows : 0;
  }
  if (!hasSpareUnits(isa) ||
      std::ranges::count(codebookDTypes(), spec.dtype) != 0) {
    return 0;
  }
  return std::ranges::count(scalePer16DTypes(), spec.dtype) != 0
             ? kGemvRows
             : kManyGemvRows;
}

MatMulTiling matMulTiling(const KernelSpec &spec, const IsaTraits &isa) {
  const MatMulTiles &chosen = spec.tiles;
  auto orElse = [](uint64_t value, uint64_t standard) {
    return value != 0 ? value : standard;
  };
  MatMulTiling tiling = {};
  tiling.rowBlocks = ceilDiv(spec.n, uint64_t{kRowLanes});
  tiling.passTokens = spec.mClass == MClass::One     ? 1
                      : isInt8Tiled(spec.activation) ? 8
                                                     : 4;
  if (usesPanel(spec)) {
    const bool isInt8Tiles = isInt8Tiled(spec.activation);
    const Int8PanelLayout form = int8PanelLayout(spec);
    const bool isBf16 = spec.activation == Activation::BF16x32;
    const bool isAmxBf16 = isBf16 && isa.hasAmxBf16;
    // With AVX-512 there are 32 registers, each of which holds 16 sums. Float
    // panels use 16 of them for sums, and bfloat16 panels 24. Int8 panels use
    // 12 for dot products and 12 for totals. Tile registers process 16 tokens
    // at a time.
    static_assert(kAmxRowBlocks == 3);
    tiling.microRowBlocks = !isa.hasAvx512 ? 1 : isInt8Tiles || isBf16 ? 3 : 2;
    tiling.microTokens = !isa.hasAvx512 ? 4
                         : isAmxBf16    ? kActivationTokens
                         : isInt8Tiles  ? 4
                                        : 8;
    tiling.tileTokens =
        orElse(chosen.tokens, isInt8Tiles || isAmxBf16
                                  ? manyTileTokens(isa, tiling.rowBlocks,
                                                   tiling.microRowBlocks)
                                  : kTileTokens);
    tiling.panelColumns =
        orElse(chosen.panelColumns, isInt8Tiles ? kInt8PanelColumns
                                    : isAmxBf16 ? kAmxPanelColumns
                                    : isBf16    ? kBf16PanelColumns
                                                : kChunkColumns);
    const uint64_t panelTokenBytes = 4 * activationBlockWords(spec.activation) *
                                     tiling.panelColumns / kActivationColumns;
    tiling.tileColumns =
        std::max<uint64_t>(1, kTileActivationBytes / tiling.tileTokens /
                                  panelTokenBytes) *
        tiling.panelColumns;
    tiling.panelBytes =
        isInt8Tiles
            ? tiling.panelColumns / static_cast<uint64_t>(form.columns) *
                  static_cast<uint64_t>(form.groupBytes())
            : tiling.panelColumns * static_cast<uint64_t>(kSumBytes) /
                  (isBf16 ? 2 : 1);
    const bool isAmxInt8 =
        isInt8Tiles && isa.hasAmxInt8 &&
        form.columns == static_cast<int64_t>(kActivationColumns);
    tiling.dotBytes = isAmxInt8     ? tiling.microRowBlocks * kAmxDotBytes
                      : isInt8Tiles ? int8StartBytes(form, tiling.panelColumns)
                                    : 0;
    if (hasPrefetches(spec)) {
      // By default, the weights of the next panels are prefetched into L2: L1
      // is full of the current panels until these have been multiplied.
      tiling.panelHint = chosen.prefetchHint.value_or(StreamHint::T1);
    }
    if (gemvRows(spec, isa) != 0) {
      tiling.prefetch = modelPrefetch(spec, isa);
    }
  } else {
    tiling.prefetch = chosen.prefetchHint
                          ? Prefetch{*chosen.prefetchHint, chosen.prefetchBytes}
                          : modelPrefetch(spec, isa);
    if (spec.mClass == MClass::Large) {
      const uint64_t tokenBytes = 4 * activationWords(spec.activation, spec.k);
      tiling.tileTokens =
          orElse(chosen.tokens,
                 std::clamp<uint64_t>(kTileActivationBytes / tokenBytes,
                                      4 * tiling.passTokens, kTileTokens) /
                     tiling.passTokens * tiling.passTokens);
    }
  }
  const uint64_t together = std::max<uint64_t>(1, tiling.microRowBlocks);
  const uint64_t model = modelRowBlocks(
      spec, isa, tiling.rowBlocks, std::max<uint64_t>(1, tiling.tileTokens));
  // checkTiles() requires that the sums of a tile fit in kMostSumBytes if the
  // kernel uses panels. The cost model ignores this, so the number of row
  // blocks that it chooses is limited to `most` here.
  const uint64_t matrices = spec.op == KernelOp::GluMatMul ? 2 : 1;
  const uint64_t most =
      usesPanel(spec)
          ? kMostSumBytes / (matrices * tiling.tileTokens * uint64_t{kSumBytes})
          : model;
  tiling.tileRowBlocks = orElse(
      chosen.rowBlocks,
      std::max(std::min(model, most) / together, uint64_t{1}) * together);
  const bool isRun = spec.op == KernelOp::GluMatMul && !spec.isJoined &&
                     spec.mClass != MClass::Large;
  tiling.runRowBlocks = isRun ? kRunRowBlocks : 1;
  // A batch of the class Small has up to eight tokens, which all fit in one
  // run. The kernel thus reads its weights from memory only once, even if it
  // needs two passes per row block.
  tiling.runTokens = spec.mClass == MClass::Small ? 8 : tiling.passTokens;
  return tiling;
}

Status checkTiles(const KernelSpec &spec, const IsaTraits &isa) {
  const MatMulTiling tiling = matMulTiling(spec, isa);
  for (const Knob &knob : knobs(spec, tiling)) {
    const uint64_t value = spec.tiles.*knob.field;
    const std::string is =
        std::string("tiles.") + knob.name + " is " + std::to_string(value);
    if (value != 0 && knob.step == 0) {
      return internalError(is + ", but this kernel does not use it");
    }
    if (value != 0 && (value % knob.step != 0 || value > knob.most)) {
      return internalError(
          is + "; it must be " +
          (knob.step == 1
               ? ""
               : "a multiple of " + std::to_string(knob.step) + " and ") +
          "at most " + std::to_string(knob.most));
    }
  }
  AIR_RETURN_IF_ERROR(checkPrefetch(spec));
  // The GEMV code is used only if one tile has all rows of x. Its results may
  // differ from those of the GEMM in the last bits, so the number of rows up to
  // which it is used must not depend on the tiles.
  if (const uint64_t most = gemvRows(spec, isa); tiling.tileTokens < most) {
    return internalError("tiles.tokens is " +
                         std::to_string(tiling.tileTokens) +
                         "; it must be at least " + std::to_string(most) +
                         " in a kernel that has GEMV code for so many rows");
  }
  if (usesPanel(spec) && sumBytes(spec, tiling) > kMostSumBytes) {
    return internalError(
        "tiles of " + std::to_string(tiling.tileRowBlocks) +
        " row blocks and " + std::to_string(tiling.tileTokens) +
        " tokens take " + std::to_string(sumBytes(spec, tiling)) +
        " bytes of sums; the limit is " + std::to_string(kMostSumBytes));
  }
  return Status::ok();
}

MatMulTiles matMulUsedTiles(const KernelSpec &spec, const IsaTraits &isa) {
  const MatMulTiling tiling = matMulTiling(spec, isa);
  MatMulTiles used;
  used.rowBlocks = tiling.tileRowBlocks;
  used.tokens = tiling.tileTokens;
  used.panelColumns = tiling.panelColumns;
  if (!hasPrefetches(spec)) {
    return used;
  }
  if (usesPanel(spec)) {
    used.prefetchHint = tiling.panelHint;
  } else {
    used.prefetchHint = tiling.prefetch.hint;
    used.prefetchBytes = tiling.prefetch.bytes;
  }
  return used;
}

std::vector<std::vector<MatMulTiles>> matMulTileVariants(const KernelSpec &spec,
                                                         const IsaTraits &isa) {
  const MatMulTiling tiling = matMulTiling(spec, isa);
  const MatMulTiles now = matMulUsedTiles(spec, isa);
  // A tile for more row blocks than the matrix has is a tile for the whole
  // matrix, so larger numbers of row blocks need not be measured.
  const uint64_t mostRowBlocks =
      std::max(tiling.rowBlocks, tiling.tileRowBlocks);
  std::vector<std::vector<MatMulTiles>> all;
  auto add = [&](const MatMulTiles &tiles, std::vector<MatMulTiles> &variants) {
    KernelSpec varied = spec;
    varied.tiles = tiles;
    if (tiles != spec.tiles && std::ranges::count(variants, tiles) == 0 &&
        tiles.rowBlocks <= mostRowBlocks && checkTiles(varied, isa).isOk()) {
      variants.push_back(tiles);
    }
  };
  auto addHints = [&] {
    std::vector<MatMulTiles> variants;
    for (StreamHint hint : prefetchHints(spec)) {
      MatMulTiles tiles = spec.tiles;
      tiles.prefetchHint = hint;
      tiles.prefetchBytes = hint == StreamHint::None || usesPanel(spec) ? 0
                            : now.prefetchBytes != 0 ? now.prefetchBytes
                                                     : kPrefetchBytes;
      if (hint != now.prefetchHint) {
        add(tiles, variants);
      }
    }
    all.push_back(std::move(variants));
  };
  for (const Knob &knob : knobs(spec, tiling)) {
    if (knob.step == 0) {
      continue;
    }
    // The list of hints precedes the list of distances, so a tuner chooses the
    // hint before it varies the distance.
    const bool isDistance = knob.field == &MatMulTiles::prefetchBytes;
    if (isDistance) {
      addHints();
    }
    const uint64_t value = now.*knob.field;
    std::vector<MatMulTiles> variants;
    for (uint64_t other : {value / 4, value / 2, value * 2, value * 4}) {
      MatMulTiles tiles = spec.tiles;
      tiles.*knob.field = std::max(other / knob.step, uint64_t{1}) * knob.step;
      if (isDistance) {
        tiles.prefetchHint = now.prefetchHint;
      }
      if (tiles.*knob.field != value) {
        add(tiles, variants);
      }
    }
    all.push_back(std::move(variants));
  }
  if (hasPrefetches(spec) && usesPanel(spec)) {
    addHints();
  }
  return all;
}

} // namespace air::codegen
