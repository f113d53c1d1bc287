//===- Int8Dot.cpp - int8 dot products on every ISA -------------*- C++ -*-===//
#include "codegen/cpu/matmul/Int8Dot.h"

#include "llvm/Support/ErrorHandling.h"

#include <cassert>
#include <numeric>

namespace air::codegen {

using mlir::Value;

namespace {

/// The bytes of a vector: four for each of 16 lanes.
constexpr int64_t kBytes = 64;

int64_t lanesOf(Value vector) {
  return mlir::cast<mlir::VectorType>(vector.getType()).getNumElements();
}

/// Lanes [first, first + count) of `vector`.
Value part(KernelBuilder &b, Value vector, int64_t first, int64_t count) {
  if (count == lanesOf(vector)) {
    return vector;
  }
  llvm::SmallVector<int64_t> lanes(count);
  std::iota(lanes.begin(), lanes.end(), first);
  return b.shuffle(vector, vector, lanes);
}

/// Applies an intrinsic to vectors that are `count` times as long as its
/// operands.
Value inParts(KernelBuilder &b, llvm::StringRef name, int64_t count,
              mlir::VectorType result, llvm::ArrayRef<Value> arguments) {
  auto type = b.vec(result.getElementType(), result.getNumElements() / count);
  KernelBuilder::Values parts;
  for (int64_t i = 0; i < count; ++i) {
    llvm::SmallVector<Value> these;
    for (Value argument : arguments) {
      const int64_t lanes = lanesOf(argument) / count;
      these.push_back(part(b, argument, i * lanes, lanes));
    }
    parts.push_back(b.intrinsic(type, name, these));
  }
  return b.join(std::move(parts));
}

bool addsIn16Bits(const IsaTraits &isa) {
  return isa.byteDot == ByteDot::MulAdd256 || isa.byteDot == ByteDot::MulAdd512;
}

/// 32 lanes of i16, each the sum of two products of a weight and an activation.
Value pairSums(KernelBuilder &b, Value weights, Value x, int64_t bits) {
  const bool is512 = b.isa().byteDot == ByteDot::MulAdd512;
  if (bits == 8) {
    Value sign = b.shiftRightSigned(weights, 7);
    if (is512) { // AVX-512 has no vpsignb
      x = b.sub(b.xorBits(x, sign), sign);
    } else {
      x = inParts(b, "llvm.x86.avx2.psign.b", 2, b.vec(b.i8(), kBytes),
                  {x, weights});
    }
    weights = b.sub(b.xorBits(weights, sign), sign);
  }
  auto type = b.vec(b.i16(), kBytes / 2);
  return is512 ? inParts(b, "llvm.x86.avx512.pmaddubs.w.512", 1, type,
                         {weights, x})
               : inParts(b, "llvm.x86.avx2.pmadd.ub.sw", 2, type, {weights, x});
}

/// 16 lanes of i32, each the sum of two adjacent lanes of `pairs`, which has 32
/// lanes of i16.
Value widened(KernelBuilder &b, Value pairs) {
  auto type = b.vec(b.i32(), kBytes / 4);
  Value ones = b.constant(pairs.getType(), int64_t{1});
  return b.isa().byteDot == ByteDot::MulAdd512
             ? inParts(b, "llvm.x86.avx512.pmaddw.d.512", 1, type,
                       {pairs, ones})
             : inParts(b, "llvm.x86.avx2.pmadd.wd", 2, type, {pairs, ones});
}

} // namespace

int targetInt8Bias(const IsaTraits &isa) {
  return isa.byteDot == ByteDot::Vnni512 || isa.byteDot == ByteDot::Vnni256
             ? -128
             : 0;
}

Value toTargetInt8(KernelBuilder &b, Value bytes) {
  if (targetInt8Bias(b.isa()) == 0) {
    return bytes;
  }
  const bool isWords = mlir::getElementTypeOrSelf(bytes.getType()) == b.i32();
  return b.xorBits(
      bytes, b.constant(bytes.getType(), isWords ? int64_t{0x80808080} : 0x80));
}

Value dotBytes(KernelBuilder &b, Value sum, Value weights, Value x,
               int64_t bits) {
  assert(bits > 0 && bits <= 8);
  auto type = b.vec(b.i32(), kBytes / 4);
  switch (b.isa().byteDot) {
  case ByteDot::None:
    break;
  case ByteDot::Vnni512:
    return inParts(b, "llvm.x86.avx512.vpdpbusd.512", 1, type,
                   {sum, weights, x});
  case ByteDot::Vnni256:
    return inParts(b, "llvm.x86.avx512.vpdpbusd.256", 2, type,
                   {sum, weights, x});
  case ByteDot::MulAdd512:
  case ByteDot::MulAdd256:
    return b.add(sum, widened(b, pairSums(b, weights, x, bits)));
  case ByteDot::Sdot:
    return inParts(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", 4, type,
                   {sum, weights, x});
  }
  llvm_unreachable("the target has no byte dot products; such targets must be "
                   "refused before");
}

Value lookUpInt8(KernelBuilder &b, Value indices,
                 const std::array<int8_t, 16> &table) {
  // The look-up instructions work on groups of 16 bytes, and each group needs a
  // copy of the table.
  std::array<int8_t, kBytes> entries;
  for (int64_t i = 0; i < kBytes; ++i) {
    entries[i] = table[i % 16];
  }
  Value tables = b.constants(llvm::ArrayRef<int8_t>(entries));
  auto type = b.vec(b.i8(), kBytes);
  if (b.isa().hasAvx512) {
    return inParts(b, "llvm.x86.avx512.pshuf.b.512", 1, type,
                   {tables, indices});
  }
  if (b.isa().hasAvx2) {
    return inParts(b, "llvm.x86.avx2.pshuf.b", 2, type, {tables, indices});
  }
  return inParts(b, "llvm.aarch64.neon.tbl1.v16i8", 4, type, {tables, indices});
}

// ---- two tokens at once -----------------------------------------------------

// smmla multiplies two rows with two tokens and returns four sums,
// [row][token]. The 16 rows take eight such instructions, one for each pair of
// rows.

Value eightColumns(KernelBuilder &b, Value first, Value second) {
  llvm::SmallVector<int64_t> lanes;
  for (int64_t row = 0; row < kBytes / 4; ++row) {
    for (int64_t from : {int64_t{0}, kBytes}) {
      for (int64_t at = 0; at < 4; ++at) {
        lanes.push_back(from + 4 * row + at);
      }
    }
  }
  return b.shuffle(first, second, lanes);
}

Value dotTwoTokens(KernelBuilder &b, Value sums, Value weights, Value x) {
  assert(b.isa().hasI8mm);
  constexpr int64_t kRowPairs = kBytes / 4 / 2;
  llvm::SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < lanesOf(weights); ++i) {
    lanes.push_back(i % lanesOf(x));
  }
  return inParts(b, "llvm.aarch64.neon.smmla.v4i32.v16i8", kRowPairs,
                 mlir::cast<mlir::VectorType>(sums.getType()),
                 {sums, weights, b.shuffle(x, x, lanes)});
}

