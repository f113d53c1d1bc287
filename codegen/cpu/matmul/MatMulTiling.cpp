//===- MatMulTiling.cpp - the cost model, and what a spec may say ---------===//
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

/// Tokens of a tile of many: enough uses of a panel to pay for decoding it, and
/// of the weights' trip from memory.
constexpr uint64_t kTileTokens = 128;
/// Tokens that the model takes many to be: a pass over a long prompt.
constexpr uint64_t kNominalTokens = 512;
/// Activations that each group of a tile reads again from the start: most of a
/// second-level cache of 1 MiB, and 2048 columns of 128 tokens in byte tiles.
constexpr uint64_t kTileActivationBytes = 576 << 10;
/// Most bytes of a tile's sums: they share that cache.
constexpr uint64_t kMostSumBytes = 1 << 20;
/// What one core streams while a read from memory is under way, some 100 ns at
/// 40 GB/s, twice over; measured.
constexpr uint64_t kPrefetchBytes = 9216;

// Nominal speeds, in nanoseconds: only their ratios count.
constexpr double kTileNs = 50; ///< claiming a tile and starting on it
constexpr double kMemoryBytesPerNs =
    static_cast<double>(kNominalCoreBandwidth) / 1e9;
/// Most of their trip hides behind the products.
constexpr double kActivationBytesPerNs = 100;
constexpr double kCyclesPerNs = 3;
constexpr uint64_t kModelGroups = 16; ///< the most that the model chooses

/// The most that a spec may ask for: of every `groupsTogether` a multiple.
constexpr uint64_t kMostGroups = 96;

/// The model of MatMulTiling.h.
uint64_t modelGroups(const KernelSpec &spec, const IsaTraits &isa,
                     uint64_t groups, uint64_t tileTokens) {
  const bool isWide = spec.mClass == MClass::Wide;
  const auto tokens = static_cast<double>(isWide ? tileTokens
                                          : spec.mClass == MClass::One ? 1
                                                                       : 4);
  const auto k = static_cast<double>(spec.k);
  const double matrices = spec.op == KernelOp::GluMatMul ? 2 : 1;
  const DTypeInfo &type = info(spec.dtype);
  const double weights = matrices * kRowLanes * k *
                         static_cast<double>(type.blockBytes) /
                         static_cast<double>(type.blockElements);
  // Two multiplications and additions of vectors a cycle; of tiles sixteen
  // times as much, by what is written of them.
  const bool isPairs = spec.activation == Activation::BF16x32;
  const bool isFloats = !isPairs && !isOfBytes(spec.activation);
  const int ofFloats = isPairs && isa.hasAmxBf16 ? 16 : isFloats ? 1 : 2;
  const double flopsPerNs = kCyclesPerNs * isa.vectorBytes * ofFloats;
  const double groupNs =
      std::max(weights / kMemoryBytesPerNs,
               matrices * 2 * kRowLanes * k * tokens / flopsPerNs);
  const auto activations = static_cast<double>(
      4 * activationWords(spec.activation, isWide ? spec.k : 0));
  const double tileNs = kTileNs + tokens * activations / kActivationBytesPerNs;
  const auto tiles = static_cast<double>(
      groups * (isWide ? ceilDiv(kNominalTokens, tileTokens) : 1));
  const double best =
      std::sqrt(2 * tileNs * tiles / (std::max(1U, isa.cores) * groupNs));
  return static_cast<uint64_t>(
      std::clamp(std::round(best), 1.0, static_cast<double>(kModelGroups)));
}

/// One field of ProductTiles: a multiple of `step` up to `most`; a step of 0
/// where the spec's kernel has no such thing.
struct Knob {
  const char *name;
  uint64_t ProductTiles::*field;
  uint64_t step;
  uint64_t most;
};

std::array<Knob, 4> knobs(const KernelSpec &spec, const ProductTiling &tiling) {
  const bool isWide = spec.mClass == MClass::Wide;
  const bool hasPanel = usesPanel(spec);
  const auto block = static_cast<uint64_t>(info(spec.dtype).blockElements);
  const uint64_t together = hasPanel ? tiling.groupsTogether : 1;
  return {{
      {"groups", &ProductTiles::groups, together, kMostGroups},
      {"tokens", &ProductTiles::tokens,
       !isWide    ? 0
       : hasPanel ? kActivationTokens
                  : tiling.passTokens,
       1024},
      // Of floats it would change which of them are added first.
      {"panelColumns", &ProductTiles::panelColumns,
       hasPanel && isOfByteTiles(spec.activation)
           ? std::max(block, kActivationColumns)
           : 0,
       1024},
      {"prefetchBytes", &ProductTiles::prefetchBytes,
       hasPanel ? uint64_t{0} : 64, 1 << 20},
  }};
}

uint64_t sumBytes(const KernelSpec &spec, const ProductTiling &tiling) {
  return (spec.op == KernelOp::GluMatMul ? 2 : 1) * tiling.tileGroups *
         tiling.tileTokens * static_cast<uint64_t>(kSumBytes);
}

} // namespace

bool usesPanel(const KernelSpec &spec) {
  return spec.activation == Activation::F32x16 ||
         spec.activation == Activation::BF16x32 ||
         (isOfByteTiles(spec.activation) && spec.mClass == MClass::Wide);
}

bool mayHaveFewRows(const KernelSpec &spec) {
  return spec.op == KernelOp::MatMul && spec.mClass == MClass::Wide &&
         spec.rowsFrom == RowsFrom::Outputs && isOfByteTiles(spec.activation);
}

