//===- Dequantize.h - one block decoder per dtype ---------------*- C++ -*-===//
//
// This header is private to formats/dtype. Each decoder decodes `count` blocks
// into `values`. The float operations are in the order of gguf-py, so that the
// results agree with gguf-py to the last bit. For the same reason the library
// is built without contraction into fused multiply-adds.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H
#define AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H

#include "formats/dtype/Half.h"

#include <cstdint>
#include <cstring>

namespace air::dequant {

/// Loads a little-endian scalar from an address of any alignment.
template <typename T> inline T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}
inline float loadHalf(const uint8_t *bytes) {
  return halfToFloat(load<uint16_t>(bytes));
}

// Defined in DequantPlain.cpp. A block is one element.
void f32(const uint8_t *blocks, float *values, uint64_t count);
void f16(const uint8_t *blocks, float *values, uint64_t count);
void bf16(const uint8_t *blocks, float *values, uint64_t count);
void f64(const uint8_t *blocks, float *values, uint64_t count);
void i8(const uint8_t *blocks, float *values, uint64_t count);
void i16(const uint8_t *blocks, float *values, uint64_t count);
void i32(const uint8_t *blocks, float *values, uint64_t count);
void i64(const uint8_t *blocks, float *values, uint64_t count);

// Defined in DequantLegacy.cpp. A block has 32 elements and one scale.
void q4x0(const uint8_t *blocks, float *values, uint64_t count);
void q4x1(const uint8_t *blocks, float *values, uint64_t count);
void q5x0(const uint8_t *blocks, float *values, uint64_t count);
void q5x1(const uint8_t *blocks, float *values, uint64_t count);
void q8x0(const uint8_t *blocks, float *values, uint64_t count);
void q8x1(const uint8_t *blocks, float *values, uint64_t count);

// Defined in DequantK.cpp. A block has 256 elements and, except for q8k,
// several quantised scales.
void q2k(const uint8_t *blocks, float *values, uint64_t count);
void q3k(const uint8_t *blocks, float *values, uint64_t count);
void q4k(const uint8_t *blocks, float *values, uint64_t count);
void q5k(const uint8_t *blocks, float *values, uint64_t count);
void q6k(const uint8_t *blocks, float *values, uint64_t count);
void q8k(const uint8_t *blocks, float *values, uint64_t count);

// Defined in DequantIq.cpp. A block has indices into a codebook or, for iq4nl
// and iq4xs, into a table of 16 values.
void iq1s(const uint8_t *blocks, float *values, uint64_t count);
void iq1m(const uint8_t *blocks, float *values, uint64_t count);
void iq2xxs(const uint8_t *blocks, float *values, uint64_t count);
void iq2xs(const uint8_t *blocks, float *values, uint64_t count);
void iq2s(const uint8_t *blocks, float *values, uint64_t count);
void iq3xxs(const uint8_t *blocks, float *values, uint64_t count);
void iq3s(const uint8_t *blocks, float *values, uint64_t count);
void iq4nl(const uint8_t *blocks, float *values, uint64_t count);
void iq4xs(const uint8_t *blocks, float *values, uint64_t count);

// Defined in DequantSmall.cpp: one- and two-bit, ternary and four-bit float
// dtypes.
void q1x0(const uint8_t *blocks, float *values, uint64_t count);
void q2x0(const uint8_t *blocks, float *values, uint64_t count);
void tq1x0(const uint8_t *blocks, float *values, uint64_t count);
void tq2x0(const uint8_t *blocks, float *values, uint64_t count);
void mxfp4(const uint8_t *blocks, float *values, uint64_t count);
void nvfp4(const uint8_t *blocks, float *values, uint64_t count);

} // namespace air::dequant

#endif // AIRPACK_FORMATS_DTYPE_DEQUANTIZE_H
