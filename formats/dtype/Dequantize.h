//===- Dequantize.h - one block decoder per dtype ---------------*- C++ -*-===//
//
// Private to formats/dtype: each function decodes `count` blocks. The order of
// float operations is gguf-py's, so results agree to the last bit; the library
// is built without contraction into fused multiply-add.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H
#define AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H

#include "formats/dtype/Half.h"

#include <cstdint>
#include <cstring>

namespace air::dequant {

/// A little-endian scalar at any alignment.
template <typename T> inline T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}
inline float loadHalf(const uint8_t *bytes) {
  return halfToFloat(load<uint16_t>(bytes));
}

// DequantPlain.cpp: one element per block.
void f32(const uint8_t *blocks, float *values, uint64_t count);
void f16(const uint8_t *blocks, float *values, uint64_t count);
void bf16(const uint8_t *blocks, float *values, uint64_t count);
void f64(const uint8_t *blocks, float *values, uint64_t count);
void i8(const uint8_t *blocks, float *values, uint64_t count);
void i16(const uint8_t *blocks, float *values, uint64_t count);
void i32(const uint8_t *blocks, float *values, uint64_t count);
void i64(const uint8_t *blocks, float *values, uint64_t count);

// DequantLegacy.cpp: 32 elements share one scale.
void q4x0(const uint8_t *blocks, float *values, uint64_t count);
void q4x1(const uint8_t *blocks, float *values, uint64_t count);
void q5x0(const uint8_t *blocks, float *values, uint64_t count);
void q5x1(const uint8_t *blocks, float *values, uint64_t count);
void q8x0(const uint8_t *blocks, float *values, uint64_t count);
void q8x1(const uint8_t *blocks, float *values, uint64_t count);

// DequantK.cpp: 256 elements with quantised scales.
void q2k(const uint8_t *blocks, float *values, uint64_t count);
void q3k(const uint8_t *blocks, float *values, uint64_t count);
void q4k(const uint8_t *blocks, float *values, uint64_t count);
void q5k(const uint8_t *blocks, float *values, uint64_t count);
void q6k(const uint8_t *blocks, float *values, uint64_t count);
void q8k(const uint8_t *blocks, float *values, uint64_t count);

// DequantIq.cpp: indices into grids or a value table.
void iq1s(const uint8_t *blocks, float *values, uint64_t count);
void iq1m(const uint8_t *blocks, float *values, uint64_t count);
void iq2xxs(const uint8_t *blocks, float *values, uint64_t count);
void iq2xs(const uint8_t *blocks, float *values, uint64_t count);
void iq2s(const uint8_t *blocks, float *values, uint64_t count);
void iq3xxs(const uint8_t *blocks, float *values, uint64_t count);
void iq3s(const uint8_t *blocks, float *values, uint64_t count);
void iq4nl(const uint8_t *blocks, float *values, uint64_t count);
void iq4xs(const uint8_t *blocks, float *values, uint64_t count);

// DequantSmall.cpp: one- and two-bit, ternary and four-bit float types.
void q1x0(const uint8_t *blocks, float *values, uint64_t count);
void q2x0(const uint8_t *blocks, float *values, uint64_t count);
void tq1x0(const uint8_t *blocks, float *values, uint64_t count);
void tq2x0(const uint8_t *blocks, float *values, uint64_t count);
void mxfp4(const uint8_t *blocks, float *values, uint64_t count);
void nvfp4(const uint8_t *blocks, float *values, uint64_t count);

} // namespace air::dequant

#endif // AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H
