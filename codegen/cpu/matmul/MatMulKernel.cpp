//===- MatMulKernel.cpp - y = w x for few tokens ----------------*- C++ -*-===//
//
// A group of 16 rows of w is decoded straight into dot products, one pass for
// 1, 2, 4 or 8 tokens. Many tokens go through a panel (Gemm.cpp), but for
// I8x2: decoding is little work beside four tokens' two dot products, so there
// they are passes of four.
//
// GluMatMul is the same with two matrices, whose sums meet in the epilogue.
//
// Scratch: sums [matrix][token of the pass][16] f32.
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
  if (isOfBytes(spec.activation) && !isa.hasByteDot()) {
    return unsupportedError(
        "activations of bytes need products of bytes: the feature 'dotprod'");
  }
  const bool isWide = spec.mClass == MClass::Wide;
  if (spec.activation == Activation::BF16x32) {
    if (!isWide || spec.dtype != DType::BF16) {
      return unsupportedError("activations of bfloat16 are for 9 tokens and "
                              "more of BF16 weights");
    }
    if (!isa.hasBf16Dot) {
      return unsupportedError("activations of bfloat16 need products of it: "
                              "the feature 'avx512bf16'");
    }
  }
  if (isWide ? spec.activation == Activation::F32
             : spec.activation == Activation::F32x16) {
    return unsupportedError("float32 activations are packed for 9 tokens and "
                            "more, and only then");
  }
  AIR_RETURN_IF_ERROR(checkTiles(spec, isa));
  const ProductTiling tiling = productTiling(spec, isa);
  const uint64_t count = spec.op == KernelOp::GluMatMul ? 2 : 1;
  entry.baseTiles = ceilDiv(tiling.groups, tiling.tileGroups);
  entry.tokensPerTile = tiling.tileTokens;
  entry.weightBytes = count * bytes;
  entry.flopsPerRow = count * 2 * spec.n * spec.k;
  const uint64_t sums = usesPanel(spec) ? tiling.tileGroups * tiling.tileTokens
                                        : tiling.passTokens;
  entry.scratchBytes = count * sums * kSumBytes +
                       tiling.groupsTogether * tiling.panelBytes +
                       tiling.dotBytes;
  return Status::ok();
}

class FewTokens : public Product {
public:
  FewTokens(KernelBuilder &builder, const KernelSpec &kernelSpec,
            MClass passClass)
      : Product(builder, kernelSpec), mClass(passClass) {}
  void emit();
  Value allRows() { return rows(); }
  void passes(Value group, Value firstToken, Value lastToken);

private:
  /// Address of the sums of a token of the pass.
  Value sumsAt(Value matrix, Value token) {
    Value row = b.add(
        b.mul(matrix, b.i64(static_cast<int64_t>(tiling.passTokens))), token);
    return b.element(b.scratch(), row, kSumBytes);
  }
  void lastPass(Value group, Value firstToken, Value rest, int64_t tokens);
  void pass(Value group, Value firstToken, int64_t tokens);

  const MClass mClass; ///< as which passes are made
};

void FewTokens::emit() {
  auto base = static_cast<int64_t>(ceilDiv(tiling.groups, tiling.tileGroups));
  auto perTile = static_cast<int64_t>(tiling.tileGroups);
  auto groups = static_cast<int64_t>(tiling.groups);
  b.tileLoop([&](Value tile) {
    Value first = b.mul(b.rem(tile, b.i64(base)), b.i64(perTile));
    Value last = b.min(b.add(first, b.i64(perTile)), b.i64(groups));
    Value token = b.i64(0);
    Value lastToken = rows();
    if (auto most = static_cast<int64_t>(tiling.tileTokens); most != 0) {
      token = b.mul(b.div(tile, b.i64(base)), b.i64(most));
      lastToken = b.min(lastToken, b.add(token, b.i64(most)));
    }
    b.loop(first, last, b.i64(1),
           [&](Value group) { passes(group, token, lastToken); });
  });
}

void FewTokens::passes(Value group, Value firstToken, Value lastToken) {
  const auto most = static_cast<int64_t>(tiling.passTokens);
  b.loop(firstToken, lastToken, b.i64(most), [&](Value token) {
    lastPass(group, token, b.sub(lastToken, token), most);
  });
}

// Half as many tokens where they do; of a rest of three the fourth row is
// padding. Where there are many tokens a rest is not worth much code.
void FewTokens::lastPass(Value group, Value firstToken, Value rest,
                         int64_t tokens) {
  if (tokens ==
      (mClass == MClass::Wide ? static_cast<int64_t>(tiling.passTokens) : 1)) {
    pass(group, firstToken, tokens);
    return;
  }
  b.ifThenElse(
      b.less(b.i64(tokens / 2), rest), [&] { pass(group, firstToken, tokens); },
      [&] { lastPass(group, firstToken, rest, tokens / 2); });
}

void FewTokens::pass(Value group, Value firstToken, int64_t tokens) {
  b.loop(b.i64(0), b.i64(matrices()), b.i64(1), [&](Value matrix) {
    auto multiply = [&](auto &&sink) {
      GroupReader weights = reader(matrix, group);
      if (isGlu) {
        // After a group of the first matrix comes that of the second.
        Value other = b.sub(b.i64(1), matrix);
        weights.goesOnAt(reader(other, b.add(group, matrix)).start());
      }
      // Weights that no other pass decodes push nothing out of the caches.
      if (mClass == MClass::One) {
        weights.isReadOnce();
      }
      decodeRows(weights, sink, k, static_cast<int64_t>(tiling.prefetchBytes));
      for (int64_t token = 0; token < tokens; ++token) {
        b.store(sink.sums()[token], sumsAt(matrix, b.i64(token)), 64);
      }
    };
    Value x = b.binding(0);
    if (isOfBytes(spec.activation)) {
      multiply(ByteDotSink(b, spec.activation, x, k, firstToken, tokens));
    } else {
      multiply(DotSink(b, b.element(x, firstToken, k * 4), k * 4, tokens));
    }
  });
  Value rest = b.min(b.i64(tokens), b.sub(rows(), firstToken));
  b.loop(b.i64(0), rest, b.i64(1), [&](Value row) {
    finishToken(group, b.add(firstToken, row),
                [&](int64_t matrix) { return sumsAt(b.i64(matrix), row); });
  });
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

void emitProduct(KernelBuilder &builder, const KernelSpec &spec) {
  if (usesPanel(spec)) {
    emitWideProduct(builder, spec);
  } else {
    FewTokens(builder, spec, spec.mClass).emit();
  }
}

void emitFewRows(KernelBuilder &builder, const KernelSpec &spec,
                 Value firstGroup, Value lastGroup) {
  FewTokens product(builder, spec, MClass::Small);
  builder.loop(firstGroup, lastGroup, builder.i64(1), [&](Value group) {
    product.passes(group, builder.i64(0), product.allRows());
  });
}

} // namespace air::codegen
