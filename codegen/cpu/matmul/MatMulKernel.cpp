//===- MatMulKernel.cpp - y = w x for small M, and descriptions -*- C++ -*-===//
//
// GEMV: a row block of w is decoded straight into dot products, in passes of 1,
// 2, 4 or 8 tokens. Large-M kernels use panels (Gemm.cpp) instead, unless the
// activations are I8x2. With I8x2, decoding costs little compared with the two
// dot products, so large-M kernels use GEMV in passes of four tokens.
//
// GluMatMul does this with two matrices and combines their sums in the
// epilogue. With few tokens, a run of row blocks of the first matrix is
// followed by the same run of the second one, so that memory is read in long
// streams. If the matrices are joined, a row block of the first one is followed
// by that of the second one, because they follow each other in memory.
//
// Scratch holds the sums as f32 [matrix][row block of the run][token of the
// run][16].
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/Int8DotSink.h"
#include "codegen/cpu/matmul/MatMulEmitter.h"
#include "formats/support/CheckedMath.h"

namespace air::codegen {

using mlir::Value;

namespace {

/// Whether matrices of this dtype can be multiplied in format BF16x32, if the
/// target has bfloat16 dot products.
bool takesBf16(DType dtype, const IsaTraits &isa) {
  return dtype == DType::BF16 ||
         (isa.hasAmxBf16 && std::ranges::count(int8DTypes(), dtype) != 0);
}

Status describeShape(const KernelSpec &spec, const IsaTraits &isa,
                     KernelEntry &entry) {
  auto refuse = [](const std::string &what) { return internalError(what); };
  if (spec.n == 0 || spec.k == 0) {
    return refuse("the weight matrix has " + std::to_string(spec.n) +
                  " rows and " + std::to_string(spec.k) +
                  " columns; both must be at least 1");
  }
  const uint64_t count = spec.op == KernelOp::GluMatMul ? 2 : 1;
  // The number of matrices whose columns are in one row of the weights.
  const uint64_t inRow = spec.isJoined ? count : 1;
  AIR_ASSIGN_OR_RETURN(uint64_t bytes,
                       layoutBytes(spec.dtype, spec.layout, spec.n, spec.k));
  AIR_ASSIGN_OR_RETURN(uint64_t oneRow, rowBytes(spec.dtype, spec.k));
  if (oneRow > RowBlockReader::kMaxRowBytes / inRow) {
    return unsupportedError(
        "a row of the weight matrix takes " + std::to_string(oneRow) +
        " bytes; at most " +
        std::to_string(RowBlockReader::kMaxRowBytes / inRow) +
        " are supported");
  }
  if (isInt8(spec.activation) && !isa.hasByteDot()) {
    return unsupportedError(
        "int8 activations need byte dot products, but the target lacks the "
        "feature 'dotprod'; use the format f32 for activations");
  }
  const bool isLarge = spec.mClass == MClass::Large;
  if (spec.activation == Activation::BF16x32) {
    if (!isLarge || !takesBf16(spec.dtype, isa)) {
      return unsupportedError(
          "bfloat16 activations are supported only for batches of 9 or more "
          "tokens and with BF16 weights or, on targets with the feature "
          "'amx-bf16', quantised weights");
    }
    if (!isa.hasBf16Dot) {
      return unsupportedError(
          "bfloat16 activations need bfloat16 dot products, but the target "
          "lacks the feature 'avx512bf16'; use the format f32 for activations");
    }
  }
  if (isLarge ? spec.activation == Activation::F32
              : spec.activation == Activation::F32x16) {
    return unsupportedError(
        "float32 activations must be packed for batches of 9 or more tokens "
        "and unpacked for smaller batches");
  }
  AIR_RETURN_IF_ERROR(checkTiles(spec, isa));
  const MatMulTiling tiling = matMulTiling(spec, isa);
  entry.baseTiles = ceilDiv(tiling.rowBlocks, tiling.tileRowBlocks);
  entry.tokensPerTile = tiling.tileTokens;
  entry.rowsPerTile = tiling.tileRowBlocks * kRowLanes;
  entry.weightBytes = count * bytes;
  entry.flopsPerRow = count * 2 * spec.n * spec.k;
  const uint64_t sums = usesPanel(spec)
                            ? tiling.tileRowBlocks * tiling.tileTokens
                            : tiling.runRowBlocks * tiling.runTokens;
  entry.scratchBytes = count * sums * kSumBytes +
                       tiling.microRowBlocks * tiling.panelBytes +
                       tiling.dotBytes;
  return Status::ok();
}

class GemvEmitter : public MatMulEmitter {
public:
  /// `leastTokens`, a power of two, is the smallest number of tokens for which
  /// code of a pass over a row block is emitted. If fewer tokens are left for
  /// the last pass, it also multiplies padding rows.
  GemvEmitter(KernelBuilder &builder, const KernelSpec &kernelSpec,
              int64_t leastTokens)
      : MatMulEmitter(builder, kernelSpec), leastPass(leastTokens) {}
  void emit();
  Value allRows() { return rows(); }
  /// Multiplies row blocks [first, last), at most runRowBlocks of them, by
  /// tokens [firstToken, lastToken).
  void run(Value first, Value last, Value firstToken, Value lastToken);

private:
  /// A run: row blocks [first, last) and up to runTokens tokens from `token`
  /// on. Scratch holds the sums of all of them at the same time.
  struct Run {
    Value first;
    Value last;
    Value token;
  };

