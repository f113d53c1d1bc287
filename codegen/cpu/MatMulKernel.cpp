//===- MatMulKernel.cpp - y = w x, and the gated pair of them ---*- C++ -*-===//
//
// Both kernels walk groups of 16 rows of w. For few tokens a group is decoded
// straight into dot products, one pass for 1, 2 or 4 tokens. For many, chunks
// of a group's columns are decoded once into a panel in scratch, which every
// token of the tile then multiplies from the nearest cache.
//
// I8x2 activations need no panel: decoding is little work beside four tokens'
// dot products, so there many tokens are passes of four.
//
// GluMatMul is the same with two matrices, whose sums meet in the epilogue.
//
// Scratch: sums [matrix][token][16] f32, then (Wide) the panel [column][16].
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/ByteDotSink.h"
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/WeightDecoders.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <array>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kSumBytes = kRowLanes * 4; ///< one token's sums of a group
constexpr int64_t kPanelBytes = kChunkColumns * kSumBytes;
/// Tokens of a Wide tile: enough uses of a panel to pay for decoding it.
constexpr int64_t kTileTokens = 128;
/// Most tokens that one pass over the weights serves without a panel.
constexpr int64_t kPassTokens = 4;
/// Activations of a tile of many tokens, which every group reads again: half
/// of a second-level cache of 1 MiB.
constexpr uint64_t kTileActivationBytes = 512 << 10;
/// What one core streams while a read from memory is under way, with a margin:
/// some 100 ns at 40 GB/s.
constexpr int64_t kPrefetchAhead = 6144;

uint64_t groupCount(const KernelSpec &spec) {
  return ceilDiv(spec.n, uint64_t{kRowLanes});
}

/// Groups of a tile: at least 64 tiles when the matrix has as many groups, and
/// enough work in each to be worth handing out.
uint64_t tileGroups(const KernelSpec &spec) {
  return std::clamp<uint64_t>(groupCount(spec) / 64, 1, 16);
}

int64_t matrices(const KernelSpec &spec) {
  return spec.op == KernelOp::GluMatMul ? 2 : 1;
}

bool takesBytes(const KernelSpec &spec) {
  return spec.activation == Activation::I8x2;
}

bool usesPanel(const KernelSpec &spec) {
  return spec.mClass == MClass::Wide && !takesBytes(spec);
}

uint64_t xRowBytes(const KernelSpec &spec) {
  return takesBytes(spec)
             ? spec.k / kActivationColumns * sizeof(ActivationBlock)
             : spec.k * sizeof(float);
}

/// Tokens of a tile; 0 when it has all of them.
int64_t tileTokens(const KernelSpec &spec) {
  if (spec.mClass != MClass::Wide) {
    return 0;
  }
  if (!takesBytes(spec)) {
    return kTileTokens;
  }
  const uint64_t tokens = std::clamp<uint64_t>(
      kTileActivationBytes / xRowBytes(spec), 4 * kPassTokens, kTileTokens);
  return static_cast<int64_t>(tokens) / kPassTokens * kPassTokens;
}

/// Tokens that have sums in scratch at a time.
int64_t sumTokens(const KernelSpec &spec) {
  return usesPanel(spec) ? kTileTokens : kPassTokens;
}

Status describeProduct(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry) {
  auto refuse = [](const std::string &what) { return internalError(what); };
  if (spec.n == 0 || spec.k == 0) {
    return refuse("the matrix is [" + std::to_string(spec.n) + ", " +
                  std::to_string(spec.k) + "]");
  }
  AIR_ASSIGN_OR_RETURN(uint64_t bytes,
                       layoutBytes(spec.dtype, spec.layout, spec.n, spec.k));
  AIR_ASSIGN_OR_RETURN(uint64_t oneRow, rowBytes(spec.dtype, spec.k));
  if (oneRow > GroupReader::kMaxRowBytes) {
    return unsupportedError("a row takes " + std::to_string(oneRow) +
                            " bytes, the most is " +
                            std::to_string(GroupReader::kMaxRowBytes));
  }
  if (takesBytes(spec) && !isa.hasByteDot()) {
    return unsupportedError(
        "i8x2 activations need products of bytes: the feature 'dotprod'");
  }
  auto count = static_cast<uint64_t>(matrices(spec));
  entry.baseTiles = ceilDiv(groupCount(spec), tileGroups(spec));
  entry.tokensPerTile = static_cast<uint64_t>(tileTokens(spec));
  entry.weightBytes = count * bytes;
  entry.flopsPerRow = count * 2 * spec.n * spec.k;
  entry.scratchBytes = count * sumTokens(spec) * kSumBytes;
  if (usesPanel(spec)) {
    entry.scratchBytes += kPanelBytes;
  }
  return Status::ok();
}