ProductTiling productTiling(const KernelSpec &spec, const IsaTraits &isa) {
  const ProductTiles &said = spec.tiles;
  auto orElse = [](uint64_t value, uint64_t standard) {
    return value != 0 ? value : standard;
  };
  ProductTiling tiling = {};
  tiling.groups = ceilDiv(spec.n, uint64_t{kRowLanes});
  tiling.passTokens = spec.mClass == MClass::One       ? 1
                      : isOfByteTiles(spec.activation) ? 8
                                                       : 4;
  if (usesPanel(spec)) {
    const bool isBytes = isOfByteTiles(spec.activation);
    const BytePanelForm form = bytePanelForm(spec);
    const bool isPairs = spec.activation == Activation::BF16x32;
    const bool isTiles = isPairs && isa.hasAmxBf16;
    // In 32 registers of 16 sums: of floats 16 sums; of pairs 24; of bytes 12
    // sums and as many totals.
    // Tile registers take 16 tokens.
    static_assert(kTileGroups == 3);
    tiling.groupsTogether = !isa.hasAvx512 ? 1 : isBytes || isPairs ? 3 : 2;
    tiling.tokensTogether = !isa.hasAvx512 ? 4
                            : isTiles      ? kActivationTokens
                            : isBytes      ? 4
                                           : 8;
    tiling.tileTokens = orElse(said.tokens, kTileTokens);
    tiling.panelColumns =
        orElse(said.panelColumns, isBytes   ? kBytePanelColumns
                                  : isTiles ? kTilePanelColumns
                                  : isPairs ? kPairPanelColumns
                                            : kChunkColumns);
    const uint64_t panelTokenBytes = 4 * activationBlockWords(spec.activation) *
                                     tiling.panelColumns / kActivationColumns;
    tiling.tileColumns =
        std::max<uint64_t>(1, kTileActivationBytes / tiling.tileTokens /
                                  panelTokenBytes) *
        tiling.panelColumns;
    tiling.panelBytes =
        isBytes ? tiling.panelColumns / static_cast<uint64_t>(form.columns) *
                      static_cast<uint64_t>(form.groupBytes())
                : tiling.panelColumns * static_cast<uint64_t>(kSumBytes) /
                      (isPairs ? 2 : 1);
    if (isBytes && isa.hasAmxInt8 &&
        form.columns == static_cast<int64_t>(kActivationColumns)) {
      tiling.dotBytes = tiling.groupsTogether * kTileDotBytes;
    }
    if (mayHaveFewRows(spec)) {
      tiling.prefetchBytes = kPrefetchBytes;
    }
  } else {
    tiling.prefetchBytes = orElse(said.prefetchBytes, kPrefetchBytes);
    if (spec.mClass == MClass::Wide) {
      const uint64_t tokenBytes = 4 * activationWords(spec.activation, spec.k);
      tiling.tileTokens =
          orElse(said.tokens,
                 std::clamp<uint64_t>(kTileActivationBytes / tokenBytes,
                                      4 * tiling.passTokens, kTileTokens) /
                     tiling.passTokens * tiling.passTokens);
    }
  }
  const uint64_t together = std::max<uint64_t>(1, tiling.groupsTogether);
  const uint64_t model = modelGroups(spec, isa, tiling.groups,
                                     std::max<uint64_t>(1, tiling.tileTokens));
  tiling.tileGroups =
      orElse(said.groups, std::max(model / together, uint64_t{1}) * together);
  return tiling;
}

Status checkTiles(const KernelSpec &spec, const IsaTraits &isa) {
  const ProductTiling tiling = productTiling(spec, isa);
  for (const Knob &knob : knobs(spec, tiling)) {
    const uint64_t value = spec.tiles.*knob.field;
    const std::string is = std::string("tiles.") + knob.name + " is " +
                           std::to_string(value) + ", ";
    if (value != 0 && knob.step == 0) {
      return internalError(is + "but this kernel has none");
    }
    if (value != 0 && (value % knob.step != 0 || value > knob.most)) {
      return internalError(is + "not a multiple of " +
                           std::to_string(knob.step) + " up to " +
                           std::to_string(knob.most));
    }
  }
  if (usesPanel(spec) && sumBytes(spec, tiling) > kMostSumBytes) {
    return internalError(
        "tiles of " + std::to_string(tiling.tileGroups) + " groups and " +
        std::to_string(tiling.tileTokens) + " tokens take " +
        std::to_string(sumBytes(spec, tiling)) +
        " bytes of sums, the most is " + std::to_string(kMostSumBytes));
  }
  return Status::ok();
}

std::vector<std::vector<ProductTiles>> productVariants(const KernelSpec &spec,
                                                       const IsaTraits &isa) {
  const ProductTiling tiling = productTiling(spec, isa);
  ProductTiles now;
  now.groups = tiling.tileGroups;
  now.tokens = tiling.tileTokens;
  now.panelColumns = tiling.panelColumns;
  now.prefetchBytes = tiling.prefetchBytes;
  // Beyond the matrix there is nothing to find.
  const uint64_t mostGroups = std::max(tiling.groups, tiling.tileGroups);
  std::vector<std::vector<ProductTiles>> all;
  for (const Knob &knob : knobs(spec, tiling)) {
    if (knob.step == 0) {
      continue;
    }
    const uint64_t value = now.*knob.field;
    std::vector<ProductTiles> variants;
    for (uint64_t other : {value / 4, value / 2, value * 2, value * 4}) {
      KernelSpec varied = spec;
      varied.tiles.*knob.field =
          std::max(other / knob.step, uint64_t{1}) * knob.step;
      const bool isNew = varied.tiles.*knob.field != value &&
                         std::ranges::count(variants, varied.tiles) == 0;
      if (isNew && varied.tiles.groups <= mostGroups &&
          checkTiles(varied, isa).isOk()) {
        variants.push_back(varied.tiles);
      }
    }
    all.push_back(std::move(variants));
  }
  return all;
}

} // namespace air::codegen
