//===- CheckedMath.h - arithmetic on sizes that come from files -*- C++ -*-===//
//
// Sizes and offsets that are read from a file are added and multiplied with the
// checked functions until they are known to be small. These functions return
// std::nullopt if the exact result does not fit in 64 bits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_CHECKEDMATH_H
#define AIRPACK_FORMATS_SUPPORT_CHECKEDMATH_H

#include <bit>
#include <cstdint>
#include <optional>

namespace air {

inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return std::nullopt;
  }
  return sum;
}

inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return std::nullopt;
  }
  return product;
}

/// Rounds `value` up to a multiple of `alignment`. Returns nullopt if the
/// result overflows or `alignment` is not a power of two.
inline std::optional<uint64_t> checkedAlignUp(uint64_t value,
                                              uint64_t alignment) {
  if (!std::has_single_bit(alignment)) {
    return std::nullopt;
  }
  std::optional<uint64_t> bumped = checkedAdd(value, alignment - 1);
  if (!bumped) {
    return std::nullopt;
  }
  return *bumped & ~(alignment - 1);
}

/// True when [offset, offset + size) lies inside [0, limit).
inline bool rangeFits(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

/// alignUp() and ceilDiv() do not check for overflow. They are for values that
/// are known to be small: constants of this project and verified sizes.
constexpr uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}
constexpr uint64_t ceilDiv(uint64_t value, uint64_t divisor) {
  return (value + divisor - 1) / divisor;
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_CHECKEDMATH_H
