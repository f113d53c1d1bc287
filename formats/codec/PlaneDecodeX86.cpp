//===- PlaneDecodeX86.cpp - loops that decode planes with AVX -------------===//
#include "formats/codec/PlaneDecode.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace air::codec {

#if defined(__x86_64__)

namespace {

/// Bits 0, 1 and 2 of the codes of a block's 64 values, one word for each bit.
struct CodeWords {
  uint64_t low, middle, high;
};

CodeWords loadCodes(const Planes &planes, uint64_t block) {
  CodeWords words;
  std::memcpy(&words, planes.codes + block * sizeof(words), sizeof(words));
  return words;
}

/// Fills in the exponents of those values of a block whose code is 7; the
/// vector instructions have set these exponents to 0. Reads them from
/// `escaped`, one byte each, and returns the end of the bytes that it read.
const uint8_t *addEscapes(const CodeWords &words, const uint8_t *escaped,
                          uint8_t *values) {
  for (uint64_t left = words.low & words.middle & words.high; left != 0;
       left &= left - 1) {
    uint8_t *value = values + 2 * std::countr_zero(left);
    const uint8_t exponent = *escaped++;
    value[0] = static_cast<uint8_t>(value[0] | exponent << 7);
    value[1] = static_cast<uint8_t>(value[1] | exponent >> 1);
  }
  return escaped;
}

/// Turns 32 bits into 32 bytes, each 0 or `bit`.
__attribute__((target("avx2"))) __m256i bytesOf(uint32_t bits, char bit) {
  const __m256i whichByte = _mm256_setr_epi64x(
      0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i whichBit =
      _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i spread = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int32_t>(bits)), whichByte);
  const __m256i isSet =
      _mm256_cmpeq_epi8(_mm256_and_si256(spread, whichBit), whichBit);
  return _mm256_and_si256(isSet, _mm256_set1_epi8(bit));
}

__attribute__((target("avx2"))) void decodeAvx2(const Planes &planes,
                                                uint8_t *values) {
  alignas(16) uint8_t entries[16] = {};
  std::memcpy(entries, planes.exponents, 7);
  const __m256i table = _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i *>(entries)));
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
  const uint8_t *escaped = planes.escapes;
  for (uint64_t block = 0; block < planes.blocks; ++block) {
    const CodeWords words = loadCodes(planes, block);
    uint8_t *to = values + block * 128;
    for (unsigned half = 0; half < 2; ++half) {
      const unsigned shift = 32 * half;
      const __m256i codes = _mm256_or_si256(
          bytesOf(static_cast<uint32_t>(words.low >> shift), 1),
          _mm256_or_si256(
              bytesOf(static_cast<uint32_t>(words.middle >> shift), 2),
              bytesOf(static_cast<uint32_t>(words.high >> shift), 4)));
      const __m256i exponents = _mm256_shuffle_epi8(table, codes);
      const __m256i fractions =
          _mm256_loadu_si256(reinterpret_cast<const __m256i *>(
              planes.fractions + block * 64 + 32 * half));
      // The low byte of a BF16 number is the lowest bit of the exponent,
      // followed by the fraction. The high byte is the sign, followed by the
      // other bits of the exponent.
      const __m256i low = _mm256_or_si256(
          _mm256_and_si256(_mm256_slli_epi16(exponents, 7), sign),
          _mm256_andnot_si256(sign, fractions));
      const __m256i high = _mm256_or_si256(
          _mm256_andnot_si256(sign, _mm256_srli_epi16(exponents, 1)),
          _mm256_and_si256(fractions, sign));
      const __m256i even = _mm256_unpacklo_epi8(low, high);
      const __m256i odd = _mm256_unpackhi_epi8(low, high);
      auto *out = reinterpret_cast<__m256i *>(to + 64 * half);
      _mm256_storeu_si256(out, _mm256_permute2x128_si256(even, odd, 0x20));
      _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    }
    escaped = addEscapes(words, escaped, to);
  }
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) void
decodeAvx512(const Planes &planes, uint8_t *values) {
  alignas(16) uint8_t entries[16] = {};
  std::memcpy(entries, planes.exponents, 7);
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_load_si128(reinterpret_cast<const __m128i *>(entries)));
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  // The unpack instructions work on each 128-bit lane separately, so the lanes
  // of `even` have values 0-7, 16-23, 32-39 and 48-55 of the block, and those
  // of `odd` have the values between. These indices of 64-bit elements take the
  // lanes of `even` and `odd` in turn, which puts the values in order.
  const __m512i firstHalf = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i secondHalf = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const uint8_t *escaped = planes.escapes;
  for (uint64_t block = 0; block < planes.blocks; ++block) {
    const CodeWords words = loadCodes(planes, block);
    __m512i codes = _mm512_maskz_set1_epi8(words.low, 1);
    codes =
        _mm512_mask_add_epi8(codes, words.middle, codes, _mm512_set1_epi8(2));
    codes = _mm512_mask_add_epi8(codes, words.high, codes, _mm512_set1_epi8(4));
    const __m512i exponents = _mm512_shuffle_epi8(table, codes);
    const __m512i fractions = _mm512_loadu_si512(planes.fractions + block * 64);
    const __m512i low =
        _mm512_or_si512(_mm512_and_si512(_mm512_slli_epi16(exponents, 7), sign),
                        _mm512_andnot_si512(sign, fractions));
    const __m512i high = _mm512_or_si512(
        _mm512_andnot_si512(sign, _mm512_srli_epi16(exponents, 1)),
        _mm512_and_si512(fractions, sign));
    const __m512i even = _mm512_unpacklo_epi8(low, high);
    const __m512i odd = _mm512_unpackhi_epi8(low, high);
    uint8_t *to = values + block * 128;
    _mm512_storeu_si512(to, _mm512_permutex2var_epi64(even, firstHalf, odd));
    _mm512_storeu_si512(to + 64,
                        _mm512_permutex2var_epi64(even, secondHalf, odd));
    escaped = addEscapes(words, escaped, to);
  }
}

} // namespace

DecodePlanesFn planeDecoderAvx2() {
  return __builtin_cpu_supports("avx2") ? decodeAvx2 : nullptr;
}

DecodePlanesFn planeDecoderAvx512() {
  return __builtin_cpu_supports("avx512f") &&
                 __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl")
             ? decodeAvx512
             : nullptr;
}

#else

DecodePlanesFn planeDecoderAvx2() { return nullptr; }
DecodePlanesFn planeDecoderAvx512() { return nullptr; }

#endif

} // namespace air::codec
