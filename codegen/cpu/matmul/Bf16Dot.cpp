//===- Bf16Dot.cpp - bfloat16 dot products and panels ---------------------===//
#include "codegen/cpu/matmul/Bf16Dot.h"

#include "codegen/KernelSpec.h"
#include "codegen/cpu/matmul/MatMulTiling.h"

#include <cassert>
#include <limits>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumns = kActivationColumns;
constexpr int64_t kTokens = kActivationTokens;
/// The bytes of one token in one block of columns.
constexpr int64_t kTokenBytes = 2 * kColumns;
constexpr int64_t kBlockPairs = kColumns / 2;

/// Turns [2][16 rows] values of 16 bits into [row][2], as 16 words of i32.
Value interleaved(KernelBuilder &b, Value both) {
  llvm::SmallVector<int64_t> lanes;
  for (int64_t row = 0; row < kRowLanes; ++row) {
    lanes.push_back(row);
    lanes.push_back(kRowLanes + row);
  }
  return b.recast(b.shuffle(both, both, lanes), b.i32());
}

/// Loads columns `column` and `column` + 1 of 16 rows as [row][2].
Value pairAt(KernelBuilder &b, const RowBlockReader &rows, Value column) {
  if (rows.streamBytes() == 0) {
    return rows.block(column).pair(0);
  }
  // In layout x16, all rows of one column are followed by all rows of the next.
  Value at = b.element(rows.start(), column, rows.streamBytes());
  return interleaved(b, b.load(b.vec(b.i16(), 2 * kRowLanes), at, 1));
}

} // namespace

Value dotBf16(KernelBuilder &b, Value sum, Value weights, Value x) {
  assert(b.isa().hasBf16Dot);
  return b.intrinsic(sum.getType(), "llvm.x86.avx512bf16.dpbf16ps.512",
                     {sum, weights, x});
}

void fillBf16Panel(const RowBlockReader &rows, Value panel, Value first,
                   Value count, int64_t k) {
  assert(rows.dtype().id == DType::BF16);
  KernelBuilder &b = rows.builder();
  constexpr int64_t kStep = 8;
  auto store = [&](Value pair, Value column) {
    b.store(pair, b.element(panel, b.div(column, b.i64(2)), kPairBytes), 64);
  };
  Value whole = b.andBits(count, -kStep);
  b.loop(b.i64(0), whole, b.i64(kStep), [&](Value at) {
    Value column = b.add(first, at);
    for (int64_t i = 0; i < kStep; i += 2) {
      store(pairAt(b, rows, b.add(column, b.i64(i))), b.add(at, b.i64(i)));
    }
  });
  if (k % kStep != 0) {
    Value even = b.andBits(count, int64_t{-2});
    b.loop(whole, even, b.i64(2),
           [&](Value at) { store(pairAt(b, rows, b.add(first, at)), at); });
    b.loop(even, count, b.i64(1), [&](Value at) {
      Value last = rows.block(b.add(first, at)).unit("value", 0);
      store(b.zeroExtend(last, b.i32()), at);
    });
  }
  if (k % kColumns != 0) {
    Value end = b.andBits(b.add(count, b.i64(kColumns - 1)), -kColumns);
    Value used = b.andBits(b.add(count, b.i64(1)), int64_t{-2});
    b.loop(used, end, b.i64(2),
           [&](Value at) { store(b.zero(b.vec(b.i32(), kRowLanes)), at); });
  }
}

void Bf16PanelSink::beginGroup(int64_t first, int64_t count, Value scale,
                               Value offset) {
  // Rounding can carry out of the bits of a NaN, but not out of those of the
  // default NaN. With these operands, the NaNs that an FMA returns are default
  // ones.
  auto withDefaultNaN = [&](Value value) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    return value ? b.select(b.lessEqual(value, value), value,
                            b.constant(value.getType(), kNaN))
                 : value;
  };
  ScaledPanelSink::beginGroup(first, count, withDefaultNaN(scale),
                              withDefaultNaN(offset));
}

void Bf16PanelSink::endGroup() {
  assert(single.empty() && "a scale group consists of whole pairs of columns");
}

