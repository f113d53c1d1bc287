//===- DecodeFloatUnits.cpp - units that are multiplied in float32 --------===//
#include "codegen/cuda/DecodeMatMulText.h"

namespace air::codegen::cuda {
namespace {

// Every dtype's text defines weightsOf, which returns weights as float32: those
// of a lane's 8 columns of block i, in rows g and g+8.
constexpr const char *kF32 = R"(
struct Unit { Planes<8> words; };
AP_DEVICE void weightsOf(float (&w)[2][8], const Unit &unit, u32 i) {
#pragma unroll
  for (u32 j = 0; j < 4; ++j) {
    const Word4 v = unit.words[i * 4 + j];
    float *to = w[j / 2] + j % 2 * 4;
    to[0] = ap_float_of_bits(v.x);
    to[1] = ap_float_of_bits(v.y);
    to[2] = ap_float_of_bits(v.z);
    to[3] = ap_float_of_bits(v.w);
  }
}
)";

constexpr const char *kF64 = R"(
struct Unit { Planes<8> words; };
AP_DEVICE float floatOfDouble(u32 low, u32 high) {
  union { u32 words[2]; double value; } bits = {{low, high}};
  return (float)bits.value;
}
AP_DEVICE void weightsOf(float (&w)[2][8], const Unit &unit, u32 i) {
#pragma unroll
  for (u32 j = 0; j < 8; ++j) {
    const Word4 v = unit.words[i * 8 + j];
    w[j / 4][j % 4 * 2] = floatOfDouble(v.x, v.y);
    w[j / 4][j % 4 * 2 + 1] = floatOfDouble(v.z, v.w);
  }
}
)";

constexpr const char *kBF16 = R"(
struct Unit { Planes<4> words; };
AP_DEVICE void weightsOf(float (&w)[2][8], const Unit &unit, u32 i) {
#pragma unroll
  for (u32 four = 0; four < 2; ++four) {
    const Word4 v = unit.words[2 * i + four];
    const u32 pairs[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (u32 j = 0; j < 4; ++j) {
      float *to = w[j % 2] + four * 4 + j / 2 * 2;
      to[0] = ap_float_of_bits(pairs[j] << 16);
      to[1] = ap_float_of_bits(pairs[j] & 0xffff0000);
    }
  }
}
)";

constexpr const char *kMultiply = R"(
AP_DEVICE void loadUnit(Unit &unit, const u8 *p, u32 lane) { unit.words.load(p + lane * 16); }

// A lane adds up its own columns, for rows g and g+8 and all tokens. totalOf()
// adds the sums of the four lanes that share these rows, and gives each lane
// the totals that an mma would give it.
struct Sums { float of[2][8]; };
AP_DEVICE void totalOf(const Sums &sums, float (&total)[4]) {
  const u32 t = ap_thread() % 4;
#pragma unroll
  for (u32 row = 0; row < 2; ++row) {
#pragma unroll
    for (u32 token = 0; token < kTokens; ++token) {
      float sum = sums.of[row][token];
      sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 1));
      sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 2));
      if (token / 2 == t) {
        total[row * 2 + token % 2] = sum;
      }
    }
  }
}
AP_DEVICE void multiplyUnits(Sums (&sums)[kRowTiles][kTokenGroups],
                             const Unit (&units)[kRowTiles], const u8 *x, const u8 *) {
  // x points at the lane's columns of token g % kTokens.
  const u8 *ofFirstToken = x - ap_thread() % 32 / 4 % kTokens * kXStride;
#pragma unroll kBlockUnroll
  for (u32 i = 0; i < kUnitColumns / 32; ++i) {
    float w[kRowTiles][2][8];
#pragma unroll
    for (u32 tile = 0; tile < kRowTiles; ++tile) {
      weightsOf(w[tile], units[tile], i);
    }
#pragma unroll
    for (u32 at = 0; at < kTokenGroups * kTokens; ++at) {
      const u32 token = at % kTokens;
      const u32 group = at / kTokens;
      const u8 *from = ofFirstToken + group * kGroupStride + token * kXStride + i * kBlockStride;
      const Word4 upper = *(const Word4 *)from;
      const Word4 lower = *(const Word4 *)(from + kXLow);
      const u32 high[4] = {upper.x, upper.y, upper.z, upper.w};
      const u32 low[4] = {lower.x, lower.y, lower.z, lower.w};
#pragma unroll
      for (u32 j = 0; j < 8; ++j) {
        const u32 bits = j % 2 == 0 ? ap_permute(high[j / 2], low[j / 2], 0x1054)
                                    : ap_permute(high[j / 2], low[j / 2], 0x3276);
        const float value = ap_float_of_bits(bits);
#pragma unroll
        for (u32 tile = 0; tile < kRowTiles; ++tile) {
          float(&sum)[2][8] = sums[tile][group].of;
          sum[0][token] = ap_fma(w[tile][0][j], value, sum[0][token]);
          sum[1][token] = ap_fma(w[tile][1][j], value, sum[1][token]);
        }
      }
    }
  }
}
)";

} // namespace

std::string floatUnitText(DType dtype) {
  const char *unit = dtype == DType::F32   ? kF32
                     : dtype == DType::F64 ? kF64
                                           : kBF16;
  return std::string(unit) + kMultiply;
}

} // namespace air::codegen::cuda