Value sumsOfToken(KernelBuilder &b, Value sums, int64_t token) {
  llvm::SmallVector<int64_t> lanes;
  for (int64_t row = 0; row < kBytes / 4; ++row) {
    lanes.push_back(2 * row + token);
  }
  return b.shuffle(sums, sums, lanes);
}

// ---- accumulators -----------------------------------------------------------

void Int8Accumulator::add(KernelBuilder &b, Value weights, Value x,
                          int64_t bits, int64_t mostX) {
  assert(mostX > 0 && mostX <= 127);
  if (!addsIn16Bits(b.isa())) {
    wide = dotBytes(b, wide, weights, x, bits);
    return;
  }
  const int64_t mostWeight = bits == 8 ? 128 : (int64_t{1} << bits) - 1;
  const int64_t bound = 2 * mostWeight * mostX;
  if (narrowBound + bound > INT16_MAX) {
    wide = total(b);
  }
  Value pairs = pairSums(b, weights, x, bits);
  narrow = narrow ? b.add(narrow, pairs) : pairs;
  narrowBound += bound;
}

Value Int8Accumulator::total(KernelBuilder &b) {
  if (narrow) {
    wide = b.add(wide, widened(b, narrow));
    narrow = {};
    narrowBound = 0;
  }
  return wide;
}

} // namespace air::codegen
