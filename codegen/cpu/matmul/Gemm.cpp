//===- Gemm.cpp - y = w x for large M ---------------------------*- C++ -*-===//
//
// A tile covers a few row blocks and, by default, up to 256 tokens. The columns
// are processed in sections, small enough that the tile's activations in a
// section stay in L2 while every row block uses them. A section is processed in
// parts. A part consists of some columns of a few row blocks. It is decoded
// into panels in L1, one for each row block, and the panels are then multiplied
// with all tokens of the tile, up to 16 at a time.
//
// The micro-kernel multiplies a few row blocks by a few tokens
// (MatMulTiling::microRowBlocks, microTokens). Both numbers are as large as
// possible while registers hold all sums and operands. Each loaded weight
// serves several tokens and each loaded activation several row blocks, so
// arithmetic rather than loads is the limit.
//
// If a pass needs the logits of only a few tokens, the GEMV code
// (MatMulKernel.cpp) computes them. On some CPUs, it also computes all results
// of passes of few tokens (see gemvRows()).
//
// Scratch holds the sums as f32 [matrix][set of row blocks][token][row block of
// the set][16], then a panel for each row block of the micro-kernel
// (WeightPanel.h). In int8 kernels, these panels are followed by i32 sums
// (AmxGemm.h) or by the values from which dot products start (multiplyInt8() in
// Int8Panel.h).
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/AmxGemm.h"
#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/Int8Panel.h"
#include "codegen/cpu/matmul/MatMulEmitter.h"
#include "codegen/cpu/matmul/WeightPanel.h"
#include "formats/support/CheckedMath.h"

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kTokens = kActivationTokens;
constexpr int64_t kColumns = kActivationColumns;

class GemmEmitter : public MatMulEmitter {
public:
  GemmEmitter(KernelBuilder &builder, const KernelSpec &kernelSpec)
      : MatMulEmitter(builder, kernelSpec),
        tileRowBlocks(static_cast<int64_t>(tiling.tileRowBlocks)),
        tileTokens(static_cast<int64_t>(tiling.tileTokens)),
        microRowBlocks(static_cast<int64_t>(tiling.microRowBlocks)),
        microTokens(static_cast<int64_t>(tiling.microTokens)),
        tokenBytes(4 * static_cast<int64_t>(
                           activationWords(spec.activation, spec.k))) {}
  void emit();

private:
  /// The address of the sums of a token and a row block, both counted from the
  /// start of the tile. The sums of a token for the row blocks of a
  /// micro-kernel are adjacent. If they were a multiple of 4 KiB apart, some
  /// CPUs would delay the load of one row block's sums until they have stored
  /// another's, because they first compare only the low 12 bits of addresses.
  Value sumsAt(Value matrix, Value rowBlock, Value token) {
    Value set = b.add(b.mul(matrix, b.i64(tileRowBlocks / microRowBlocks)),
                      b.div(rowBlock, b.i64(microRowBlocks)));
    Value row = b.add(b.mul(set, b.i64(tileTokens)), token);
    row = b.add(b.mul(row, b.i64(microRowBlocks)),
                b.rem(rowBlock, b.i64(microRowBlocks)));
    return b.element(b.scratch(), row, kSumBytes);
  }
  /// Calls body(first token) for every 16 tokens of a tile.
  void tokenTiles(Value tokens, llvm::function_ref<void(Value)> body) {
    b.loop(b.i64(0), tokens, b.i64(kTokens), body);
  }
  void clearSums(Value rowBlocks, Value tokens);
  /// Some columns of a few row blocks. They are decoded into panels, which are
  /// then multiplied with all tokens of the tile.
  struct Part {
    Value matrix;
    Value rowBlock; ///< the first row block, relative to the tile
    Value first;    ///< the first row block, relative to the matrix
    Value last;     ///< the tile's last row block, relative to the matrix
    Value column;
    Value columns;
    Value start; ///< [start, end) are the columns of the part's section
    Value end;
    Value x; ///< the address of x at `column` and the tile's first token
    Value tokens;
  };
  void multiplyPart(const Part &part);
  /// Calls fill(weights, panel) for each row block of `part`.
  void
  eachPanel(const Part &part,
            llvm::function_ref<void(const RowBlockReader &weights, Value panel)>
                fill);
  PanelPrefetch nextWeights(const Part &part);
  Value panelOf(int64_t rowBlock) {
    return b.offset(panels, rowBlock * static_cast<int64_t>(tiling.panelBytes));
  }
  llvm::SmallVector<Value> allPanels() {
    llvm::SmallVector<Value> all;
    for (int64_t rowBlock = 0; rowBlock < microRowBlocks; ++rowBlock) {
      all.push_back(panelOf(rowBlock));
    }
    return all;
  }
  void multiplyFloats(Value x, Value tile, Value sums, Value columns,
                      const PanelPrefetch &next);