void Bf16PanelSink::value(int64_t column, Value q) {
  assert(b.isa().hasBf16Dot);
  const Value weight = weightOf(q);
  const auto partner = single.find(column ^ 1);
  if (partner == single.end()) {
    single.emplace(column, weight);
    return;
  }
  const bool isOdd = column % 2 != 0;
  const Value even = isOdd ? partner->second : weight;
  const Value odd = isOdd ? weight : partner->second;
  single.erase(partner);
  // The instruction that rounds two vectors to bfloat16 would take as long as
  // all of these operations, and its results would have to be interleaved.
  auto rounded = [&](Value value) {
    Value bits = b.bitcast(value, b.i32());
    return b.add(bits, b.constant(bits.getType(), int64_t{0x8000}));
  };
  Value both = b.orBits(b.andBits(rounded(odd), int64_t{0xffff0000}),
                        b.shiftRight(rounded(even), 16));
  const int64_t pair = (column & ~int64_t{1}) / 2;
  Value start = b.element(base, b.div(cursor, b.i64(2)), kPairBytes);
  b.store(both, b.offset(start, pair * kPairBytes), 64);
}

void multiplyBf16(KernelBuilder &b, llvm::ArrayRef<Value> panels,
                  int64_t microTokens, Value x, Value tile, Value sums,
                  Value columns, const PanelPrefetch &next) {
  const auto rowBlocks = static_cast<int64_t>(panels.size());
  auto type = b.vec(b.f32(), kRowLanes);
  auto words = b.vec(b.i32(), kRowLanes);
  Value blocks = b.div(b.add(columns, b.i64(kColumns - 1)), b.i64(kColumns));
  const int64_t turns = kTokens / microTokens;
  Value slots = b.mul(next.turns(b, microTokens), blocks);
  Value tokens = next.tokensOf(b, tile);
  b.loop(b.i64(0), tokens, b.i64(microTokens), [&](Value first) {
    Value start = b.element(x, first, kTokenBytes);
    KernelBuilder::Values total(rowBlocks * microTokens, b.zero(type));
    auto multiplyBlock = [&](Value block, mlir::ValueRange carried) {
      KernelBuilder::Values now(carried.begin(), carried.end());
      Value from = b.element(start, block, sizeof(Bf16Tile));
      llvm::SmallVector<Value> weights;
      for (Value panel : panels) {
        weights.push_back(b.element(panel, block, kBlockPairs * kPairBytes));
      }
      Value turn = b.div(first, b.i64(microTokens));
      Value slot = b.add(b.mul(tile, b.i64(turns)), turn);
      slot = b.add(b.mul(slot, blocks), block);
      next.prefetchShare(b, slot, slots);
      for (int64_t pair = 0; pair < kBlockPairs; ++pair) {
        llvm::SmallVector<Value> w;
        for (Value rowBlock : weights) {
          w.push_back(
              b.recast(b.load(words, b.offset(rowBlock, pair * kPairBytes), 64),
                       b.bf16()));
        }
        for (int64_t i = 0; i < microTokens; ++i) {
          Value at = b.offset(from, i * kTokenBytes + 4 * pair);
          Value q =
              b.recast(b.splat(b.load(b.i32(), at, 4), kRowLanes), b.bf16());
          for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
            Value &sum = now[rowBlock * microTokens + i];
            sum = dotBf16(b, sum, w[rowBlock], q);
          }
        }
      }
      return now;
    };
    total = b.loop(b.i64(0), blocks, b.i64(1), total, multiplyBlock);
    // Each panel has its own sums, which are added to the totals here. This
    // keeps the chains of additions short and the rounding errors small.
    Value firstSums = b.element(sums, first, rowBlocks * kSumBytes);
    for (int64_t rowBlock = 0; rowBlock < rowBlocks; ++rowBlock) {
      for (int64_t i = 0; i < microTokens; ++i) {
        Value place =
            b.offset(firstSums, (i * rowBlocks + rowBlock) * kSumBytes);
        b.store(
            b.add(b.load(type, place, 64), total[rowBlock * microTokens + i]),
            place, 64);
      }
    }
  });
}

} // namespace air::codegen
