//===- Product.cpp - what the kernels of y = w x share ----------*- C++ -*-===//
#include "codegen/cpu/Product.h"

#include "codegen/cpu/WeightDecoders.h"
#include "codegen/cpu/WidePanel.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air::codegen {

using Value = mlir::Value;

namespace {

/// Tokens of a tile of many: enough uses of a panel to pay for decoding it, and
/// of the weights' trip from memory.
constexpr uint64_t kTileTokens = 128;
/// Activations that each group of a tile reads again from the start: half of a
/// second-level cache of 1 MiB.
constexpr uint64_t kTileActivationBytes = 512 << 10;

/// Groups of a tile: at least `tiles` tiles when the matrix has as many groups,
/// and enough work in each to be worth handing out.
uint64_t tileGroups(uint64_t groups, uint64_t tiles) {
  return std::clamp<uint64_t>(groups / tiles, 1, 16);
}

} // namespace

bool usesPanel(const KernelSpec &spec) {
  return spec.activation == Activation::F32x16 ||
         (spec.activation == Activation::I8 && spec.mClass == MClass::Wide);
}

ProductTiling productTiling(const KernelSpec &spec, const IsaTraits &isa) {
  ProductTiling tiling = {};
  tiling.groups = ceilDiv(spec.n, uint64_t{kRowLanes});
  tiling.passTokens = spec.mClass == MClass::One          ? 1
                      : spec.activation == Activation::I8 ? 8
                                                          : 4;
  tiling.tileGroups = tileGroups(tiling.groups, 64);
  if (usesPanel(spec)) {
    const bool isBytes = spec.activation == Activation::I8;
    const bool isInHalves = std::ranges::count(halfBlockDTypes(), spec.dtype);
    // In 32 registers of 16 sums: of floats 16 sums; of bytes 12 sums and as
    // many totals, or 6 of each where the sums of two halves meet.
    tiling.groupsTogether = !isa.hasAvx512 ? 1 : isBytes ? 3 : 2;
    tiling.tokensTogether = !isa.hasAvx512 ? 4
                            : !isBytes     ? 8
                            : isInHalves   ? 2
                                           : 4;
    // Several tiles of tokens share the work with those of groups.
    tiling.tileGroups =
        ceilDiv(tileGroups(tiling.groups, 32), tiling.groupsTogether) *
        tiling.groupsTogether;
    tiling.tileTokens = kTileTokens;
    tiling.panelColumns = isBytes ? kBytePanelColumns : kChunkColumns;
    const uint64_t panelTokenBytes =
        4 * activationWords(spec.activation, tiling.panelColumns);
    tiling.tileColumns = kTileActivationBytes / kTileTokens / panelTokenBytes *
                         tiling.panelColumns;
    tiling.panelBytes =
        isBytes ? tiling.panelColumns / kActivationColumns *
                      static_cast<uint64_t>(kPanelBlockBytes)
                : tiling.panelColumns * static_cast<uint64_t>(kSumBytes);
  } else if (spec.mClass == MClass::Wide) {
    const uint64_t tokenBytes = 4 * activationWords(spec.activation, spec.k);
    tiling.tileTokens =
        std::clamp<uint64_t>(kTileActivationBytes / tokenBytes,
                             4 * tiling.passTokens, kTileTokens) /
        tiling.passTokens * tiling.passTokens;
  }
  return tiling;
}

Product::Product(KernelBuilder &builder, const KernelSpec &kernelSpec)
    : b(builder), spec(kernelSpec),
      tiling(productTiling(kernelSpec, builder.isa())),
      isGlu(spec.op == KernelOp::GluMatMul), n(static_cast<int64_t>(spec.n)),
      k(static_cast<int64_t>(spec.k)) {}

Value Product::rows() {
  return spec.rowsFrom == RowsFrom::Tokens ? b.tokens() : b.outputs();
}

GroupReader Product::reader(Value matrix, Value group) {
  Value start = b.binding(1);
  if (isGlu) {
    start = b.select(b.equal(matrix, b.i64(0)), start, b.binding(2));
  }
  return {b, spec.dtype, spec.layout, n, k, start, group};
}

void Product::finishToken(Value group, Value token,
                          llvm::function_ref<Value(int64_t)> sumsOf) {
  auto vector = b.vec(b.f32(), kRowLanes);
  auto whole = [&] { finishPart(group, token, b.i64(0), vector, sumsOf); };
  if (n % kRowLanes == 0) {
    whole();
    return;
  }
  b.ifThenElse(b.less(group, b.i64(n / kRowLanes)), whole, [&] {
    b.loop(b.i64(0), b.i64(n % kRowLanes), b.i64(1), [&](Value lane) {
      finishPart(group, token, lane, b.f32(), sumsOf);
    });
  });
}

void Product::finishPart(Value group, Value token, Value lane,
                         KernelBuilder::Type type,
                         llvm::function_ref<Value(int64_t)> sumsOf) {
  auto sums = [&](int64_t matrix) {
    return b.load(type, b.element(sumsOf(matrix), lane, 4), 4);
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

} // namespace air::codegen
