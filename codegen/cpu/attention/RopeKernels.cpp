//===- RopeKernels.cpp - rope angles; QK-norm, RoPE and the KV append -----===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/attention/KvPages.h"
#include "codegen/cpu/rowwise/RowLoops.h"

#include <algorithm>
#include <limits>
#include <numbers>

namespace air::codegen {
namespace {

using Type = KernelBuilder::Type;
using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

struct SineAndCosine {
  Value sine;
  Value cosine;
};

// Computes sin and cos of any x in [0, 2^51] in f64, with an absolute error
// below 1e-13.
//
// Let n be x * 2/pi, rounded to an integer, and x = n * pi/2 + r. Adding
// 1.5 * 2^52 to x * 2/pi leaves n in the low bits of the sum, since the sum is
// below 2^53. |r| is at most about pi/4 for small x. For large x, n may be off
// by one because 2/pi is rounded, but |r| is still below 1. Two FMAs subtract
// n * pi/2 from x, with pi/2 split into two parts so that the rounding of
// n * pi/2 does not matter (Cody and Waite, "Software Manual for the Elementary
// Functions", 1980). Taylor polynomials of degree 15 and 14 approximate sin r
// and cos r, and n mod 4 selects between them and determines the signs.
SineAndCosine sineAndCosine(KernelBuilder &b, Value x) {
  const Type type = x.getType();
  const Type bits = KernelBuilder::withElement(type, b.i64());
  const auto number = [&](double value) { return b.constant(type, value); };
  constexpr double kRound = 6755399441055744.0;
  constexpr double kHalfPi = std::numbers::pi / 2;
  constexpr double kHalfPiRest = 6.123233995736766e-17;
  const Value shifted = b.fma(x, number(2 / std::numbers::pi), number(kRound));
  const Value n = b.sub(shifted, number(kRound));
  Value r = b.fma(n, number(-kHalfPi), x);
  r = b.fma(n, number(-kHalfPiRest), r);
  const Value square = b.mul(r, r);
  // Horner's rule evaluates the Taylor series of sin r / r and of cos r, last
  // term first. Step k replaces the value s by 1 - r^2 / (k (k + 1)) * s.
  Value sine = number(1.0);
  for (int k = 14; k >= 2; k -= 2) {
    sine =
        b.fma(b.mul(square, number(-1.0 / (k * (k + 1)))), sine, number(1.0));
  }
  sine = b.mul(sine, r);
  Value cosine = number(1.0);
  for (int k = 13; k >= 1; k -= 2) {
    cosine =
        b.fma(b.mul(square, number(-1.0 / (k * (k + 1)))), cosine, number(1.0));
  }
  const Value quadrant = b.bitcast(shifted, b.i64());
  const Value zero = b.zero(bits);
  const Value swapped = b.notEqual(b.andBits(quadrant, int64_t{1}), zero);
  const Value sineNegative = b.notEqual(b.andBits(quadrant, int64_t{2}), zero);
  const Value cosineNegative = b.notEqual(
      b.andBits(b.add(quadrant, b.constant(bits, int64_t{1})), int64_t{2}),
      zero);
  const auto signedBy = [&](Value negative, Value magnitude) {
    return b.select(negative, b.negate(magnitude), magnitude);
  };
  return {signedBy(sineNegative, b.select(swapped, cosine, sine)),
          signedBy(cosineNegative, b.select(swapped, sine, cosine))};
}

// The largest power of two that exceeds neither 16 nor `left`.
int64_t lanesFor(int64_t left) {
  int64_t lanes = kFloatLanes;
  while (lanes > left) {
    lanes /= 2;
  }
  return lanes;
}

// Rotates the first ropeDim floats at `head` in place. `angles` points at the
// token's cosines, followed by its sines.
void rotateHead(KernelBuilder &b, const KernelSpec &spec, Value head,
                Value angles) {
  const auto half = static_cast<int64_t>(spec.ropeDim / 2);
  int64_t lanes = 0;
  for (int64_t i = 0; i < half; i += lanes) {
    lanes = lanesFor(half - i);
    const Type type = b.vec(b.f32(), lanes);
    const Value cosine = b.load(type, b.offset(angles, i * 4), 4);
    const Value sine = b.load(type, b.offset(angles, (half + i) * 4), 4);
    const auto rotate = [&](Value a, Value c) {
      return std::pair(b.fma(a, cosine, b.negate(b.mul(c, sine))),
                       b.fma(a, sine, b.mul(c, cosine)));
    };
    if (spec.rope == RopeKind::Neox) {
      const Value first = b.offset(head, i * 4);
      const Value second = b.offset(head, (half + i) * 4);
      const auto [low, high] =
          rotate(b.load(type, first, 4), b.load(type, second, 4));
      b.store(low, first, 4);
      b.store(high, second, 4);
      continue;
    }
    llvm::SmallVector<int64_t> even;
    llvm::SmallVector<int64_t> odd;
    llvm::SmallVector<int64_t> woven;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      even.push_back(2 * lane);
      odd.push_back(2 * lane + 1);
      woven.push_back(lane);
      woven.push_back(lanes + lane);
    }
    const Value place = b.offset(head, 2 * i * 4);
    const Value pairs = b.load(b.vec(b.f32(), 2 * lanes), place, 4);
    const auto [low, high] =
        rotate(b.shuffle(pairs, pairs, even), b.shuffle(pairs, pairs, odd));
    b.store(b.shuffle(low, high, woven), place, 4);
  }
}

/// The smallest magnitude that rounds to infinity in float16.
constexpr double kHalfOverflow = 65520;

/// The number of tokens per tile of RopeAppend, as KernelSpec.h specifies it.
constexpr int64_t kTileTokens = 4;

/// Emits one tile of RopeAppend.
class AppendWriter {
public:
  AppendWriter(KernelBuilder &b, const KernelSpec &spec)
      : b(b), spec(spec), shape(spec) {}

