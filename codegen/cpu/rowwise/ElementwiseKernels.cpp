//===- ElementwiseKernels.cpp - y += x, y = silu(gate) * up ---------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/rowwise/RowLoops.h"

namespace air::codegen {

using Type = KernelBuilder::Type;
using Value = KernelBuilder::Value;

Status describeAdd(const KernelSpec &spec, const IsaTraits &,
                   KernelEntry &entry) {
  if (spec.k == 0) {
    return internalError(
        "the width k of the rows to add is 0; it must be at least 1");
  }
  entry.tokensPerTile = 1;
  entry.flopsPerRow = spec.k;
  return Status::ok();
}

void emitAdd(KernelBuilder &b, const KernelSpec &spec) {
  const auto width = static_cast<int64_t>(spec.k);
  b.tileLoop([&](Value token) {
    const Value x = b.element(b.binding(0), token, width * 4);
    const Value y = b.element(b.binding(1), token, width * 4);
    rowLoop(b, width, [&](Type type, Value i) {
      const Value target = b.element(y, i, 4);
      const Value addend = b.load(type, b.element(x, i, 4), 4);
      b.store(b.add(b.load(type, target, 4), addend), target, 4);
    });
  });
}

Status describeSiluMul(const KernelSpec &spec, const IsaTraits &,
                       KernelEntry &entry) {
  if (spec.k == 0) {
    return internalError(
        "the width k of the rows of gate and up is 0; it must be at least 1");
  }
  entry.tokensPerTile = 1;
  // e^x takes about 20 operations, and the rest of silu(gate) * up takes 4.
  entry.flopsPerRow = spec.k * 24;
  return Status::ok();
}

void emitSiluMul(KernelBuilder &b, const KernelSpec &spec) {
  const auto width = static_cast<int64_t>(spec.k);
  b.tileLoop([&](Value token) {
    const Value gate = b.element(b.binding(0), token, width * 4);
    const Value up = b.element(b.binding(1), token, width * 4);
    const Value y = b.element(b.binding(2), token, width * 4);
    rowLoop(b, width, [&](Type type, Value i) {
      const Value gated = b.silu(b.load(type, b.element(gate, i, 4), 4));
      const Value product = b.mul(gated, b.load(type, b.element(up, i, 4), 4));
      b.store(product, b.element(y, i, 4), 4);
    });
  });
}

} // namespace air::codegen
