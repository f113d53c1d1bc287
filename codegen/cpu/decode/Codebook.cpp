//===- Codebook.cpp - look-up of short vectors by index -------------------===//
//
// An entry is a vector of the codebook. Its code has 16 bits, which hold the
// value indices of its elements (Codebook.h): eight indices in 2 bits each, or
// four 3-bit indices in 4 bits each.
//
// Four entries, 0 to 3, are decoded at a time, and the order of the bits in
// their codes depends on the target.
//
// Without VBMI, a code is looked up as a whole. The codes of entries 0 and 2
// share a lane of 32 bits, and so do the codes of entries 1 and 3. The low byte
// of a code holds the value indices of even elements, and the high byte the
// indices of odd elements. The code and a shifted copy of it make a word, whose
// byte j holds the value index of element j in its lowest bits. If an entry has
// eight elements, the value index of element j + 4 is four bits higher.
//
// With VBMI, the low bytes of the codes of all four entries are looked up
// together, and so are the high bytes. A code holds its value indices in the
// order of the elements, and one instruction (vpmultishiftqb) extracts four of
// them.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/decode/Codebook.h"

#include "codegen/cpu/builder/WordMath.h"
#include "codegen/cpu/decode/WeightReader.h"
#include "codegen/cpu/matmul/Int8Dot.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kCodeBytes = 2;
/// One permutation selects among kWordsPermuted 16-bit codes or among
/// kBytesPermuted bytes.
constexpr int64_t kWordsPermuted = 64;
constexpr int64_t kBytesPermuted = 128;
/// The largest number of codes for which permutations of 16-bit codes are
/// faster than a gather.
constexpr int64_t kMostPermuted = 1024;

int64_t everyByte(int64_t byte) { return byte * 0x01010101; }

template <typename Entry>
std::vector<uint16_t> codesOf(std::span<const Entry> entries,
                              std::span<const int8_t> values, bool isInHalves) {
  constexpr size_t kNumbers = sizeof(Entry);
  constexpr size_t kBits = 16 / kNumbers;
  std::vector<uint16_t> codes;
  for (const Entry entry : entries) {
    unsigned code = 0;
    for (size_t j = 0; j < kNumbers; ++j) {
      const auto at = std::ranges::find(
          values, static_cast<int8_t>(entry >> (8 * j) & 255));
      assert(at != values.end() &&
             "every number of an entry must be a value of the codebook");
      const auto place = static_cast<unsigned>(at - values.begin());
      code |= place << (isInHalves ? j * kBits : j % 2 * 8 + j / 2 * kBits);
    }
    codes.push_back(static_cast<uint16_t>(code));
  }
  return codes;
}

/// For each of 16 lanes, gathers the four bytes that start at code `index`.
/// LLVM turns its generic gather into gather instructions only for AVX-512. For
/// AVX2 it would load lane by lane. That is slower where the indices are in a
/// vector register, so the function calls the intrinsic instead.
Value gathered32(KernelBuilder &b, Value base, Value index) {
  if (b.isa().hasAvx512 || !b.isa().hasAvx2) {
    return b.gather(b.i32(), base, index, kCodeBytes);
  }
  constexpr int64_t kHalf = kRowLanes / 2;
  auto type = b.vec(b.i32(), kHalf);
  auto half = [&](int64_t first) {
    llvm::SmallVector<int64_t> lanes(kHalf);
    std::iota(lanes.begin(), lanes.end(), first);
    return b.intrinsic(type, "llvm.x86.avx2.gather.d.d.256",
                       {b.zero(type), base, b.shuffle(index, index, lanes),
                        b.constant(type, int64_t{-1}),
                        b.constant(b.i8(), kCodeBytes)});
  };
  llvm::SmallVector<int64_t> lanes(kRowLanes);
  std::iota(lanes.begin(), lanes.end(), 0);
  return b.shuffle(half(0), half(kHalf), lanes);
}

} // namespace

Codebook::Codebook(KernelBuilder &builder, const char *name,
                   std::span<const uint64_t> entries,
                   std::span<const int8_t> values)
    : b(builder), valueIndexBits(2) {
  makeTable(name, codesOf(entries, values, b.isa().hasVbmi));
}

Codebook::Codebook(KernelBuilder &builder, const char *name,
                   std::span<const uint32_t> entries,
                   std::span<const int8_t> values)
    : b(builder), valueIndexBits(3) {
  makeTable(name, codesOf(entries, values, b.isa().hasVbmi));
}

