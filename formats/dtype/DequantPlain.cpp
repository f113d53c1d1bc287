//===- DequantPlain.cpp - decoders of dtypes without blocks ---------------===//
#include "formats/dtype/Dequantize.h"

namespace air::dequant {

namespace {

template <typename T>
void widen(const uint8_t *blocks, float *values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(load<T>(blocks + i * sizeof(T)));
  }
}

} // namespace

void f32(const uint8_t *blocks, float *values, uint64_t count) {
  std::memcpy(values, blocks, count * sizeof(float));
}

void f16(const uint8_t *blocks, float *values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    values[i] = loadHalf(blocks + 2 * i);
  }
}

void bf16(const uint8_t *blocks, float *values, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    values[i] = bfloat16ToFloat(load<uint16_t>(blocks + 2 * i));
  }
}

void f64(const uint8_t *blocks, float *values, uint64_t count) {
  widen<double>(blocks, values, count);
}
void i8(const uint8_t *blocks, float *values, uint64_t count) {
  widen<int8_t>(blocks, values, count);
}
void i16(const uint8_t *blocks, float *values, uint64_t count) {
  widen<int16_t>(blocks, values, count);
}
void i32(const uint8_t *blocks, float *values, uint64_t count) {
  widen<int32_t>(blocks, values, count);
}
void i64(const uint8_t *blocks, float *values, uint64_t count) {
  widen<int64_t>(blocks, values, count);
}

} // namespace air::dequant
