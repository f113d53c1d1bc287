//===- Gemm.cpp - y = w x for many tokens -----------------------*- C++ -*-===//
//
// A tile is some groups of 16 rows and up to 128 tokens. It goes so many
// columns at a time that these columns of the tile's activations stay in the
// second cache while every group meets them. A part of a group's columns is
// decoded into a panel in the first cache, which 16 tokens at a time multiply.
//
// The inner loop takes a few groups by a few tokens (ProductTiling's
// groupsTogether, tokensTogether): as many sums as registers hold beside the
// operands. A weight that is loaded serves several tokens and an activation
// several groups, which leaves the multiplications and not the loads as the
// limit.
//
// The few rows that a pass may want logits of are multiplied as few tokens are.
//
// Scratch: sums [matrix][groups together][token][group of these][16] f32, then
// a panel for each group of the inner loop (WeightPanel.h), then what tiles
// need beside (AmxGemm.h).
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

class ManyTokens : public Product {
public:
  ManyTokens(KernelBuilder &builder, const KernelSpec &kernelSpec)
      : Product(builder, kernelSpec),
        tileGroups(static_cast<int64_t>(tiling.tileGroups)),
        tileTokens(static_cast<int64_t>(tiling.tileTokens)),
        groupsTogether(static_cast<int64_t>(tiling.groupsTogether)),
        tokensTogether(static_cast<int64_t>(tiling.tokensTogether)),
        tokenBytes(4 * static_cast<int64_t>(
                           activationWords(spec.activation, spec.k))) {}
  void emit();

private:
  /// Address of the sums of a token of the tile and a group of the tile. Those
  /// of groups that go together adjoin: at a distance of 4 KiB, loads of one
  /// would wait for stores of the other.
  Value sumsAt(Value matrix, Value group, Value token) {
    Value set = b.add(b.mul(matrix, b.i64(tileGroups / groupsTogether)),
                      b.div(group, b.i64(groupsTogether)));
    Value row = b.add(b.mul(set, b.i64(tileTokens)), token);
    row = b.add(b.mul(row, b.i64(groupsTogether)),
                b.rem(group, b.i64(groupsTogether)));
    return b.element(b.scratch(), row, kSumBytes);
  }
  /// A pass over the tokens of a tile, 16 at a time; body(first token).
  void tokenTiles(Value tokens, llvm::function_ref<void(Value)> body) {
    b.loop(b.i64(0), tokens, b.i64(kTokens), body);
  }
  void clearSums(Value groups, Value tokens);
  /// Columns of some groups, which all tokens of a tile meet.
  struct Part {
    Value matrix;
    Value group; ///< the first one, of the tile
    Value first; ///< the same, of the matrix
    Value last;  ///< of the tile, of the matrix
    Value column;
    Value columns;
    Value start; ///< of the columns that the tile's groups meet in turns
    Value end;
    Value x; ///< of `column` and the tile's first token
    Value tokens;
  };
  void multiplyPart(const Part &part);
  /// fill(weights, panel) for each of a part's groups.
  void eachPanel(
      const Part &part,
      llvm::function_ref<void(const GroupReader &weights, Value panel)> fill);
  NextPanels weightsAfter(const Part &part);
  Value panelOf(int64_t group) {
    return b.offset(panels, group * static_cast<int64_t>(tiling.panelBytes));
  }
  llvm::SmallVector<Value> allPanels() {
    llvm::SmallVector<Value> all;
    for (int64_t group = 0; group < groupsTogether; ++group) {
      all.push_back(panelOf(group));
    }
    return all;
  }
  void multiplyFloats(Value x, Value tile, Value sums, Value columns,
                      const NextPanels &next);

  Value panels;
  const int64_t tileGroups;
  const int64_t tileTokens;
  const int64_t groupsTogether;
  const int64_t tokensTogether;
  const int64_t tokenBytes; ///< of a row of x, on average over 16
};