  /// The address in scratch of the dot products of a matrix's row block with
  /// token `token` (16 lanes of f32).
  Value sumsAt(const Run &run, Value matrix, Value rowBlock, Value token) {
    Value row = b.add(b.mul(matrix, b.i64(count(tiling.runRowBlocks))),
                      b.sub(rowBlock, run.first));
    row = b.add(b.mul(row, b.i64(count(tiling.runTokens))),
                b.sub(token, run.token));
    return b.element(b.scratch(), row, kSumBytes);
  }
  void lastPass(const Run &run, Value matrix, Value rowBlock, Value firstToken,
                Value rest, int64_t tokens);
  void pass(const Run &run, Value matrix, Value rowBlock, Value firstToken,
            int64_t tokens);
  static int64_t count(uint64_t number) { return static_cast<int64_t>(number); }

  const int64_t leastPass;
};

void GemvEmitter::emit() {
  auto base = count(ceilDiv(tiling.rowBlocks, tiling.tileRowBlocks));
  auto perTile = count(tiling.tileRowBlocks);
  auto rowBlocks = count(tiling.rowBlocks);
  auto eachRun = [&](Value first, Value last, Value token, Value lastToken) {
    const int64_t together = count(tiling.runRowBlocks);
    b.loop(first, last, b.i64(together), [&](Value begin) {
      Value end = b.min(last, b.add(begin, b.i64(together)));
      run(begin, end, token, lastToken);
    });
  };
  if (tiling.tileTokens == 0) {
    // Every tile has all tokens, so the tiles of a call are a contiguous range
    // of row blocks.
    eachRun(b.mul(b.tileBegin(), b.i64(perTile)),
            b.min(b.mul(b.tileEnd(), b.i64(perTile)), b.i64(rowBlocks)),
            b.i64(0), rows());
    return;
  }
  b.tileLoop([&](Value tile) {
    Value first = b.mul(b.rem(tile, b.i64(base)), b.i64(perTile));
    Value last = b.min(b.add(first, b.i64(perTile)), b.i64(rowBlocks));
    const int64_t most = count(tiling.tileTokens);
    Value token = b.mul(b.div(tile, b.i64(base)), b.i64(most));
    eachRun(first, last, token, b.min(rows(), b.add(token, b.i64(most))));
  });
}

void GemvEmitter::run(Value first, Value last, Value firstToken,
                      Value lastToken) {
  const int64_t together = count(tiling.runTokens);
  const int64_t most = count(tiling.passTokens);
  b.loop(firstToken, lastToken, b.i64(together), [&](Value token) {
    const Run now = {first, last, token};
    Value end = b.min(lastToken, b.add(token, b.i64(together)));
    b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
      b.loop(first, last, b.i64(1), [&](Value rowBlock) {
        b.loop(token, end, b.i64(most), [&](Value start) {
          lastPass(now, matrix, rowBlock, start, b.sub(end, start), most);
        });
      });
    });
    b.loop(first, last, b.i64(1), [&](Value rowBlock) {
      b.loop(token, end, b.i64(1), [&](Value row) {
        finishToken(rowBlock, row, [&](int64_t matrix) {
          return sumsAt(now, b.i64(matrix), rowBlock, row);
        });
      });
    });
  });
}

