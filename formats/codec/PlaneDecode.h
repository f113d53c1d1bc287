//===- PlaneDecode.h - loops that decode planes -----------------*- C++ -*-===//
//
// The inner loop of decodePlanes() (Planes.h), once in plain C++ and once for
// each instruction set that makes it faster. All versions produce the same
// bytes.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_CODEC_PLANEDECODE_H
#define AIRPACK_FORMATS_CODEC_PLANEDECODE_H

#include <cstdint>

namespace air::codec {

/// The planes of one chunk. The caller has checked that they lie within the
/// chunk and that `escapes` has one byte for each value with code 7.
struct Planes {
  const uint8_t *exponents = nullptr; ///< 7 exponents, which have codes 0 to 6
  const uint8_t *fractions = nullptr; ///< sign and significand of each value
  const uint8_t *codes = nullptr;     ///< 24 bytes per block of 64 values
  const uint8_t *escapes = nullptr;   ///< exponents of all values with code 7
  uint64_t blocks = 0;
};

/// Decodes all blocks. Each block fills 128 bytes of `values`.
using DecodePlanesFn = void (*)(const Planes &planes, uint8_t *values);

/// Works on every machine.
void decodePlanesPlain(const Planes &planes, uint8_t *values);

/// The fastest function that this machine can run.
DecodePlanesFn fastestPlaneDecoder();

/// The functions for particular instruction sets; null if this machine lacks
/// the instruction set, or if this build is for another architecture.
DecodePlanesFn planeDecoderAvx2();
DecodePlanesFn planeDecoderAvx512();

} // namespace air::codec

#endif // AIRPACK_FORMATS_CODEC_PLANEDECODE_H
