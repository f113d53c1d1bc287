//===- AmxGemm.cpp - GEMM on AMX tile registers ---------------------------===//
#include "codegen/cpu/matmul/AmxGemm.h"

#include "codegen/cpu/matmul/AmxTiles.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <cassert>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kTokens = kActivationTokens;
/// The bytes of one row of a result tile. A row has 16 sums.
constexpr int64_t kRowBytes = 4 * kRowLanes;

using Shape = AmxTiles::Shape;
constexpr Shape kSums = AmxTiles::kSums;
static_assert(kSums.rows == kTokens && kSums.bytes == kRowBytes);

} // namespace

void multiplyBf16Amx(KernelBuilder &b, llvm::ArrayRef<Value> panels, Value x,
                     Value tile, Value sums, Value columns,
                     const PanelPrefetch &next) {
  assert(b.isa().hasAmxBf16);
  constexpr Shape kActivations = {kTokens, 2 * kColumns};
  constexpr Shape kWeights = {kColumns / 2, kPairBytes};
  constexpr int64_t kPanelBlock = kWeights.rows * kWeights.bytes;
  const auto rowBlocks = static_cast<int64_t>(panels.size());
  AmxTiles tiles(b);
  Value blocks = b.div(b.add(columns, b.i64(kColumns - 1)), b.i64(kColumns));
  KernelBuilder::Values total;
  for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
    total.push_back(tiles.load(kSums, b.offset(sums, rowBlock * kSumBytes),
                               rowBlocks * kSumBytes));
  }
  total =
      b.loop(b.i64(0), blocks, b.i64(1), total,
             [&](Value block, mlir::ValueRange carried) {
               next.prefetchShare(b, b.add(b.mul(tile, blocks), block),
                                  b.mul(next.turns(b, kTokens), blocks));
               Value activations = tiles.load(
                   kActivations, b.element(x, block, sizeof(Bf16Tile)),
                   kActivations.bytes);
               KernelBuilder::Values now;
               for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
                 Value weights = tiles.load(
                     kWeights, b.element(panels[rowBlock], block, kPanelBlock),
                     kWeights.bytes);
                 now.push_back(tiles.dotPairs(carried[rowBlock], activations,
                                              weights, kActivations.bytes));
               }
               return now;
             });
  for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
    tiles.store(total[rowBlock], kSums, b.offset(sums, rowBlock * kSumBytes),
                rowBlocks * kSumBytes);
  }
}

void multiplyInt8Amx(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                     const Int8PanelLayout &layout, Value x, Value tile,
                     Value sums, Value columns, Value dots,
                     const PanelPrefetch &next) {
  assert(b.isa().hasAmxInt8 && layout.columns == kColumns);
  constexpr Shape kActivations = {kTokens, kColumns};
  constexpr Shape kWeights = {kColumns / 4, kPanelQuadBytes};
  const auto rowBlocks = static_cast<int64_t>(panels.size());
  auto integers = b.vec(b.i32(), kRowLanes);
  auto floats = b.vec(b.f32(), kRowLanes);
  AmxTiles tiles(b);
  next.prefetchShare(b, tile, next.turns(b, kTokens));
  Value isOnGrid = layout.isGrid ? areOnGrid(b, x, columns) : Value();
  b.loop(b.i64(0), b.div(columns, b.i64(kColumns)), b.i64(1), [&](Value block) {
    Value from = b.element(x, block, sizeof(ActivationTile));
    llvm::SmallVector<Value> weights;
    for (Value panel : panels) {
      weights.push_back(b.element(panel, block, layout.groupBytes()));
    }
    Value activations = tiles.load(kActivations, from, kActivations.bytes);
    for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
      // The activations are signed, and the panel's bytes are unsigned.
      Value dot = tiles.dotBytes(
          tiles.zero(kSums), activations,
          tiles.load(kWeights, weights[rowBlock], kWeights.bytes),
          kActivations.bytes);
      tiles.store(dot, kSums,
                  b.offset(dots, rowBlock * static_cast<int64_t>(kAmxDotBytes)),
                  kRowBytes);
    }
    auto scaleToken = [&](Value token, Scales scales) {
      TokenScales scalars;
      scalars.once = b.element(from, token, 4);
      scalars.ofColumns = b.offset(scalars.once, 2 * 4 * kTokens);
      Value places = b.element(sums, token, rowBlocks * kSumBytes);
      for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
        Value at = b.element(
            b.offset(dots, rowBlock * static_cast<int64_t>(kAmxDotBytes)),
            token, kRowBytes);
        Value dot = b.add(b.load(integers, at, 64),
                          dotStart(b, layout, scalars, 0, scales));
        Value place = b.offset(places, rowBlock * kSumBytes);
        Value total = addScaled(b, layout, weights[rowBlock], scalars, 0, dot,
                                b.load(floats, place, 64), scales);
        b.store(total, place, 64);
      }
    };
    auto scaleTokens = [&](Scales scales) {
      b.loop(b.i64(0), b.i64(kTokens), b.i64(1),
             [&](Value token) { scaleToken(token, scales); });
    };
    if (layout.isGrid) {
      b.ifThenElse(
          isOnGrid, [&] { scaleTokens(Scales::OnGrid); },
          [&] { scaleTokens(Scales::Any); });
    } else {
      scaleTokens(Scales::Any);
    }
  });
}

} // namespace air::codegen