class ProductKernel {
public:
  ProductKernel(KernelBuilder &builder, const KernelSpec &kernelSpec)
      : b(builder), spec(kernelSpec), isGlu(spec.op == KernelOp::GluMatMul),
        n(static_cast<int64_t>(spec.n)), k(static_cast<int64_t>(spec.k)),
        rowBytes(static_cast<int64_t>(xRowBytes(spec))) {}

  void emit();

private:
  Value rows() {
    return spec.rowsFrom == RowsFrom::Tokens ? b.tokens() : b.outputs();
  }
  /// Address of the sums of a token (counted from the tile's first).
  Value sumsAt(Value matrix, Value token) {
    Value row = b.add(b.mul(matrix, b.i64(sumTokens(spec))), token);
    return b.element(b.scratch(), row, kSumBytes);
  }
  Value matrixAt(Value index);
  GroupReader reader(Value matrix, Value group) {
    return {b, spec.dtype, spec.layout, n, k, matrixAt(matrix), group};
  }
  void passes(Value group, Value firstToken, Value lastToken);
  void lastPass(Value group, Value firstToken, Value rest, int64_t tokens);
  void pass(Value group, Value firstToken, int64_t tokens);
  void manyTokens(Value group, Value firstToken, Value tokens);
  void multiplyPanel(Value matrix, Value x, Value columns, Value firstToken,
                     int64_t tokens, Value isFirstChunk);
  void finish(Value group, Value firstToken, Value tokens);
  void finishToken(Value group, Value token, Value sumRow);
  void finishPart(Value group, Value token, Value sumRow, Value lane,
                  KernelBuilder::Type type);

  KernelBuilder &b;
  const KernelSpec &spec;
  const bool isGlu;
  const int64_t n;
  const int64_t k;
  const int64_t rowBytes; ///< of x
};

Value ProductKernel::matrixAt(Value index) {
  if (!isGlu) {
    return b.binding(1);
  }
  return b.select(b.equal(index, b.i64(0)), b.binding(1), b.binding(2));
}

void ProductKernel::emit() {
  auto base = static_cast<int64_t>(ceilDiv(groupCount(spec), tileGroups(spec)));
  auto perTile = static_cast<int64_t>(tileGroups(spec));
  auto groups = static_cast<int64_t>(groupCount(spec));
  b.tileLoop([&](Value tile) {
    Value rowTile = b.rem(tile, b.i64(base));
    Value first = b.mul(rowTile, b.i64(perTile));
    Value last = b.min(b.add(first, b.i64(perTile)), b.i64(groups));
    Value token = b.i64(0);
    Value tokens = rows();
    if (const int64_t most = tileTokens(spec); most != 0) {
      token = b.mul(b.div(tile, b.i64(base)), b.i64(most));
      tokens = b.min(b.sub(rows(), token), b.i64(most));
    }
    b.loop(first, last, b.i64(1), [&](Value group) {
      if (usesPanel(spec)) {
        manyTokens(group, token, tokens);
      } else {
        passes(group, token, b.add(token, tokens));
      }
    });
  });
}

// ---- few tokens -------------------------------------------------------------