  Value panels;
  const int64_t tileRowBlocks;
  const int64_t tileTokens;
  const int64_t microRowBlocks;
  const int64_t microTokens;
  const int64_t tokenBytes; ///< bytes per row of x, averaged over 16 rows
};

void GemmEmitter::emit() {
  auto base =
      static_cast<int64_t>(ceilDiv(tiling.rowBlocks, tiling.tileRowBlocks));
  auto chunk = static_cast<int64_t>(tiling.panelColumns);
  auto reach = static_cast<int64_t>(tiling.tileColumns);
  const bool isBf16 = spec.activation == Activation::BF16x32;
  // The size in bytes of one column of a token tile of activations.
  const int64_t columnBytes =
      4 * kTokens *
      static_cast<int64_t>(activationBlockWords(spec.activation)) / kColumns;
  panels = b.offset(b.scratch(),
                    matrices() * tileRowBlocks * tileTokens * kSumBytes);
  auto manyRows = [&](Value tile, Value firstRowBlock, Value rowBlocks) {
    Value lastRowBlock = b.sub(b.add(firstRowBlock, rowBlocks), b.i64(1));
    Value firstToken = b.mul(b.div(tile, b.i64(base)), b.i64(tileTokens));
    Value tokens = b.min(b.sub(rows(), firstToken), b.i64(tileTokens));
    Value tileX = b.element(b.binding(0), firstToken, tokenBytes);
    clearSums(rowBlocks, tokens);
    b.loop(b.i64(0), b.i64(k), b.i64(reach), [&](Value start) {
      Value end = b.min(b.i64(k), b.add(start, b.i64(reach)));
      b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
        b.loop(b.i64(0), rowBlocks, b.i64(microRowBlocks), [&](Value rowBlock) {
          b.loop(start, end, b.i64(chunk), [&](Value column) {
            Value columns = b.min(b.sub(end, column), b.i64(chunk));
            Value x = b.element(tileX, column, columnBytes);
            Value first = b.add(firstRowBlock, rowBlock);
            multiplyPart({matrix, rowBlock, first, lastRowBlock, column,
                          columns, start, end, x, tokens});
          });
        });
      });
    });
    // y is [token][n], so the results of one token are contiguous.
    b.loop(b.i64(0), tokens, b.i64(1), [&](Value token) {
      Value factor;
      if (isBf16) {
        // In BF16x32, a token tile ends with one factor for each of its 16
        // tokens, by which the results of the token are multiplied.
        Value end =
            b.element(tileX, b.add(b.div(token, b.i64(kTokens)), b.i64(1)),
                      kTokens * tokenBytes);
        factor = b.load(b.f32(),
                        b.element(b.offset(end, -4 * kTokens),
                                  b.rem(token, b.i64(kTokens)), 4),
                        4);
      }
      b.loop(b.i64(0), rowBlocks, b.i64(1), [&](Value rowBlock) {
        finishToken(
            b.add(firstRowBlock, rowBlock), b.add(firstToken, token),
            [&](int64_t matrix) {
              return sumsAt(b.i64(matrix), rowBlock, token);
            },
            factor);
      });
    });
  };
  b.tileLoop([&](Value tile) {
    Value firstRowBlock = b.mul(b.rem(tile, b.i64(base)), b.i64(tileRowBlocks));
    Value rowBlocks = b.min(
        b.sub(b.i64(static_cast<int64_t>(tiling.rowBlocks)), firstRowBlock),
        b.i64(tileRowBlocks));
    // The GEMV code processes all rows of x, so it is used only if a single
    // tile covers all of them.
    const auto most = static_cast<int64_t>(
        std::min<uint64_t>(gemvRows(spec, b.isa()), tiling.tileTokens));
    if (most == 0) {
      manyRows(tile, firstRowBlock, rowBlocks);
      return;
    }
    b.ifThenElse(
        b.less(b.i64(most), rows()),
        [&] { manyRows(tile, firstRowBlock, rowBlocks); },
        [&] {
          emitGemvRows(b, spec, firstRowBlock, b.add(firstRowBlock, rowBlocks));
        });
  });
}

