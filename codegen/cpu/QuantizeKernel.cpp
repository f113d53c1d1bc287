//===- QuantizeKernel.cpp - activations for byte dot products -------------===//
//
// The format: codegen/KernelSpec.h, I8x2. A block is two vectors of 16.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"

#include <array>
#include <cstddef>
#include <limits>

namespace air::codegen {

using Value = KernelBuilder::Value;

namespace {

constexpr int64_t kHalf = kActivationColumns / 2;
constexpr double kLargest = 16256.0; ///< 127 * 128
constexpr int64_t kInfinityBits = 0x7F800000;
/// Below it 16256 / m would leave float32.
constexpr double kSmallest = 0x1p-100;

void quantizeBlock(KernelBuilder &b, Value x, Value block) {
  auto floats = b.vec(b.f32(), kHalf);
  auto integers = b.vec(b.i32(), kHalf);
  std::array<Value, 2> values;
  std::array<Value, 2> magnitudes;
  for (int64_t half = 0; half < 2; ++half) {
    values[half] = b.load(floats, b.offset(x, half * kHalf * 4), 4);
    magnitudes[half] =
        b.andBits(b.bitcast(values[half], b.i32()), int64_t{0x7FFFFFFF});
  }
  // As integers the magnitudes of floats keep their order, and NaN is largest.
  Value bits = b.maxLanes(b.max(magnitudes[0], magnitudes[1]));
  Value largest = b.bitcast(bits, b.f32());
  Value isFinite = b.less(bits, b.i32(kInfinityBits));
  Value isTiny = b.less(largest, b.f32(static_cast<float>(kSmallest)));
  Value scale = b.div(largest, b.f32(kLargest));
  Value inverse = b.div(b.f32(kLargest), largest);
  scale = b.select(isTiny, b.f32(0.0F), scale);
  inverse = b.select(isTiny, b.f32(0.0F), inverse);
  scale =
      b.select(isFinite, scale, b.f32(std::numeric_limits<float>::quiet_NaN()));
  Value factor = b.splat(inverse, kHalf);

  std::array<Value, 2> sums;
  for (int64_t half = 0; half < 2; ++half) {
    // Adding 1.5 * 2^23 rounds, and leaves the integer in the low bits; unlike
    // a conversion it has a result for every input.
    Value shifted = b.fma(values[half], factor, b.constant(floats, 12582912.0));
    Value q = b.sub(b.bitcast(shifted, b.i32()),
                    b.constant(integers, int64_t{0x4B400000}));
    Value high =
        b.shiftRightSigned(b.add(q, b.constant(integers, int64_t{64})), 7);
    Value low = b.sub(q, b.shiftLeft(high, 7));
    auto store = [&](Value bytes, size_t field) {
      b.store(b.truncate(bytes, b.i8()),
              b.offset(block, static_cast<int64_t>(field) + half * kHalf), 4);
    };
    store(high, offsetof(ActivationBlock, high));
    store(low, offsetof(ActivationBlock, low));
    sums[half] = b.sumLanes(q);
  }
  auto store = [&](Value word, size_t field, int64_t index) {
    b.store(word, b.offset(block, static_cast<int64_t>(field) + 4 * index), 4);
  };
  store(scale, offsetof(ActivationBlock, scale), 0);
  const std::array<Value, 3> all = {sums[0], sums[1], b.add(sums[0], sums[1])};
  for (int64_t i = 0; i < 3; ++i) {
    store(b.negate(all[i]), offsetof(ActivationBlock, negatedSums), i);
    store(b.mul(scale, b.signedToFloat(all[i], b.f32())),
          offsetof(ActivationBlock, scaledSums), i);
  }
  store(b.i32(0), offsetof(ActivationBlock, zero), 0);
}

} // namespace

Status describeQuantizeActivations(const KernelSpec &spec, const IsaTraits &,
                                   KernelEntry &entry) {
  if (spec.k == 0 || spec.k % kActivationColumns != 0) {
    return internalError("width k " + std::to_string(spec.k) +
                         " is no multiple of " +
                         std::to_string(kActivationColumns));
  }
  entry.tokensPerTile = 1;
  entry.flopsPerRow = spec.k * 4;
  return Status::ok();
}

Status emitQuantizeActivations(KernelBuilder &b, const KernelSpec &spec) {
  constexpr int64_t kColumns = kActivationColumns;
  constexpr int64_t kBytes = sizeof(ActivationBlock);
  const auto blocks = static_cast<int64_t>(spec.k / kActivationColumns);
  b.tileLoop([&](Value row) {
    Value x = b.element(b.binding(0), row, blocks * kColumns * 4);
    Value xq = b.element(b.binding(1), row, blocks * kBytes);
    b.loop(b.i64(0), b.i64(blocks), b.i64(1), [&](Value i) {
      quantizeBlock(b, b.element(x, i, kColumns * 4), b.element(xq, i, kBytes));
    });
  });
  return Status::ok();
}

} // namespace air::codegen