void ProductKernel::passes(Value group, Value firstToken, Value lastToken) {
  const int64_t most = spec.mClass == MClass::One ? 1 : kPassTokens;
  b.loop(firstToken, lastToken, b.i64(most), [&](Value token) {
    lastPass(group, token, b.sub(lastToken, token), most);
  });
}

// Half as many tokens where they do; of a rest of three the fourth row is
// padding. Where there are many tokens a rest is not worth much code.
void ProductKernel::lastPass(Value group, Value firstToken, Value rest,
                             int64_t tokens) {
  if (tokens == (spec.mClass == MClass::Wide ? kPassTokens : 1)) {
    pass(group, firstToken, tokens);
    return;
  }
  b.ifThenElse(
      b.less(b.i64(tokens / 2), rest), [&] { pass(group, firstToken, tokens); },
      [&] { lastPass(group, firstToken, rest, tokens / 2); });
}

void ProductKernel::pass(Value group, Value firstToken, int64_t tokens) {
  Value x = b.element(b.binding(0), firstToken, rowBytes);
  b.loop(b.i64(0), b.i64(matrices(spec)), b.i64(1), [&](Value matrix) {
    auto multiply = [&](auto &&sink) {
      decodeRows(reader(matrix, group), sink, k, kPrefetchAhead);
      for (int64_t token = 0; token < tokens; ++token) {
        b.store(sink.sums()[token], sumsAt(matrix, b.i64(token)), 64);
      }
    };
    if (takesBytes(spec)) {
      multiply(ByteDotSink(b, x, rowBytes, tokens));
    } else {
      multiply(DotSink(b, x, rowBytes, tokens));
    }
  });
  Value rest = b.sub(rows(), firstToken);
  finish(group, firstToken, b.min(b.i64(tokens), rest));
}

// ---- many tokens ------------------------------------------------------------

void ProductKernel::manyTokens(Value group, Value firstToken, Value tokens) {
  // Tokens whose sums fit in registers beside the panel's row: 8 of 16 lanes in
  // 32 registers of 64 bytes, 4 where a row of the panel takes 2 or 4.
  const int64_t registerTokens = b.isa().hasAvx512 ? 8 : 4;
  Value panel =
      b.offset(b.scratch(), matrices(spec) * sumTokens(spec) * kSumBytes);
  b.loop(b.i64(0), b.i64(matrices(spec)), b.i64(1), [&](Value matrix) {
    GroupReader weights = reader(matrix, group);
    b.loop(b.i64(0), b.i64(k), b.i64(kChunkColumns), [&](Value column) {
      Value columns = b.min(b.sub(b.i64(k), column), b.i64(kChunkColumns));
      PanelSink sink(b, panel);
      decodeColumns(weights, sink, column, columns, k, 0);
      Value x = b.element(b.binding(0), b.mul(firstToken, b.i64(k)), 4);
      x = b.element(x, column, 4);
      // Rows beyond the last token are padding, of x as of the sums.
      b.loop(b.i64(0), tokens, b.i64(registerTokens), [&](Value token) {
        multiplyPanel(matrix, b.element(x, token, k * 4), columns, token,
                      registerTokens, b.equal(column, b.i64(0)));
      });
    });
  });
  finish(group, firstToken, tokens);
}