  void write(Value tile);

private:
  void rotate(Value token);
  void append(Value token, Value head);
  void normAndRotate(Value row, Value angles, int64_t firstHead, int64_t heads,
                     unsigned normBinding);
  Value rowOf(Value token) {
    const uint64_t width = (spec.heads + 2 * spec.kvHeads) * spec.headDim;
    return b.element(b.binding(0), token, static_cast<int64_t>(width) * 4);
  }
  void appendKey(Value source, Value target);
  void appendValue(Value source, Value target);
  // Loads `lanes` elements and converts them to the KV cache's dtype. Values
  // that overflow become NaN, which always reaches the result. An infinity
  // might not: it could give its key the weight 0, as if the key were absent.
  Value converted(Value source, int64_t lanes) {
    const Type type = b.vec(b.f32(), lanes);
    const Value value = b.load(type, source, 4);
    const Value magnitude = b.bitcast(
        b.andBits(b.bitcast(value, b.i32()), int64_t{0x7fffffff}), b.f32());
    const bool isHalf = shape.elementBytes == 2;
    const double end =
        isHalf ? kHalfOverflow : std::numeric_limits<double>::infinity();
    const Value finite =
        b.select(b.less(magnitude, b.constant(type, end)), value,
                 b.constant(type, std::numeric_limits<double>::quiet_NaN()));
    return isHalf ? b.floatTruncate(finite, b.f16()) : finite;
  }
  // Calls body(first element, lanes) until all elements of a head are covered:
  // whole vectors first, then single elements.
  void forElements(llvm::function_ref<void(Value, int64_t)> body) {
    constexpr int64_t kVector = KvShape::kVector;
    const int64_t whole = shape.headDim / kVector * kVector;
    b.loop(b.i64(0), b.i64(whole), b.i64(kVector),
           [&](Value i) { body(i, kVector); });
    if (whole != shape.headDim) {
      b.loop(b.i64(whole), b.i64(shape.headDim), b.i64(1),
             [&](Value i) { body(i, 1); });
    }
  }

  KernelBuilder &b;
  const KernelSpec &spec;
  KvShape shape;
};

void AppendWriter::normAndRotate(Value row, Value angles, int64_t firstHead,
                                 int64_t heads, unsigned normBinding) {
  const int64_t headBytes = shape.headDim * 4;
  b.loop(b.i64(0), b.i64(heads), b.i64(1), [&](Value index) {
    const Value head =
        b.element(b.offset(row, firstHead * headBytes), index, headBytes);
    if (spec.qkNorm) {
      normaliseRow(b, head, b.binding(normBinding), head, shape.headDim,
                   spec.epsilon);
    }
    if (spec.rope != RopeKind::None) {
      rotateHead(b, spec, head, angles);
    }
  });
}

// K is stored transposed: consecutive elements of a key are shape.keyRowBytes
// apart.
void AppendWriter::appendKey(Value source, Value target) {
  forElements([&](Value i, int64_t lanes) {
    const Value values = converted(b.element(source, i, 4), lanes);
    const Value column = b.element(target, i, shape.keyRowBytes);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      b.store(b.extract(values, lane),
              b.offset(column, lane * shape.keyRowBytes),
              static_cast<unsigned>(shape.elementBytes));
    }
  });
}

void AppendWriter::appendValue(Value source, Value target) {
  forElements([&](Value i, int64_t lanes) {
    b.store(converted(b.element(source, i, 4), lanes),
            b.element(target, i, shape.elementBytes),
            shape.valueAlignment(lanes));
  });
}

void AppendWriter::rotate(Value token) {
  const auto heads = static_cast<int64_t>(spec.heads);
  const Value angles =
      b.element(b.binding(1), token, static_cast<int64_t>(spec.ropeDim) * 4);
  normAndRotate(rowOf(token), angles, 0, heads, 2);
  // Keys are rotated in place, in the buffer qkv, before they are copied to the
  // KV cache. They may be overwritten because nothing else reads them from qkv.
  normAndRotate(rowOf(token), angles, heads, static_cast<int64_t>(spec.kvHeads),
                3);
}