void ManyTokens::emit() {
  auto base = static_cast<int64_t>(ceilDiv(tiling.groups, tiling.tileGroups));
  auto chunk = static_cast<int64_t>(tiling.panelColumns);
  auto reach = static_cast<int64_t>(tiling.tileColumns);
  // What a column takes in a tile of 16 tokens.
  const bool isBf16 = spec.activation == Activation::BF16x32;
  const int64_t columnBytes =
      4 * kTokens *
      static_cast<int64_t>(activationBlockWords(spec.activation)) / kColumns;
  panels =
      b.offset(b.scratch(), matrices() * tileGroups * tileTokens * kSumBytes);
  auto manyRows = [&](Value tile, Value firstGroup, Value groups) {
    Value lastGroup = b.sub(b.add(firstGroup, groups), b.i64(1));
    Value firstToken = b.mul(b.div(tile, b.i64(base)), b.i64(tileTokens));
    Value tokens = b.min(b.sub(rows(), firstToken), b.i64(tileTokens));
    Value tileX = b.element(b.binding(0), firstToken, tokenBytes);
    clearSums(groups, tokens);
    b.loop(b.i64(0), b.i64(k), b.i64(reach), [&](Value start) {
      Value end = b.min(b.i64(k), b.add(start, b.i64(reach)));
      b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
        b.loop(b.i64(0), groups, b.i64(groupsTogether), [&](Value group) {
          b.loop(start, end, b.i64(chunk), [&](Value column) {
            Value columns = b.min(b.sub(end, column), b.i64(chunk));
            Value x = b.element(tileX, column, columnBytes);
            Value first = b.add(firstGroup, group);
            multiplyPart({matrix, group, first, lastGroup, column, columns,
                          start, end, x, tokens});
          });
        });
      });
    });
    // A token's rows adjoin in y, tokens are rows of y apart.
    b.loop(b.i64(0), tokens, b.i64(1), [&](Value token) {
      Value factor;
      if (isBf16) {
        // The last vector of a token tile has its tokens' factors.
        Value end =
            b.element(tileX, b.add(b.div(token, b.i64(kTokens)), b.i64(1)),
                      kTokens * tokenBytes);
        factor = b.load(b.f32(),
                        b.element(b.offset(end, -4 * kTokens),
                                  b.rem(token, b.i64(kTokens)), 4),
                        4);
      }
      b.loop(b.i64(0), groups, b.i64(1), [&](Value group) {
        finishToken(
            b.add(firstGroup, group), b.add(firstToken, token),
            [&](int64_t matrix) { return sumsAt(b.i64(matrix), group, token); },
            factor);
      });
    });
  };
  b.tileLoop([&](Value tile) {
    Value firstGroup = b.mul(b.rem(tile, b.i64(base)), b.i64(tileGroups));
    Value groups =
        b.min(b.sub(b.i64(static_cast<int64_t>(tiling.groups)), firstGroup),
              b.i64(tileGroups));
    if (!mayHaveFewRows(spec)) {
      manyRows(tile, firstGroup, groups);
      return;
    }
    b.ifThenElse(
        b.less(b.i64(kFewRows), rows()),
        [&] { manyRows(tile, firstGroup, groups); },
        [&] { emitFewRows(b, spec, firstGroup, b.add(firstGroup, groups)); });
  });
}

void ManyTokens::multiplyPart(const Part &part) {
  auto everyToken = [&](auto &&multiply) {
    tokenTiles(part.tokens, [&](Value token) {
      multiply(token, b.element(part.x, token, tokenBytes),
               sumsAt(part.matrix, part.group, token));
    });
  };
  auto decode = [&](const GroupReader &weights, DecodeSink &sink) {
    decodeColumns(weights, sink, part.column, part.columns, k, 0);
  };
  if (isOfByteTiles(spec.activation)) {
    BytePanelForm form = bytePanelForm(spec);
    eachPanel(part, [&](const GroupReader &weights, Value panel) {
      BytePanelSink sink(b, panel, bytePanelForm(spec));
      decode(weights, sink);
      form = sink.form();
    });
    const bool isInTiles = b.isa().hasAmxInt8 && form.columns == kColumns;
    const NextPanels next = weightsAfter(part);
    everyToken([&](Value token, Value from, Value sums) {
      Value tile = b.div(token, b.i64(kTokens));
      if (isInTiles) {
        multiplyByteTiles(b, allPanels(), form, from, tile, sums, part.columns,
                          panelOf(groupsTogether), next);
      } else {
        multiplyBytes(b, allPanels(), form, tokensTogether, from, tile,
                      tokenBytes * kTokens, sums, part.columns, next);
      }
    });
    return;
  }
  if (spec.activation == Activation::BF16x32) {
    eachPanel(part, [&](const GroupReader &weights, Value panel) {
      fillPairs(weights, panel, part.column, part.columns, k);
    });
    const NextPanels next = weightsAfter(part);
    everyToken([&](Value token, Value from, Value sums) {
      Value tile = b.div(token, b.i64(kTokens));
      if (b.isa().hasAmxBf16) {
        multiplyPairTiles(b, allPanels(), from, tile, sums, part.columns, next);
      } else {
        multiplyPairs(b, allPanels(), tokensTogether, from, tile, sums,
                      part.columns, next);
      }
    });
    return;
  }
  eachPanel(part, [&](const GroupReader &weights, Value panel) {
    FloatPanelSink sink(b, panel);
    decode(weights, sink);
  });
  const NextPanels next = weightsAfter(part);
  everyToken([&](Value token, Value from, Value sums) {
    multiplyFloats(from, b.div(token, b.i64(kTokens)), sums, part.columns,
                   next);
  });
}

