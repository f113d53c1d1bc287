//===- SplitMix64.h - the random generator of the samplers ------*- C++ -*-===//
//
// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", 2014) is a counter with a mixing function, so its n-th number
// depends only on the seed and on n.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPLITMIX64_H
#define AIRPACK_RUNTIME_TEXT_SPLITMIX64_H

#include <cstdint>

namespace air::rt {

class SplitMix64 {
public:
  explicit SplitMix64(uint64_t seed) : state(seed) {}

  uint64_t next() {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// A number in [0, 1) that consists of the upper 53 bits of next().
  double nextUnit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
  uint64_t state;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPLITMIX64_H