void GemmEmitter::multiplyPart(const Part &part) {
  auto everyToken = [&](auto &&multiply) {
    tokenTiles(part.tokens, [&](Value token) {
      multiply(token, b.element(part.x, token, tokenBytes),
               sumsAt(part.matrix, part.rowBlock, token));
    });
  };
  auto decode = [&](const RowBlockReader &weights, DecodeSink &sink) {
    decodeColumns(weights, sink, part.column, part.columns, k, 0);
  };
  if (isInt8Tiled(spec.activation)) {
    Int8PanelLayout layout = int8PanelLayout(spec);
    eachPanel(part, [&](const RowBlockReader &weights, Value panel) {
      Int8PanelSink sink(b, panel, int8PanelLayout(spec));
      decode(weights, sink);
      layout = sink.layout();
    });
    const bool isInTiles = b.isa().hasAmxInt8 && layout.columns == kColumns;
    const PanelPrefetch next = nextWeights(part);
    everyToken([&](Value token, Value from, Value sums) {
      Value tile = b.div(token, b.i64(kTokens));
      if (isInTiles) {
        multiplyInt8Amx(b, allPanels(), layout, from, tile, sums, part.columns,
                        panelOf(microRowBlocks), next);
      } else {
        multiplyInt8(b, allPanels(), layout, microTokens, from, tile,
                     tokenBytes * kTokens, panelOf(microRowBlocks), sums,
                     part.columns, next);
      }
    });
    return;
  }
  if (spec.activation == Activation::BF16x32) {
    eachPanel(part, [&](const RowBlockReader &weights, Value panel) {
      if (spec.dtype == DType::BF16) {
        fillBf16Panel(weights, panel, part.column, part.columns, k);
        return;
      }
      Bf16PanelSink sink(b, panel);
      decode(weights, sink);
    });
    const PanelPrefetch next = nextWeights(part);
    everyToken([&](Value token, Value from, Value sums) {
      Value tile = b.div(token, b.i64(kTokens));
      if (b.isa().hasAmxBf16) {
        multiplyBf16Amx(b, allPanels(), from, tile, sums, part.columns, next);
      } else {
        multiplyBf16(b, allPanels(), microTokens, from, tile, sums,
                     part.columns, next);
      }
    });
    return;
  }
  eachPanel(part, [&](const RowBlockReader &weights, Value panel) {
    FloatPanelSink sink(b, panel);
    decode(weights, sink);
  });
  const PanelPrefetch next = nextWeights(part);
  everyToken([&](Value token, Value from, Value sums) {
    multiplyFloats(from, b.div(token, b.i64(kTokens)), sums, part.columns,
                   next);
  });
}

// Returns the weights to prefetch: those of the part that follows `part` in the
// loops of emit(). After the last part of a tile, they are the first weights of
// the next tile, which the same thread most likely computes.
PanelPrefetch GemmEmitter::nextWeights(const Part &part) {
  Value zero = b.i64(0);
  Value column = b.add(part.column, part.columns);
  Value following = b.add(part.first, b.i64(microRowBlocks));
  Value tileFirst = b.sub(part.first, part.rowBlock);
  // These three values say which weights are read next. They are initialised to
  // the first weights of the next tile. Each ifElse() below tests whether one
  // of the loops of emit() has another iteration and, if so, sets the values to
  // the start of that iteration. The innermost loop is tested last, so it takes
  // precedence.
  Value matrix = zero;
  Value rowBlock = b.add(part.last, b.i64(1));
  Value from = zero;
  auto ifElse = [&](Value isNext, Value nextMatrix, Value nextGroup,
                    Value nextColumn) {
    matrix = b.select(isNext, nextMatrix, matrix);
    rowBlock = b.select(isNext, nextGroup, rowBlock);
    from = b.select(isNext, nextColumn, from);
  };
  ifElse(b.less(part.end, b.i64(k)), zero, tileFirst, part.end);
  Value other = b.add(part.matrix, b.i64(1));
  ifElse(b.less(other, b.i64(matrices())), other, tileFirst, part.start);
  ifElse(b.lessEqual(following, part.last), part.matrix, following, part.start);
  ifElse(b.less(column, part.end), part.matrix, part.first, column);
  Value lastRowBlock = b.i64(static_cast<int64_t>(tiling.rowBlocks) - 1);
  PanelPrefetch next;
  next.hint = tiling.panelHint;
  for (int64_t i = 0; i < microRowBlocks && next.hint != StreamHint::None;
       ++i) {
    RowBlockReader weights =
        reader(matrix, b.min(b.add(rowBlock, b.i64(i)), lastRowBlock));
    if (weights.streamBytes() != 0) {
      const int64_t columns = weights.dtype().blockElements;
      next.weights.push_back(b.element(
          weights.start(), b.div(from, b.i64(columns)), weights.streamBytes()));
      next.bytes = static_cast<int64_t>(tiling.panelColumns) / columns *
                   weights.streamBytes();
    }
  }
  next.tokens = part.tokens;
  return next;
}