// In the order of emit()'s loops; what comes after a tile is most likely the
// next one.
NextPanels ManyTokens::weightsAfter(const Part &part) {
  Value zero = b.i64(0);
  Value column = b.add(part.column, part.columns);
  Value following = b.add(part.first, b.i64(groupsTogether));
  Value tileFirst = b.sub(part.first, part.group);
  // Of the next tile; else of the same, from the innermost loop outwards.
  Value matrix = zero;
  Value group = b.add(part.last, b.i64(1));
  Value from = zero;
  auto ifElse = [&](Value isNext, Value nextMatrix, Value nextGroup,
                    Value nextColumn) {
    matrix = b.select(isNext, nextMatrix, matrix);
    group = b.select(isNext, nextGroup, group);
    from = b.select(isNext, nextColumn, from);
  };
  ifElse(b.less(part.end, b.i64(k)), zero, tileFirst, part.end);
  Value other = b.add(part.matrix, b.i64(1));
  ifElse(b.less(other, b.i64(matrices())), other, tileFirst, part.start);
  ifElse(b.lessEqual(following, part.last), part.matrix, following, part.start);
  ifElse(b.less(column, part.end), part.matrix, part.first, column);
  Value lastGroup = b.i64(static_cast<int64_t>(tiling.groups) - 1);
  NextPanels next;
  for (int64_t i = 0; i < groupsTogether; ++i) {
    GroupReader weights =
        reader(matrix, b.min(b.add(group, b.i64(i)), lastGroup));
    if (weights.streamBytes() != 0) {
      const int64_t columns = weights.dtype().blockElements;
      next.weights.push_back(b.element(
          weights.start(), b.div(from, b.i64(columns)), weights.streamBytes()));
      next.bytes = static_cast<int64_t>(tiling.panelColumns) / columns *
                   weights.streamBytes();
    }
  }
  next.tiles = b.div(b.add(part.tokens, b.i64(kTokens - 1)), b.i64(kTokens));
  return next;
}

void ManyTokens::eachPanel(
    const Part &part,
    llvm::function_ref<void(const GroupReader &, Value)> fill) {
  b.loop(b.i64(0), b.i64(groupsTogether), b.i64(1), [&](Value i) {
    // Past the last group its weights again, for sums that nobody asks for.
    Value at = b.add(part.first, i);
    GroupReader weights = reader(part.matrix, b.min(at, part.last));
    fill(weights,
         b.element(panels, i, static_cast<int64_t>(tiling.panelBytes)));
  });
}

void ManyTokens::clearSums(Value groups, Value tokens) {
  Value zero = b.zero(b.vec(b.f32(), kRowLanes));
  b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
    b.loop(b.i64(0), groups, b.i64(groupsTogether), [&](Value group) {
      tokenTiles(tokens, [&](Value token) {
        Value sums = sumsAt(matrix, group, token);
        for (int64_t i = 0; i < kTokens * groupsTogether; ++i) {
          b.store(zero, b.offset(sums, i * kSumBytes), 64);
        }
      });
    });
  });
}

// ---- floats -----------------------------------------------------------------

void ManyTokens::multiplyFloats(Value x, Value tile, Value sums, Value columns,
                                const NextPanels &next) {
  constexpr int64_t kUnroll = 2;
  auto type = b.vec(b.f32(), kRowLanes);
  Value blocks = b.div(b.add(columns, b.i64(kColumns - 1)), b.i64(kColumns));
  b.loop(b.i64(0), b.i64(kTokens), b.i64(tokensTogether), [&](Value first) {
    const int64_t turns = kTokens / tokensTogether;
    Value turn =
        b.add(b.mul(tile, b.i64(turns)), b.div(first, b.i64(tokensTogether)));
    Value slots = b.mul(b.mul(next.tiles, b.i64(turns)), blocks);
    Value start = b.element(x, first, 4);
    auto column = [&](KernelBuilder::Values now, Value at) {
      llvm::SmallVector<Value, 2> w;
      for (int64_t group = 0; group < groupsTogether; ++group) {
        w.push_back(b.load(type, b.element(panelOf(group), at, kSumBytes), 64));
      }
      Value place = b.element(start, at, 4 * kTokens);
      for (int64_t i = 0; i < tokensTogether; ++i) {
        Value value = b.loadSplat(b.offset(place, 4 * i), kRowLanes);
        for (int64_t group = 0; group < groupsTogether; ++group) {
          Value &sum = now[group * tokensTogether + i];
          sum = b.fma(w[group], value, sum);
        }
      }
      return now;
    };
    KernelBuilder::Values total(groupsTogether * tokensTogether, b.zero(type));
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
          next.askForShare(b, b.add(b.mul(turn, blocks), block), slots);
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
    // A sum of chunks: shorter chains of additions, smaller error.
    Value firstSums = b.element(sums, first, groupsTogether * kSumBytes);
    for (int64_t group = 0; group < groupsTogether; ++group) {
      for (int64_t i = 0; i < tokensTogether; ++i) {
        Value place =
            b.offset(firstSums, (i * groupsTogether + group) * kSumBytes);
        b.store(
            b.add(b.load(type, place, 64), total[group * tokensTogether + i]),
            place, 64);
      }
    }
  });
}

} // namespace

void emitWideProduct(KernelBuilder &builder, const KernelSpec &spec) {
  ManyTokens(builder, spec).emit();
}

} // namespace air::codegen
