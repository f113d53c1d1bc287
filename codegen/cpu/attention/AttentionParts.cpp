//===- AttentionParts.cpp - shared parts of attention kernels -------------===//
#include "codegen/cpu/attention/AttentionParts.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cfloat>
#include <numbers>

namespace air::codegen {
namespace {

using Value = KernelBuilder::Value;

constexpr int64_t kPage = AIR_KV_PAGE_TOKENS;

/// Lays out arrays one after another, each aligned to a cache line.
class LineLayout {
public:
  int64_t place(int64_t bytes) {
    const int64_t start = end;
    end = static_cast<int64_t>(alignUp(static_cast<uint64_t>(end + bytes), 64));
    return start;
  }
  int64_t bytes() const { return end; }

private:
  int64_t end = 0;
};

/// The number of floats that one AVX-512 scalef instruction handles.
constexpr int64_t kScaledLanes = 16;

/// Returns x * 2^n, lane by lane, where n holds integral values. The number of
/// lanes is a multiple of kScaledLanes.
Value scaledByPowerOfTwo(KernelBuilder &b, Value x, Value n) {
  const auto lanes = mlir::cast<mlir::VectorType>(x.getType()).getNumElements();
  const mlir::VectorType type = b.vec(b.f32(), kScaledLanes);
  Value result = x;
  for (int64_t first = 0; first < lanes; first += kScaledLanes) {
    const auto part = [&](Value whole) -> Value {
      return mlir::LLVM::vector_extract::create(b.ops(), b.loc(), type, whole,
                                                first);
    };
    const Value scaled = b.intrinsic(
        type, "llvm.x86.avx512.mask.scalef.ps.512",
        {part(x), part(n), b.zero(type), b.constant(b.i16(), int64_t{-1}),
         b.i32(4)}); // 4 selects the current rounding mode
    result = mlir::LLVM::vector_insert::create(b.ops(), b.loc(), x.getType(),
                                               result, scaled, first);
  }
  return result;
}

int64_t blockTokensOf(MClass mClass, int64_t group) {
  switch (mClass) {
  case MClass::One:
    return 1;
  case MClass::Small:
    return 8;
  case MClass::Large:
    // The rows of a block of tokens share the widened elements of a page. A row
    // is one query head of one token. A block has at most 128 rows, unless even
    // 8 tokens, the minimum for a block, have more.
    return std::clamp<int64_t>(128 / group / 8 * 8, 8, 128);
  }
  return 1;
}

} // namespace

AttentionShape::AttentionShape(const KernelSpec &spec, const IsaTraits &isa)
    : kv(spec), heads(static_cast<int64_t>(spec.heads)),
      kvHeads(static_cast<int64_t>(spec.kvHeads)), group(heads / kvHeads),
      queryRowBytes((heads + 2 * kvHeads) * kv.headDim * 4),
      lanes(isa.vectorBytes / 4), ranges(static_cast<int64_t>(spec.ranges)),
      tokensPerTile(spec.mClass == MClass::Large ? 8 : 1),
      blockTokens(blockTokensOf(spec.mClass, group)),
      // There are kRowsTogether accumulators of rowLanes floats each. Together
      // they take half of the vector registers.
      rowLanes(isa.vectorBytes == 64 ? 64 : 16) {
  // The accumulators of a register tile, panelRows times panelColumns floats,
  // take half of the vector registers.
  panelRows = 16;
  panelColumns = 4;
  if (isa.vectorBytes == 64) {
    panelRows = spec.mClass == MClass::Large ? 64 : 32;
    panelColumns = spec.mClass == MClass::Large ? 4 : 8;
  }
  panels = (blockTokens * group + panelRows - 1) / panelRows;
  rowsAtMost =
      spec.mClass == MClass::One ? group : std::max(group, panelRows / 2);

  rows.nearBytes = std::min<int64_t>(kv.valuesOffset / 4, 4096);
  LineLayout rowsPlace;
  rows.weights = rowsPlace.place(kRowsTogether * kPage * 4);
  rows.decay = rowsPlace.place(kRowsTogether * 4);
  rows.largest = rowsPlace.place(rowsAtMost * 4);
  rows.sum = rowsPlace.place(rowsAtMost * 16 * 4);
  rows.values = rowsPlace.place(rowsAtMost * kv.paddedDim * 4);
  rows.bytes = rowsPlace.bytes();

  // Each row of widened keys or values is padded by one cache line: at a stride
  // that is a power of two, the rows would compete for a few cache sets.
  panel.keyStride = kPage * 4 + 64;
  panel.valueStride = kv.paddedDim * 4 + 64;
  LineLayout place;
  panel.keys = place.place(kv.headDim * panel.keyStride);
  panel.values = place.place(kPage * panel.valueStride);
  panel.weights = place.place(kPage * panelRows * 4);
  panel.positions = place.place(panels * panelRows * 4);
  panel.largest = place.place(panels * panelRows * 4);
  panel.sum = place.place(panels * panelRows * 4);
  panel.queries = place.place(panels * kv.paddedDim * panelRows * 4);
  panel.weighted = place.place(panels * kv.paddedDim * panelRows * 4);
  panel.bytes = place.bytes();
}

Value AttentionWriter::query(const AttentionRun &run, Value token,
                             Value headOfGroup) {
  return b.element(b.element(b.binding(0), token, shape.queryRowBytes),
                   headOf(run, headOfGroup), shape.kv.headDim * 4);
}

Value AttentionWriter::output(const AttentionRun &run, Value token,
                              Value headOfGroup) {
  const int64_t headBytes = shape.kv.headDim * 4;
  return b.element(b.element(b.binding(2), token, shape.heads * headBytes),
                   headOf(run, headOfGroup), headBytes);
}

AttentionState attentionState(KernelBuilder &b, const KernelSpec &spec,
                              Value row, Value range, Value head) {
  const auto heads = static_cast<int64_t>(spec.heads);
  const auto headBytes = static_cast<int64_t>(spec.headDim) * 4;
  const auto ranges = static_cast<int64_t>(spec.ranges);
  const Value index = b.add(b.mul(range, b.i64(heads)), head);
  return {b.element(row, index, headBytes),
          b.element(b.offset(row, ranges * heads * headBytes), index, 8)};
}

Value AttentionWriter::validKeys(Value token, Value pageStart) {
  const Value end = b.add(positionOf(token), b.i64(1));
  const Value seen =
      b.select(b.less(pageStart, end), b.sub(end, pageStart), b.i64(0));
  return b.min(seen, b.i64(kPage));
}

Value AttentionWriter::loadWide(Value pointer, int64_t lanes,
                                unsigned alignment) {
  const Value value =
      b.load(b.vec(kvElement(b, shape.kv), lanes), pointer, alignment);
  return shape.kv.elementBytes == 2 ? b.floatExtend(value, b.f32()) : value;
}

void AttentionWriter::forVectors(
    llvm::function_ref<void(Value, int64_t)> body) {
  constexpr int64_t kVector = KvShape::kVector;
  const int64_t whole = shape.kv.headDim / kVector * kVector;
  b.loop(b.i64(0), b.i64(whole), b.i64(kVector),
         [&](Value i) { body(i, kVector); });
  if (whole != shape.kv.headDim) {
    body(b.i64(whole), shape.kv.headDim - whole);
  }
}

Value AttentionWriter::loadFirst(Value pointer, int64_t count) {
  const Type type = b.vec(b.f32(), KvShape::kVector);
  if (count == KvShape::kVector) {
    return b.load(type, pointer, 4);
  }
  Value vector = b.zero(type);
  for (int64_t lane = 0; lane < count; ++lane) {
    vector =
        b.insert(b.load(b.f32(), b.offset(pointer, lane * 4), 4), vector, lane);
  }
  return vector;
}

void AttentionWriter::storeFirst(Value vector, Value pointer, int64_t count) {
  if (count == KvShape::kVector) {
    // The output consists of rows of headDim elements without padding, as V
    // does. A vector of the output is therefore aligned to as many elements as
    // a vector of V. An element takes 4 bytes in the output, and elementBytes
    // bytes in V.
    b.store(vector, pointer,
            shape.kv.valueAlignment(count) /
                static_cast<unsigned>(shape.kv.elementBytes) * 4);
    return;
  }
  for (int64_t lane = 0; lane < count; ++lane) {
    b.store(b.extract(vector, lane), b.offset(pointer, lane * 4), 4);
  }
}

double AttentionWriter::scoreScale() const {
  return double(spec.scale) * std::numbers::log2e;
}

// 2^x = 2^n * 2^r with n = round(x) and r = x - n. 2^r is computed by the
// polynomial of degree 5 whose maximum relative error on [-1/2, 1/2] is
// smallest. This error is 1.3 * 2^-24. The polynomial was found with the Remez
// exchange algorithm.
//
// Results that would be subnormal become 0. Some CPUs execute instructions with
// subnormal operands many times more slowly, and each softmax weight, a result
// of this function, is multiplied by a whole row of V.
Value AttentionWriter::powerOfTwo(Value x) {
  const KernelBuilder::Type type = x.getType();
  const auto number = [&](double value) { return b.constant(type, value); };
  const auto power = [&](Value r) {
    Value sum = number(1.3276472631950876e-3);
    for (const double coefficient :
         {9.675541343121328e-3, 5.5507132718556444e-2, 2.402211972371072e-1,
          6.931469670650352e-1, 1.0000000716547142}) {
      sum = b.fma(sum, r, number(coefficient));
    }
    return sum;
  };
  const auto vector = mlir::dyn_cast<mlir::VectorType>(type);
  if (b.isa().hasAvx512 && vector &&
      vector.getNumElements() % kScaledLanes == 0) {
    // Below -126, x becomes -1000, so the result is 0 in f32. Without this, an
    // x of -infinity would make x - n NaN. A NaN stays NaN, because comparisons
    // with it are false.
    x = b.select(b.less(x, number(-126.0)), number(-1000.0), x);
    const Value n = mlir::LLVM::RoundEvenOp::create(b.ops(), b.loc(), x);
    return scaledByPowerOfTwo(b, power(b.sub(x, n)), n);
  }
  // Adding 1.5 * 2^23 rounds x to an integer n and leaves n in the low bits of
  // the sum.
  const Value shifted = b.add(x, number(12582912.0));
  const Value r = b.sub(x, b.sub(shifted, number(12582912.0)));
  const Value exponent = b.shiftLeft(b.bitcast(shifted, b.i32()), 23);
  const Value scaled =
      b.bitcast(b.add(b.bitcast(power(r), b.i32()), exponent), b.f32());
  return b.select(b.less(x, number(-126.0)), b.zero(type), scaled);
}

} // namespace air::codegen