void Codebook::makeTable(const char *name, std::span<const uint16_t> codes) {
  count = static_cast<int64_t>(codes.size());
  assert(std::has_single_bit(codes.size()) && count >= 2 * kBytesPermuted);
  std::vector<uint8_t> bytes;
  auto halves = [&](int shift) {
    for (const uint16_t code : codes) {
      bytes.push_back(static_cast<uint8_t>(code >> shift & 255));
    }
  };
  if (b.isa().hasVbmi) {
    halves(0);
    halves(8);
  } else {
    for (const uint16_t code : codes) {
      bytes.push_back(static_cast<uint8_t>(code & 255));
      bytes.push_back(static_cast<uint8_t>(code >> 8));
    }
    // A gather reads 4 bytes, so 2 bytes must follow the last code.
    bytes.resize(bytes.size() + kCodeBytes);
  }
  base = b.table(name, bytes);
}

// ---- codes ------------------------------------------------------------------

Codebook::Codes Codebook::lookUp(Value lows, Value tops) const {
  if (b.isa().hasVbmi) {
    return permutedBytes(lows, tops);
  }
  Codes codes;
  for (int64_t odd = 0; odd < 2; ++odd) {
    Value indices = b.andBits(b.shiftRight(lows, 8 * odd), int64_t{0x00ff00ff});
    if (tops) {
      Value upper = odd == 0 ? b.shiftLeft(tops, 8) : tops;
      indices = b.orBits(indices, b.andBits(upper, int64_t{0xff00ff00}));
    }
    codes.words[odd] = b.isa().hasAvx512 && count <= kMostPermuted
                           ? permutedWords(indices)
                           : gathered(indices);
  }
  return codes;
}

Value Codebook::gathered(Value indices) const {
  Value low = gathered32(b, base, b.andBits(indices, int64_t{0xffff}));
  Value high = gathered32(b, base, b.shiftRight(indices, 16));
  return b.orBits(b.andBits(low, int64_t{0xffff}), b.shiftLeft(high, 16));
}

Value Codebook::permutedWords(Value indices) const {
  indices = b.recast(indices, b.i16());
  const Value zero = b.zero(indices.getType());
  auto codesAt = [&](int64_t first) {
    return b.load(indices.getType(), b.offset(base, first * kCodeBytes), 64);
  };
  llvm::SmallVector<Value> found;
  for (int64_t first = 0; first < count; first += kWordsPermuted) {
    found.push_back(b.intrinsic(
        indices.getType(), "llvm.x86.avx512.vpermi2var.hi.512",
        {codesAt(first), indices, codesAt(first + kWordsPermuted / 2)}));
  }
  for (int64_t bit = kWordsPermuted; found.size() > 1; bit *= 2) {
    Value isUpper = b.notEqual(b.andBits(indices, bit), zero);
    for (size_t i = 0; i < found.size() / 2; ++i) {
      found[i] = b.select(isUpper, found[2 * i + 1], found[2 * i]);
    }
    found.resize(found.size() / 2);
  }
  return b.recast(found.front(), b.i32());
}

Codebook::Codes Codebook::permutedBytes(Value lows, Value tops) const {
  const Value indices = b.recast(lows, b.i8());
  const Value zero = b.zero(indices.getType());
  auto isSet = [&](Value word, int64_t bit) {
    Value bits =
        b.recast(b.andBits(word, everyByte(int64_t{1} << bit)), b.i8());
    return b.notEqual(bits, zero);
  };
  auto bytesAt = [&](int64_t first) {
    return b.load(indices.getType(), b.offset(base, first), 64);
  };
  auto permuted = [&](int64_t first, Value from) {
    return b.intrinsic(
        indices.getType(), "llvm.x86.avx512.vpermi2var.qi.512",
        {bytesAt(first), from, bytesAt(first + kBytesPermuted / 2)});
  };
  // The index bits above the seven bits that a permutation uses.
  llvm::SmallVector<Value> upperBits;
  for (int64_t n = kBytesPermuted; n < count; n *= 2) {
    upperBits.push_back(
        n == kBytesPermuted
            ? isSet(lows, 7)
            : isSet(tops, std::countr_zero(static_cast<uint64_t>(n)) - 8));
  }
  Codes codes;
  for (int64_t half = 0; half < 2; ++half) {
    llvm::SmallVector<Value> found;
    for (int64_t first = 0; first < count; first += kBytesPermuted) {
      found.push_back(permuted(half * count + first, indices));
    }
    for (Value isUpper : upperBits) {
      for (size_t i = 0; i < found.size() / 2; ++i) {
        found[i] = b.select(isUpper, found[2 * i + 1], found[2 * i]);
      }
      found.resize(found.size() / 2);
    }
    codes.words[half] = b.recast(found.front(), b.i32());
  }
  return codes;
}

// ---- elements ---------------------------------------------------------------