void AppendWriter::append(Value token, Value head) {
  const auto kvHeads = static_cast<int64_t>(spec.kvHeads);
  const int64_t headBytes = shape.headDim * 4;
  const Value kv = b.binding(spec.qkNorm ? 4 : 2);
  const Value position = b.loadU32(b.element(b.positions(), token, 4));
  const Value sequence = b.loadU32(b.element(b.sequences(), token, 4));
  const Value page = b.div(position, b.i64(AIR_KV_PAGE_TOKENS));
  const Value slot = b.rem(position, b.i64(AIR_KV_PAGE_TOKENS));
  const Value keys = kvHead(b, shape, kv, sequence, page, head);
  const Value values = b.offset(keys, shape.valuesOffset);
  const Value key = b.element(
      b.offset(rowOf(token), static_cast<int64_t>(spec.heads) * headBytes),
      head, headBytes);
  appendKey(key, b.element(keys, slot, shape.elementBytes));
  appendValue(b.offset(key, kvHeads * headBytes),
              b.element(values, slot, shape.valueRowBytes));
}

// Proceeds head by head, so that the cache lines of a head's K, which all
// tokens of the tile write, stay in L1.
void AppendWriter::write(Value tile) {
  const Value first = b.mul(tile, b.i64(kTileTokens));
  const Value end = b.min(b.add(first, b.i64(kTileTokens)), b.tokens());
  b.loop(first, end, b.i64(1), [&](Value token) { rotate(token); });
  b.loop(b.i64(0), b.i64(static_cast<int64_t>(spec.kvHeads)), b.i64(1),
         [&](Value head) {
           b.loop(first, end, b.i64(1),
                  [&](Value token) { append(token, head); });
         });
}

Status checkRope(const KernelSpec &spec) {
  if (spec.ropeDim % 2 != 0) {
    return internalError(
        "ropeDim, the number of rotated elements of a head, is " +
        std::to_string(spec.ropeDim) + "; it must be even");
  }
  return Status::ok();
}

} // namespace

Status describeRopeAngles(const KernelSpec &spec, const IsaTraits &,
                          KernelEntry &entry) {
  if (spec.ropeDim == 0) {
    return internalError("ropeDim, the number of rotated elements of a head, "
                         "is 0; it must be at least 1");
  }
  AIR_RETURN_IF_ERROR(checkRope(spec));
  entry.tokensPerTile = 1;
  entry.weightBytes = spec.ropeDim / 2 * 8;
  entry.flopsPerRow = spec.ropeDim / 2 * 50; // about 50 operations per angle
  return Status::ok();
}

void emitRopeAngles(KernelBuilder &b, const KernelSpec &spec) {
  const auto half = static_cast<int64_t>(spec.ropeDim / 2);
  constexpr int64_t kLanes = 8;
  const int64_t whole = half / kLanes * kLanes;
  b.tileLoop([&](Value token) {
    const Value angles = b.element(b.binding(1), token, half * 8);
    const Value position = b.signedToFloat(
        b.loadU32(b.element(b.ropePositions(), token, 4)), b.f64());
    const auto writeAt = [&](Type type, Value times, Value i) {
      const Value frequency = b.load(type, b.element(b.binding(0), i, 8), 8);
      SineAndCosine both = sineAndCosine(b, b.mul(times, frequency));
      if (spec.scale != 1.0F) {
        const Value scale = b.constant(type, double(spec.scale));
        both = {b.mul(both.sine, scale), b.mul(both.cosine, scale)};
      }
      const Value cosines = b.element(angles, i, 4);
      b.store(b.floatTruncate(both.cosine, b.f32()), cosines, 4);
      b.store(b.floatTruncate(both.sine, b.f32()), b.offset(cosines, half * 4),
              4);
    };
    if (whole != 0) {
      const Value positions = b.splat(position, kLanes);
      b.loop(b.i64(0), b.i64(whole), b.i64(kLanes),
             [&](Value i) { writeAt(b.vec(b.f64(), kLanes), positions, i); });
    }
    if (whole != half) {
      b.loop(b.i64(whole), b.i64(half), b.i64(1),
             [&](Value i) { writeAt(b.f64(), position, i); });
    }
  });
}

Status describeRopeAppend(const KernelSpec &spec, const IsaTraits &,
                          KernelEntry &entry) {
  AIR_RETURN_IF_ERROR(checkKv(spec));
  AIR_RETURN_IF_ERROR(checkRope(spec));
  if (spec.ropeDim > spec.headDim ||
      (spec.rope != RopeKind::None && spec.ropeDim == 0)) {
    return internalError(
        "ropeDim, the number of rotated elements of a head, is " +
        std::to_string(spec.ropeDim) +
        "; it must be at most headDim, which is " +
        std::to_string(spec.headDim) +
        ", and at least 1 if queries or keys are rotated");
  }
  entry.tokensPerTile = kTileTokens;
  entry.weightBytes = spec.qkNorm ? 2 * spec.headDim * 4 : 0;
  entry.flopsPerRow = (spec.heads + spec.kvHeads) *
                      (3 * spec.ropeDim + (spec.qkNorm ? 4 : 0) * spec.headDim);
  return Status::ok();
}

void emitRopeAppend(KernelBuilder &b, const KernelSpec &spec) {
  AppendWriter writer(b, spec);
  b.tileLoop([&](Value tile) { writer.write(tile); });
}

} // namespace air::codegen
