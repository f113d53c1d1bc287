//===- AmxGemm.cpp - products of whole tiles ------------------------------===//
#include "codegen/cpu/matmul/AmxGemm.h"

#include "codegen/cpu/matmul/AmxTiles.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <cassert>

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
                       const BytePanelForm &form, Value x, Value tile,
                       Value sums, Value columns, Value dots,
                       const NextPanels &next) {
  assert(b.isa().hasAmxInt8 && form.columns == kColumns);
  constexpr Shape kActivations = {kTokens, kColumns};
  constexpr Shape kWeights = {kColumns / 4, kPanelQuadBytes};
  const auto groups = static_cast<int64_t>(panels.size());
  auto integers = b.vec(b.i32(), kRowLanes);
  auto floats = b.vec(b.f32(), kRowLanes);
  AmxTiles tiles(b);
  next.askForShare(b, tile, next.tiles);
  Value isOnGrid = form.isGrid ? areOnGrid(b, x, columns) : Value();
  b.loop(b.i64(0), b.div(columns, b.i64(kColumns)), b.i64(1), [&](Value block) {
    Value from = b.element(x, block, sizeof(ActivationTile));
    llvm::SmallVector<Value> weights;
    for (Value panel : panels) {
      weights.push_back(b.element(panel, block, form.groupBytes()));
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
    auto scaleToken = [&](Value token, Scales scales) {
      TokenNumbers numbers;
      numbers.once = b.element(from, token, 4);
      numbers.ofColumns = b.offset(numbers.once, 2 * 4 * kTokens);
      Value places = b.element(sums, token, groups * kSumBytes);
      for (int64_t group = 0; group < groups; ++group) {
        Value at = b.element(
            b.offset(dots, group * static_cast<int64_t>(kTileDotBytes)), token,
            kRowBytes);
        Value dot =
            b.add(b.load(integers, at, 64), biasSum(b, form, numbers, 0));
        Value place = b.offset(places, group * kSumBytes);
        Value total = addScaled(b, form, weights[group], numbers, 0, dot,
                                b.load(floats, place, 64), scales);
        b.store(total, place, 64);
      }
    };
    auto scaleTokens = [&](Scales scales) {
      b.loop(b.i64(0), b.i64(kTokens), b.i64(1),
             [&](Value token) { scaleToken(token, scales); });
    };
    if (form.isGrid) {
      b.ifThenElse(
          isOnGrid, [&] { scaleTokens(Scales::OnGrid); },
          [&] { scaleTokens(Scales::Any); });
    } else {
      scaleTokens(Scales::Any);
    }
  });
}

} // namespace air::codegen