Value Codebook::rawValueIndices(const Codes &codes, int64_t entry,
                                int64_t part) const {
  WordMath math(b);
  const int64_t first = 8 * entry;
  if (valueIndexBits == 2) {
    return math.eightBits(codes.words[part],
                          {first, first + 2, first + 4, first + 6});
  }
  // Elements 0 and 1 come from codes.words[0], and 2 and 3 from codes.words[1].
  // eightBits() takes four bit positions, so the two positions are repeated,
  // and the shuffle drops the copies.
  const std::array<int64_t, 4> bits = {first, first + 4, first, first + 4};
  Value low = b.recast(math.eightBits(codes.words[0], bits), b.i16());
  Value high = b.recast(math.eightBits(codes.words[1], bits), b.i16());
  llvm::SmallVector<int64_t> lanes;
  for (int64_t at = 0; at < 2 * kRowLanes; ++at) {
    lanes.push_back(at % 2 == 0 ? at : 2 * kRowLanes + at);
  }
  return b.recast(b.shuffle(low, high, lanes), b.i32());
}

Value Codebook::valueIndices(const Codes &codes, int64_t entry,
                             int64_t part) const {
  assert(entry < 4 && (part == 0 || valueIndexBits == 2));
  const int64_t mask = everyByte((int64_t{1} << valueIndexBits) - 1);
  if (b.isa().hasVbmi) {
    return b.andBits(rawValueIndices(codes, entry, part), mask);
  }
  // Builds a word from two copies of the entry's code, which has 16 bits. The
  // copy in the upper half is shifted right by the width of one value index.
  // Byte j of the word then has the value index of element j in its lowest bits
  // and, if the entry has eight elements, that of element j + 4 four bits
  // higher.
  const int64_t bits = valueIndexBits == 2 ? 2 : 4;
  Value word = codes.words[entry % 2];
  Value lower = entry < 2 ? word : b.shiftRight(word, 16);
  Value upper =
      entry < 2 ? b.shiftLeft(word, 16 - bits) : b.shiftRight(word, bits);
  Value both = b.orBits(b.andBits(lower, int64_t{0xffff}),
                        b.andBits(upper, int64_t{0xffff0000}));
  return b.andBits(b.shiftRight(both, 4 * part), mask);
}

Value Codebook::numbers(const Codes &codes, int64_t entry, int64_t part,
                        const Choice &choice, const Table &clear,
                        const Table &set) const {
  assert(choice.first % 8 + (choice.isOneForAll ? 0 : 3) < 8);
  WordMath math(b);
  const int64_t step = choice.isOneForAll ? 0 : 1;
  if (b.isa().hasVbmi) {
    // An index into the table consists of the element's value index and, in the
    // next higher bit, the bit that `choice` selects for the element. Higher
    // bits do not matter, because the 64 elements of the table repeat the first
    // 8 or 16.
    const int64_t first = choice.first - valueIndexBits;
    Value bits = math.eightBits(
        choice.word, {first, first + step, first + 2 * step, first + 3 * step});
    const int64_t mask = (int64_t{1} << valueIndexBits) - 1;
    constexpr int32_t kSelect = 0xca; // the truth table of a ? b : c
    Value masks = b.constant(bits.getType(), everyByte(mask));
    Value indices = b.intrinsic(
        bits.getType(), "llvm.x86.avx512.pternlog.d.512",
        {masks, rawValueIndices(codes, entry, part), bits, b.i32(kSelect)});
    std::array<int8_t, 64> table;
    for (size_t i = 0; i < table.size(); ++i) {
      const Table &from = i >> valueIndexBits & 1 ? set : clear;
      table[i] = from[i & static_cast<size_t>(mask)];
    }
    Value found = b.intrinsic(b.vec(b.i8(), 4 * kRowLanes),
                              "llvm.x86.avx512.permvar.qi.512",
                              {b.constants(llvm::ArrayRef<int8_t>(table)),
                               b.recast(indices, b.i8())});
    return b.recast(found, b.i32());
  }
  int64_t mask = 0;
  for (int64_t j = 0; j < 4; ++j) {
    mask |= int64_t{1} << (8 * j + choice.first % 8 + step * j);
  }
  Value bits = b.recast(
      b.andBits(math.spread(choice.word, choice.first / 8), mask), b.i8());
  Value indices = b.recast(valueIndices(codes, entry, part), b.i8());
  auto through = [&](const Table &table) {
    std::array<int8_t, 16> entries = {};
    std::ranges::copy(table, entries.begin());
    return lookUpInt8(b, indices, entries);
  };
  Value isClear = b.equal(bits, b.zero(bits.getType()));
  return b.recast(b.select(isClear, through(clear), through(set)), b.i32());
}

} // namespace air::codegen
