//===- RandomBytes.h - reproducible random bytes for tests ------*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_RANDOMBYTES_H
#define AIRPACK_TEST_FORMATS_RANDOMBYTES_H

#include <cstdint>
#include <random>
#include <vector>

namespace air::test {

/// Random bytes that depend on `seed` alone, not on the standard library.
inline std::vector<uint8_t> randomBytes(uint64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random());
  }
  return bytes;
}

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_RANDOMBYTES_H