// Emits code that makes one pass over a row block, for the tokens from
// `firstToken` on, of which `rest` are left. The code has variants for passes
// of `tokens`, `tokens` / 2 and so on, down to leastPass tokens. At run time,
// it takes the smallest variant that covers all the tokens that are left or, if
// none does, the one for `tokens`. If there are variants for 8, 4, 2 and 1
// tokens and three tokens are left, for example, it takes the one for four
// tokens, which also reads a padding row.
void GemvEmitter::lastPass(const Run &run, Value matrix, Value rowBlock,
                           Value firstToken, Value rest, int64_t tokens) {
  if (tokens <= leastPass) {
    pass(run, matrix, rowBlock, firstToken, tokens);
    return;
  }
  b.ifThenElse(
      b.less(b.i64(tokens / 2), rest),
      [&] { pass(run, matrix, rowBlock, firstToken, tokens); },
      [&] { lastPass(run, matrix, rowBlock, firstToken, rest, tokens / 2); });
}

void GemvEmitter::pass(const Run &run, Value matrix, Value rowBlock,
                       Value firstToken, int64_t tokens) {
  auto multiply = [&](auto &&sink) {
    RowBlockReader weights = reader(matrix, rowBlock);
    weights.readsInOrder();
    if (isGlu && !spec.isJoined) {
      // The kernel reads all row blocks of a run in the first matrix, then the
      // same row blocks in the second matrix, and then those of the next run in
      // the first matrix.
      Value next = b.add(rowBlock, b.i64(1));
      Value isFirst = b.equal(matrix, b.i64(0));
      Value other =
          reader(b.sub(b.i64(1), matrix), b.select(isFirst, run.first, next))
              .start();
      weights.continuesAt(b.select(b.less(next, run.last),
                                   reader(matrix, next).start(), other));
    }
    weights.prefetchWith(tiling.prefetch.hint);
    decodeRows(weights, sink, k, count(tiling.prefetch.bytes));
    for (int64_t token = 0; token < tokens; ++token) {
      Value at = b.add(firstToken, b.i64(token));
      b.store(sink.sums()[token], sumsAt(run, matrix, rowBlock, at), 64);
    }
  };
  Value x = b.binding(0);
  if (isInt8(spec.activation)) {
    multiply(Int8DotSink(b, spec.activation, x, k, firstToken, tokens));
  } else {
    multiply(DotSink(b, b.element(x, firstToken, k * 4), k * 4, tokens));
  }
}

} // namespace

Status describeMatMul(const KernelSpec &spec, const IsaTraits &isa,
                      KernelEntry &entry) {
  if (spec.isJoined) {
    return internalError("a matmul has one matrix, so isJoined must not be "
                         "set; only a matmul for gated activations has it");
  }
  auto end = checkedAdd(spec.yOffset, spec.n);
  if (!end || spec.yStride < *end) {
    return internalError(
        "a row of the result y has " + std::to_string(spec.yStride) +
        " floats (yStride), but the matmul writes " + std::to_string(spec.n) +
        " floats from float " + std::to_string(spec.yOffset) + " on");
  }
  return describeShape(spec, isa, entry);
}

Status describeGluMatMul(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry) {
  if (spec.hasBias || spec.accumulate || spec.yOffset != 0) {
    return unsupportedError(
        "a matmul for gated activations supports none of hasBias, accumulate "
        "and yOffset; only a plain matmul supports them");
  }
  return describeShape(spec, isa, entry);
}

void emitMatMul(KernelBuilder &builder, const KernelSpec &spec) {
  if (usesPanel(spec)) {
    emitGemm(builder, spec);
  } else {
    // A large-M kernel runs many passes per row block, so a narrower last pass
    // would save little, and all passes have the same width.
    constexpr int64_t kAnyTokens = 8;
    GemvEmitter(builder, spec, spec.mClass == MClass::Large ? kAnyTokens : 1)
        .emit();
  }
}

void emitGemvRows(KernelBuilder &builder, const KernelSpec &spec,
                  Value firstRowBlock, Value lastRowBlock) {
  // If the rows of x are outputs, there may be only one, so the last pass may
  // have a single row. If they are tokens, there are at least nine rows, so
  // padding the last pass to four rows costs little.
  const bool isOfOutputs = spec.rowsFrom == RowsFrom::Outputs;
  GemvEmitter product(builder, spec, isOfOutputs ? 1 : 4);
  builder.loop(firstRowBlock, lastRowBlock, builder.i64(1),
               [&](Value rowBlock) {
                 product.run(rowBlock, builder.add(rowBlock, builder.i64(1)),
                             builder.i64(0), product.allRows());
               });
}

} // namespace air::codegen
