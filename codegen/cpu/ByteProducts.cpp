//===- ByteProducts.cpp - dot products of four bytes ------------*- C++ -*-===//
#include "codegen/cpu/ByteProducts.h"

#include <cassert>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kBytes = 64; ///< four for each of 16 lanes

} // namespace

int wholeByteBias(const IsaTraits &isa) { return isa.hasAvx512Vnni ? -128 : 0; }

Value wholeBytes(KernelBuilder &b, Value bytes) {
  if (wholeByteBias(b.isa()) == 0) {
    return bytes;
  }
  const bool isWords = mlir::getElementTypeOrSelf(bytes.getType()) == b.i32();
  return b.xorBits(
      bytes, b.constant(bytes.getType(), isWords ? int64_t{0x80808080} : 0x80));
}

Value dotBytes(KernelBuilder &b, Value sum, Value weights, Value x,
               [[maybe_unused]] int64_t bits) {
  assert(b.isa().hasByteDot() && "describe refuses other targets");
  assert(bits > 0 && bits <= 8);
  return b.intrinsic(sum.getType(), "llvm.x86.avx512.vpdpbusd.512",
                     {sum, weights, x});
}

Value lookUpWholeBytes(KernelBuilder &b, Value indices,
                       const std::array<int8_t, 16> &table) {
  assert(b.isa().hasByteDot() && "describe refuses other targets");
  const int bias = wholeByteBias(b.isa());
  // The shuffle looks up in each 16 bytes apart.
  std::array<int8_t, kBytes> entries;
  for (int64_t i = 0; i < kBytes; ++i) {
    entries[i] = static_cast<int8_t>(table[i % 16] - bias);
  }
  return b.intrinsic(b.vec(b.i8(), kBytes), "llvm.x86.avx512.pshuf.b.512",
                     {b.constants(llvm::ArrayRef<int8_t>(entries)), indices});
}

} // namespace air::codegen