void ProductKernel::multiplyPanel(Value matrix, Value x, Value columns,
                                  Value firstToken, int64_t tokens,
                                  Value isFirstChunk) {
  Value panel =
      b.offset(b.scratch(), matrices(spec) * sumTokens(spec) * kSumBytes);
  auto type = b.vec(b.f32(), kRowLanes);
  auto column = [&](KernelBuilder::Values sums, Value at) {
    Value w = b.load(type, b.element(panel, at, kSumBytes), 64);
    Value place = b.element(x, at, 4);
    for (int64_t token = 0; token < tokens; ++token) {
      Value value = b.loadSplat(b.offset(place, token * k * 4), kRowLanes);
      sums[token] = b.fma(w, value, sums[token]);
    }
    return sums;
  };
  constexpr int64_t kUnroll = 4;
  KernelBuilder::Values sums(tokens, b.zero(type));
  Value whole = b.andBits(columns, -kUnroll);
  sums = b.loop(b.i64(0), whole, b.i64(kUnroll), sums,
                [&](Value at, mlir::ValueRange now) {
                  KernelBuilder::Values next(now.begin(), now.end());
                  for (int64_t i = 0; i < kUnroll; ++i) {
                    next = column(next, b.add(at, b.i64(i)));
                  }
                  return next;
                });
  if (k % kUnroll != 0) {
    sums = b.loop(whole, columns, b.i64(1), sums,
                  [&](Value at, mlir::ValueRange now) {
                    return column({now.begin(), now.end()}, at);
                  });
  }
  // A sum of chunks: shorter chains of additions, smaller error.
  for (int64_t token = 0; token < tokens; ++token) {
    Value place = sumsAt(matrix, b.add(firstToken, b.i64(token)));
    Value before =
        b.select(isFirstChunk, b.zero(type), b.load(type, place, 64));
    b.store(b.add(before, sums[token]), place, 64);
  }
}

// ---- epilogue ---------------------------------------------------------------

void ProductKernel::finish(Value group, Value firstToken, Value tokens) {
  b.loop(b.i64(0), tokens, b.i64(1),
         [&](Value row) { finishToken(group, b.add(firstToken, row), row); });
}

void ProductKernel::finishToken(Value group, Value token, Value sumRow) {
  auto vector = b.vec(b.f32(), kRowLanes);
  auto whole = [&] { finishPart(group, token, sumRow, b.i64(0), vector); };
  if (n % kRowLanes == 0) {
    whole();
    return;
  }
  b.ifThenElse(b.less(group, b.i64(n / kRowLanes)), whole, [&] {
    b.loop(b.i64(0), b.i64(n % kRowLanes), b.i64(1), [&](Value lane) {
      finishPart(group, token, sumRow, lane, b.f32());
    });
  });
}

void ProductKernel::finishPart(Value group, Value token, Value sumRow,
                               Value lane, KernelBuilder::Type type) {
  auto sums = [&](int64_t matrix) {
    return b.load(type, b.element(sumsAt(b.i64(matrix), sumRow), lane, 4), 4);
  };
  Value row = b.add(b.mul(group, b.i64(kRowLanes)), lane);
  auto yStride = static_cast<int64_t>(isGlu ? spec.n : spec.yStride);
  auto yOffset = static_cast<int64_t>(isGlu ? 0 : spec.yOffset);
  Value y = b.binding(isGlu ? 3 : spec.hasBias ? 3 : 2);
  y = b.element(y, b.add(b.mul(token, b.i64(yStride)), row), 4);
  y = b.offset(y, yOffset * 4);
  Value value = sums(0);
  if (isGlu) {
    value = b.mul(b.silu(value), sums(1));
  }
  if (spec.hasBias) {
    value = b.add(value, b.load(type, b.element(b.binding(2), row, 4), 4));
  }
  if (spec.accumulate) {
    value = b.add(b.load(type, y, 4), value);
  }
  b.store(value, y, 4);
}

} // namespace

Status describeMatMul(const KernelSpec &spec, const IsaTraits &isa,
                      KernelEntry &entry) {
  auto end = checkedAdd(spec.yOffset, spec.n);
  if (!end || spec.yStride < *end) {
    return internalError("a row of y has " + std::to_string(spec.yStride) +
                         " floats (yStride), but the result fills [" +
                         std::to_string(spec.yOffset) + ", " +
                         std::to_string(spec.yOffset + spec.n) + ")");
  }
  return describeProduct(spec, isa, entry);
}

Status describeGluMatMul(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry) {
  if (spec.hasBias || spec.accumulate || spec.yOffset != 0) {
    return unsupportedError("hasBias, accumulate and yOffset are matmul's");
  }
  return describeProduct(spec, isa, entry);
}

Status emitProduct(KernelBuilder &builder, const KernelSpec &spec) {
  ProductKernel(builder, spec).emit();
  return Status::ok();
}

} // namespace air::codegen
