//===- Planes.h - bfloat16 numbers with short exponents ---------*- C++ -*-===//
//
// The codec Planes of ChunkCodec.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_CODEC_PLANES_H
#define AIRPACK_FORMATS_CODEC_PLANES_H

#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::codec {

std::vector<uint8_t> encodePlanes(std::span<const uint8_t> raw);
Status decodePlanes(std::span<const uint8_t> stored, std::span<uint8_t> raw);

} // namespace air::codec

#endif // AIRPACK_FORMATS_CODEC_PLANES_H
