//===- AddKernel.cpp - y += x ------------------------------------*- C++
//-*-===//
#include "codegen/cpu/CpuKernels.h"

namespace air::codegen {
namespace {

constexpr int64_t kLanes = 16;

} // namespace

Status describeAdd(const KernelSpec &spec, const IsaTraits &,
                   KernelEntry &entry) {
  if (spec.k == 0) {
    return internalError("add: width k is 0");
  }
  entry.tokensPerTile = 1;
  entry.flopsPerRow = spec.k;
  return Status::ok();
}

Status emitAdd(KernelBuilder &b, const KernelSpec &spec) {
  auto width = static_cast<int64_t>(spec.k);
  int64_t whole = width / kLanes * kLanes;
  auto addAt = [&](KernelBuilder::Type type, KernelBuilder::Value x,
                   KernelBuilder::Value y) {
    b.store(b.add(b.load(type, y, 4), b.load(type, x, 4)), y, 4);
  };
  b.tileLoop([&](KernelBuilder::Value token) {
    KernelBuilder::Value x = b.element(b.binding(0), token, width * 4);
    KernelBuilder::Value y = b.element(b.binding(1), token, width * 4);
    b.loop(b.i64(0), b.i64(whole), b.i64(kLanes), [&](KernelBuilder::Value i) {
      addAt(b.vec(b.f32(), kLanes), b.element(x, i, 4), b.element(y, i, 4));
    });
    b.loop(b.i64(whole), b.i64(width), b.i64(1), [&](KernelBuilder::Value i) {
      addAt(b.f32(), b.element(x, i, 4), b.element(y, i, 4));
    });
  });
  return Status::ok();
}

} // namespace air::codegen