void GemmEmitter::eachPanel(
    const Part &part,
    llvm::function_ref<void(const RowBlockReader &, Value)> fill) {
  b.loop(b.i64(0), b.i64(microRowBlocks), b.i64(1), [&](Value i) {
    // Past the tile's last row block, the last one is decoded again; the sums
    // of these copies are never used.
    Value at = b.add(part.first, i);
    RowBlockReader weights = reader(part.matrix, b.min(at, part.last));
    fill(weights,
         b.element(panels, i, static_cast<int64_t>(tiling.panelBytes)));
  });
}

void GemmEmitter::clearSums(Value rowBlocks, Value tokens) {
  Value zero = b.zero(b.vec(b.f32(), kRowLanes));
  b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
    b.loop(b.i64(0), rowBlocks, b.i64(microRowBlocks), [&](Value rowBlock) {
      tokenTiles(tokens, [&](Value token) {
        Value sums = sumsAt(matrix, rowBlock, token);
        for (int64_t i = 0; i < kTokens * microRowBlocks; ++i) {
          b.store(zero, b.offset(sums, i * kSumBytes), 64);
        }
      });
    });
  });
}

// ---- float32 ----------------------------------------------------------------

void GemmEmitter::multiplyFloats(Value x, Value tile, Value sums, Value columns,
                                 const PanelPrefetch &next) {
  constexpr int64_t kUnroll = 2;
  auto type = b.vec(b.f32(), kRowLanes);
  Value blocks = b.div(b.add(columns, b.i64(kColumns - 1)), b.i64(kColumns));
  Value slots = b.mul(next.turns(b, microTokens), blocks);
  Value tokens = next.tokensOf(b, tile);
  b.loop(b.i64(0), tokens, b.i64(microTokens), [&](Value first) {
    const int64_t turns = kTokens / microTokens;
    Value turn =
        b.add(b.mul(tile, b.i64(turns)), b.div(first, b.i64(microTokens)));
    Value start = b.element(x, first, 4);
    auto column = [&](KernelBuilder::Values now, Value at) {
      llvm::SmallVector<Value, 2> w;
      for (int64_t rowBlock = 0; rowBlock < microRowBlocks; ++rowBlock) {
        w.push_back(
            b.load(type, b.element(panelOf(rowBlock), at, kSumBytes), 64));
      }
      Value place = b.element(start, at, 4 * kTokens);
      for (int64_t i = 0; i < microTokens; ++i) {
        Value value = b.loadSplat(b.offset(place, 4 * i), kRowLanes);
        for (int64_t rowBlock = 0; rowBlock < microRowBlocks; ++rowBlock) {
          Value &sum = now[rowBlock * microTokens + i];
          sum = b.fma(w[rowBlock], value, sum);
        }
      }
      return now;
    };
    KernelBuilder::Values total(microRowBlocks * microTokens, b.zero(type));
    Value whole = b.andBits(columns, -kUnroll);
    auto someColumns = [&](Value at, mlir::ValueRange carried) {
      KernelBuilder::Values now(carried.begin(), carried.end());
      for (int64_t i = 0; i < kUnroll; ++i) {
        now = column(now, b.add(at, b.i64(i)));
      }
      return now;
    };
    total = b.loop(
        b.i64(0), blocks, b.i64(1), total,
        [&](Value block, mlir::ValueRange carried) {
          next.prefetchShare(b, b.add(b.mul(turn, blocks), block), slots);
          Value from = b.mul(block, b.i64(kColumns));
          Value to = b.min(whole, b.add(from, b.i64(kColumns)));
          return b.loop(from, to, b.i64(kUnroll),
                        KernelBuilder::Values(carried.begin(), carried.end()),
                        someColumns);
        });
    if (k % kUnroll != 0) {
      total = b.loop(whole, columns, b.i64(1), total,
                     [&](Value at, mlir::ValueRange now) {
                       return column({now.begin(), now.end()}, at);
                     });
    }
    // Each panel has its own sums, which are added to the totals here. This
    // keeps the chains of additions short and the rounding errors small.
    Value firstSums = b.element(sums, first, microRowBlocks * kSumBytes);
    for (int64_t rowBlock = 0; rowBlock < microRowBlocks; ++rowBlock) {
      for (int64_t i = 0; i < microTokens; ++i) {
        Value place =
            b.offset(firstSums, (i * microRowBlocks + rowBlock) * kSumBytes);
        b.store(
            b.add(b.load(type, place, 64), total[rowBlock * microTokens + i]),
            place, 64);
      }
    }
  });
}

} // namespace

void emitGemm(KernelBuilder &builder, const KernelSpec &spec) {
  GemmEmitter(builder, spec).emit();
}

} // namespace air::codegen
