//===- AmxProducts.cpp - products of whole tiles --------------------------===//
#include "codegen/cpu/AmxProducts.h"

#include "codegen/cpu/AmxTiles.h"
#include "codegen/cpu/ProductTiling.h"

#include <bit>
#include <cassert>
#include <cstddef>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kTokens = kActivationTokens;
constexpr int64_t kRowBytes = 4 * kRowLanes; ///< of a result's row: 16 sums

using Shape = AmxTiles::Shape;
constexpr Shape kSums = AmxTiles::kSums;
static_assert(kSums.rows == kTokens && kSums.bytes == kRowBytes);

} // namespace

void multiplyPairTiles(KernelBuilder &b, llvm::ArrayRef<Value> panels, Value x,
                       Value tile, Value sums, Value columns,
                       const NextPanels &next) {
  assert(b.isa().hasAmxBf16);
  constexpr Shape kActivations = {kTokens, 2 * kColumns};
  constexpr Shape kWeights = {kColumns / 2, kPairBytes};
  constexpr int64_t kPanelBlock = kWeights.rows * kWeights.bytes;
  const auto groups = static_cast<int64_t>(panels.size());
  AmxTiles tiles(b);
  Value blocks = b.div(b.add(columns, b.i64(kColumns - 1)), b.i64(kColumns));
  KernelBuilder::Values total;
  for (int64_t group = 0; group < groups; ++group) {
    total.push_back(tiles.load(kSums, b.offset(sums, group * kSumBytes),
                               groups * kSumBytes));
  }
  total = b.loop(b.i64(0), blocks, b.i64(1), total,
                 [&](Value block, mlir::ValueRange carried) {
                   next.askForShare(b, b.add(b.mul(tile, blocks), block),
                                    b.mul(next.tiles, blocks));
                   Value activations = tiles.load(
                       kActivations, b.element(x, block, sizeof(Bf16Tile)),
                       kActivations.bytes);
                   KernelBuilder::Values now;
                   for (int64_t group = 0; group < groups; ++group) {
                     Value weights = tiles.load(
                         kWeights, b.element(panels[group], block, kPanelBlock),
                         kWeights.bytes);
                     now.push_back(tiles.dotPairs(carried[group], activations,
                                                  weights, kActivations.bytes));
                   }
                   return now;
                 });
  for (int64_t group = 0; group < groups; ++group) {
    tiles.store(total[group], kSums, b.offset(sums, group * kSumBytes),
                groups * kSumBytes);
  }
}

void multiplyByteTiles(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                       const BytePanelSink::Form &form, Value x, Value sums,
                       Value columns, Value dots) {
  assert(b.isa().hasAmxInt8 && form.halves == 1);
  constexpr Shape kActivations = {kTokens, kColumns};
  constexpr Shape kWeights = {kPanelQuads, kPanelQuadBytes};
  const auto groups = static_cast<int64_t>(panels.size());
  auto integers = b.vec(b.i32(), kRowLanes);
  auto floats = b.vec(b.f32(), kRowLanes);
  AmxTiles tiles(b);
  b.loop(b.i64(0), b.div(columns, b.i64(kColumns)), b.i64(1), [&](Value block) {
    Value from = b.element(x, block, sizeof(ActivationTile));
    llvm::SmallVector<Value> weights;
    for (Value panel : panels) {
      weights.push_back(b.element(panel, block, kPanelBlockBytes));
    }
    Value activations = tiles.load(kActivations, from, kActivations.bytes);
    for (int64_t group = 0; group < groups; ++group) {
      // Signed by unsigned: a panel's bytes have no sign.
      Value dot =
          tiles.dotBytes(tiles.zero(kSums), activations,
                         tiles.load(kWeights, weights[group], kWeights.bytes),
                         kActivations.bytes);
      tiles.store(dot, kSums,
                  b.offset(dots, group * static_cast<int64_t>(kTileDotBytes)),
                  kRowBytes);
    }
    llvm::SmallVector<Value> scales;
    llvm::SmallVector<Value> offsets;
    for (Value group : weights) {
      scales.push_back(b.load(floats, b.offset(group, kPanelScales), 64));
      if (form.hasOffset) {
        offsets.push_back(b.load(floats, b.offset(group, kPanelOffsets), 64));
      }
    }
    b.loop(b.i64(0), b.i64(kTokens), b.i64(1), [&](Value token) {
      Value numbers = b.element(from, token, 4);
      // A number of the token, in every lane; of a block's three the last.
      auto number = [&](size_t field, int64_t part,
                        KernelBuilder::Type element) {
        Value at =
            b.offset(numbers, static_cast<int64_t>(field) + 4 * part * kTokens);
        return b.splat(b.load(element, at, 4), kRowLanes);
      };
      Value places = b.element(sums, token, groups * kSumBytes);
      Value scale = number(offsetof(ActivationTile, scale), 0, b.f32());
      for (int64_t group = 0; group < groups; ++group) {
        Value at = b.element(
            b.offset(dots, group * static_cast<int64_t>(kTileDotBytes)), token,
            kRowBytes);
        Value dot = b.load(integers, at, 64);
        if (form.bias != 0) {
          // Of -128; a smaller power of two is a shift away.
          dot = b.add(
              dot,
              b.shiftRightSigned(
                  number(offsetof(ActivationTile, biasSums), 2, b.i32()),
                  7 - std::countr_zero(static_cast<unsigned>(-form.bias))));
        }
        Value scaled = b.mul(scales[group], b.signedToFloat(dot, b.f32()));
        Value place = b.offset(places, group * kSumBytes);
        Value total = b.fma(scaled, scale, b.load(floats, place, 64));
        if (form.hasOffset) {
          total = b.fma(
              offsets[group],
              number(offsetof(ActivationTile, scaledSums), 2, b.f32()), total);
        }
        b.store(total, place, 64);
      }
    });
  });
}

} // namespace air::codegen
