//===- CodeBook.cpp - short vectors of few values, by index ---------------===//
#include "codegen/cpu/CodeBook.h"

#include "codegen/cpu/WeightReader.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kCodeBytes = 2;
/// Codes that one permutation chooses from.
constexpr int64_t kPermuted = 64;
/// Beyond, a gather is faster than so many permutations.
constexpr int64_t kMostPermuted = 1024;

/// The even numbers' places lie in the lower byte and the odd ones' in the
/// upper, the lowest first: with itself shifted by a place above it, a code
/// becomes a word that has the first four numbers' places at the bottom of its
/// bytes, and the others' four bits higher.
template <typename Entry>
std::vector<uint16_t> codesOf(std::span<const Entry> entries,
                              std::span<const int8_t> values,
                              int64_t placeBits) {
  std::vector<uint16_t> codes;
  for (const Entry entry : entries) {
    unsigned code = 0;
    for (size_t j = 0; j < sizeof(Entry); ++j) {
      const auto at = std::ranges::find(
          values, static_cast<int8_t>(entry >> (8 * j) & 255));
      assert(at != values.end() && "a number of the book");
      const auto place = static_cast<unsigned>(at - values.begin());
      code |= place << (j % 2 * 8 + j / 2 * static_cast<size_t>(placeBits));
    }
    codes.push_back(static_cast<uint16_t>(code));
  }
  return codes;
}

} // namespace

CodeBook::CodeBook(KernelBuilder &builder, const char *name,
                   std::span<const uint64_t> entries,
                   std::span<const int8_t> values)
    : b(builder), placeBits(2) {
  makeTable(name, codesOf(entries, values, placeBits));
}

CodeBook::CodeBook(KernelBuilder &builder, const char *name,
                   std::span<const uint32_t> entries,
                   std::span<const int8_t> values)
    : b(builder), placeBits(4) {
  makeTable(name, codesOf(entries, values, placeBits));
}

void CodeBook::makeTable(const char *name, std::span<const uint16_t> codes) {
  count = static_cast<int64_t>(codes.size());
  assert(std::has_single_bit(codes.size()) && count >= kPermuted);
  std::vector<uint8_t> bytes;
  for (const uint16_t code : codes) {
    bytes.push_back(static_cast<uint8_t>(code & 255));
    bytes.push_back(static_cast<uint8_t>(code >> 8));
  }
  bytes.resize(bytes.size() + kCodeBytes); // a gather takes four bytes
  base = b.table(name, bytes);
}

Value CodeBook::look(Value indices) const {
  if (b.isa().hasAvx512 && count <= kMostPermuted) {
    return b.recast(permuted(b.recast(indices, b.i16())), b.i32());
  }
  auto gathered = [&](Value index) {
    return b.gather(b.i32(), base, index, kCodeBytes);
  };
  Value low = gathered(b.andBits(indices, int64_t{0xffff}));
  Value high = gathered(b.shiftRight(indices, 16));
  return b.orBits(b.andBits(low, int64_t{0xffff}), b.shiftLeft(high, 16));
}

Value CodeBook::permuted(Value indices) const {
  const Value zero = b.zero(indices.getType());
  auto type = b.vec(b.i16(), 2 * kRowLanes);
  auto codesAt = [&](int64_t first) {
    return b.load(type, b.offset(base, first * kCodeBytes), 64);
  };
  llvm::SmallVector<Value> found;
  for (int64_t first = 0; first < count; first += kPermuted) {
    found.push_back(
        b.intrinsic(type, "llvm.x86.avx512.vpermi2var.hi.512",
                    {codesAt(first), indices, codesAt(first + kPermuted / 2)}));
  }
  for (int64_t bit = kPermuted; found.size() > 1; bit *= 2) {
    Value isUpper = b.notEqual(b.andBits(indices, bit), zero);
    for (size_t i = 0; i < found.size() / 2; ++i) {
      found[i] = b.select(isUpper, found[2 * i + 1], found[2 * i]);
    }
    found.resize(found.size() / 2);
  }
  return found.front();
}

Value CodeBook::places(Value codes, int64_t which, int64_t part) const {
  assert(part == 0 || placeBits == 2);
  // The code, and above it the code less its first place.
  Value lower = which == 0 ? codes : b.shiftRight(codes, 16);
  Value upper = which == 0 ? b.shiftLeft(codes, 16 - placeBits)
                           : b.shiftRight(codes, placeBits);
  Value both = b.orBits(b.andBits(lower, int64_t{0xffff}),
                        b.andBits(upper, int64_t{0xffff0000}));
  return b.andBits(b.shiftRight(both, 4 * part),
                   placeBits == 2 ? int64_t{0x03030303} : int64_t{0x07070707});
}

} // namespace air::codegen
