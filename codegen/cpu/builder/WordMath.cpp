//===- WordMath.cpp - small integers out of 32-bit words --------*- C++ -*-===//
#include "codegen/cpu/builder/WordMath.h"

#include "codegen/cpu/matmul/Int8Dot.h"

#include <algorithm>

namespace air::codegen {

using mlir::Value;

namespace {

/// A word with `byte` in all four bytes.
int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

} // namespace

Value WordMath::spread(Value word, int64_t index) {
  const Value bytes = b.recast(word, b.i8());
  const int64_t count =
      mlir::cast<mlir::VectorType>(bytes.getType()).getNumElements();
  llvm::SmallVector<int64_t> lanes;
  for (int64_t at = 0; at < count; ++at) {
    lanes.push_back(at / 4 * 4 + index);
  }
  return b.recast(b.shuffle(bytes, bytes, lanes), b.i32());
}

Value WordMath::apart(Value word, int64_t step, int64_t bits) {
  const int64_t mask = (int64_t{1} << bits) - 1;
  if (b.isa().hasVbmi) {
    return b.andBits(eightBits(word, {0, step, 2 * step, 3 * step}),
                     everyByte(mask));
  }
  Value bytes = b.andBits(word, mask);
  for (int64_t j = 1; j < 4; ++j) {
    Value there = b.shiftLeft(word, (8 - step) * j);
    bytes = b.orBits(bytes, b.andBits(there, mask << (8 * j)));
  }
  return bytes;
}

Value WordMath::eightBits(Value word, const std::array<int64_t, 4> &firstBits) {
  const Value bytes = b.recast(word, b.i8());
  // vpmultishiftqb counts bit positions in a 64-bit lane, which contains two
  // words, so positions in the second word are 32 larger.
  std::array<int8_t, 64> places;
  for (size_t at = 0; at < places.size(); ++at) {
    const int64_t lane = at % 8 < 4 ? 0 : 32;
    places[at] = static_cast<int8_t>((lane + firstBits[at % 4]) & 63);
  }
  Value found =
      b.intrinsic(bytes.getType(), "llvm.x86.avx512.pmultishift.qb.512",
                  {b.constants(llvm::ArrayRef<int8_t>(places)), bytes});
  return b.recast(found, b.i32());
}

Value WordMath::byteOf(Value word, int64_t index) {
  return bitsOf(word, 8 * index, 8);
}

Value WordMath::bitsOf(Value word, int64_t shift, int64_t bits) {
  Value shifted = b.shiftRight(word, shift);
  return shift + bits == 32 ? shifted
                            : b.andBits(shifted, (int64_t{1} << bits) - 1);
}

Value WordMath::shiftedRight(Value word, Value shift) {
  auto type = mlir::cast<mlir::VectorType>(word.getType());
  Value amount = b.splat(b.truncate(shift, b.i32()), type.getNumElements());
  return b.shiftRight(word, amount);
}

Value WordMath::bitsOf(Value word, Value shift, int64_t bits) {
  return b.andBits(shiftedRight(word, shift), (int64_t{1} << bits) - 1);
}

Value WordMath::withSign(Value magnitude, Value signs, int64_t bit) {
  Value sign = b.andBits(b.shiftLeft(signs, 31 - bit), int64_t{0x80000000});
  return b.bitcast(b.xorBits(b.bitcast(magnitude, b.i32()), sign), b.f32());
}

WordMath::Four WordMath::byteFields(Value word) {
  // Moves byte j to the top of its lane and clears the other bytes. On x86 this
  // takes one shuffle, whereas a shift would also need a mask.
  const Value bytes = b.recast(word, b.i8());
  const Value zeros = b.zero(bytes.getType());
  const int64_t count =
      mlir::cast<mlir::VectorType>(bytes.getType()).getNumElements();
  Four values;
  for (int64_t j = 0; j < 4; ++j) {
    Value top;
    if (j == 0) {
      top = b.shiftLeft(word, 24);
    } else if (j == 3) {
      top = b.andBits(word, int64_t{0xff000000});
    } else {
      // Indices below `count` select from `bytes`, and index `count` selects
      // the first byte of `zeros`.
      llvm::SmallVector<int64_t> lanes(count, count);
      for (int64_t at = 0; at < count; at += 4) {
        lanes[at + 3] = at + j;
      }
      top = b.recast(b.shuffle(bytes, zeros, lanes), b.i32());
    }
    values[j] = toFloat(top);
  }
  return values;
}

Value WordMath::fieldScale(Value scale, int64_t bits) {
  return looksUp(bits) ? scale
                       : b.mul(scale, b.constant(scale.getType(), 0x1p-24));
}

WordMath::Four WordMath::signedBytes(Value word) {
  Four values;
  for (int64_t j = 0; j < 4; ++j) {
    values[j] = toFloat(b.shiftRightSigned(b.shiftLeft(word, 24 - 8 * j), 24));
  }
  return values;
}

WordMath::Four WordMath::byteFields(Value word, int64_t shift, int64_t bits,
                                    int bias) {
  if (looksUp(bits)) {
    // Element i of the table is the number in the low `bits` bits of i plus the
    // bias, as a float. lookUp() uses only the low four bits of an index, so
    // indices need no mask.
    std::array<float, 16> table;
    for (int i = 0; i < 16; ++i) {
      table[i] = static_cast<float>((i & ((1 << bits) - 1)) + bias);
    }
    Four values;
    for (int64_t j = 0; j < 4; ++j) {
      values[j] = lookUp(table, b.shiftRight(word, 8 * j + shift));
    }
    return values;
  }
  if (shift != 0 || bits != 8) {
    word = b.andBits(b.shiftRight(word, shift),
                     everyByte((int64_t{1} << bits) - 1));
  }
  if (bias == 0) {
    return byteFields(word);
  }
  // Adds the bias, which is negative, to all four bytes by one subtraction of
  // words. Bit 7 of each byte is 0. It is set before the subtraction, so that
  // no borrow crosses into the next byte, and flipped afterwards to compensate.
  Value high = b.constant(word.getType(), everyByte(0x80));
  Value bytes =
      b.sub(b.orBits(word, high), b.constant(word.getType(), everyByte(-bias)));
  return byteFields(b.xorBits(bytes, high));
}

WordMath::Four WordMath::nibblesByTable(const std::array<int8_t, 16> &table,
                                        Value word, int64_t shift) {
  if (b.isa().hasAvx512) {
    std::array<float, 16> floats;
    std::copy(table.begin(), table.end(), floats.begin());
    Four values;
    for (int64_t j = 0; j < 4; ++j) {
      values[j] = lookUp(floats, b.shiftRight(word, 8 * j + shift));
    }
    return values;
  }
  Value indices = b.andBits(b.shiftRight(word, shift), everyByte(15));
  return signedBytes(
      b.recast(lookUpInt8(b, b.recast(indices, b.i8()), table), b.i32()));
}

Value WordMath::lookUp(const std::array<float, 16> &table, Value index) {
  return b.intrinsic(b.vec(b.f32(), 16), "llvm.x86.avx512.permvar.sf.512",
                     {b.constants(llvm::ArrayRef<float>(table)), index});
}

} // namespace air::codegen
