//===- RowLoops.cpp - loops over one row of floats ------------------------===//
#include "codegen/cpu/rowwise/RowLoops.h"

#include <limits>

namespace air::codegen {

using Type = KernelBuilder::Type;
using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

void rowLoop(KernelBuilder &b, int64_t count,
             llvm::function_ref<void(Type, Value)> body) {
  const int64_t whole = count / kFloatLanes * kFloatLanes;
  if (whole != 0) {
    b.loop(b.i64(0), b.i64(whole), b.i64(kFloatLanes),
           [&](Value i) { body(b.vec(b.f32(), kFloatLanes), i); });
  }
  if (whole != count) {
    b.loop(b.i64(whole), b.i64(count), b.i64(1),
           [&](Value i) { body(b.f32(), i); });
  }
}

Value sumOfSquares(KernelBuilder &b, Value x, int64_t count) {
  // Four independent chains hide the latency of the additions.
  constexpr int64_t kChains = 4;
  constexpr int64_t kStep = kChains * kFloatLanes;
  const Type wide = b.vec(b.f32(), kFloatLanes);
  const auto addSquare = [&](Type type, Value pointer, Value sum) {
    const Value value = b.load(type, pointer, 4);
    return b.fma(value, value, sum);
  };
  int64_t done = count / kStep * kStep;
  Values sums(kChains, b.zero(wide));
  if (done != 0) {
    sums = b.loop(b.i64(0), b.i64(done), b.i64(kStep), sums,
                  [&](Value i, mlir::ValueRange carried) {
                    Values next;
                    const Value at = b.element(x, i, 4);
                    for (int64_t c = 0; c < kChains; ++c) {
                      next.push_back(addSquare(
                          wide, b.offset(at, c * kFloatLanes * 4), carried[c]));
                    }
                    return next;
                  });
  }
  for (int64_t c = 0; done + kFloatLanes <= count; ++c, done += kFloatLanes) {
    sums[c] = addSquare(wide, b.offset(x, done * 4), sums[c]);
  }
  const Value low = b.add(sums[0], sums[1]);
  const Value high = b.add(sums[2], sums[3]);
  Value sum = b.sumLanes(b.add(low, high));
  for (; done < count; ++done) {
    sum = addSquare(b.f32(), b.offset(x, done * 4), sum);
  }
  return sum;
}

void normaliseRow(KernelBuilder &b, Value x, Value weight, Value y,
                  int64_t count, float epsilon) {
  const Value mean =
      b.div(sumOfSquares(b, x, count), b.f32(static_cast<float>(count)));
  // If the mean overflows, the factor is NaN. It would otherwise be 1 /
  // infinity = 0, and the resulting row of zeros would look valid.
  const Value factor =
      b.select(b.less(mean, b.f32(std::numeric_limits<float>::infinity())),
               b.div(b.f32(1.0F), b.sqrt(b.add(mean, b.f32(epsilon)))),
               b.f32(std::numeric_limits<float>::quiet_NaN()));
  const Value factors = b.splat(factor, kFloatLanes);
  rowLoop(b, count, [&](Type type, Value i) {
    const bool isVector = type != b.f32();
    const Value scaled =
        b.mul(b.load(type, b.element(x, i, 4), 4), isVector ? factors : factor);
    const Value weighted =
        b.mul(scaled, b.load(type, b.element(weight, i, 4), 4));
    b.store(weighted, b.element(y, i, 4), 4);
  });
}

} // namespace air::codegen
