//===- ChunkCodec.h - lossless coding of chunks of weights ------*- C++ -*-===//
//
// Weights that are read from the disk in every pass may be stored in a form
// that takes fewer bytes. Each chunk of a segment is coded by itself, so that a
// reader can begin at any chunk. There are two coded forms, Planes and Zstd;
// docs/plan-format.md describes them byte by byte.
//
// Planes is made for bfloat16 numbers. Most exponents of a matrix have one of
// seven values, so each number takes a code of 3 bits, while sign and
// significand stay as they are; the eighth code marks an exponent that is
// stored separately. Because all codes have the same length, vector
// instructions can decode many values at once. Zstd compresses a chunk with the
// library of that name, either as it is, or with the even and the odd bytes
// separated, whichever is smaller.
//
// Thread-safety: pure functions; a ChunkScratch is used by one thread at a
// time. Errors: decoding returns Corrupt if `stored` does not decode to the
// size of `raw`, and DoesNotFit if there is too little memory for zstd. Both
// functions return Internal for the codec None, and encoding also if zstd
// fails. Decoding never reads or writes beyond the spans that it is given,
// whatever they contain.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_CODEC_CHUNKCODEC_H
#define AIRPACK_FORMATS_CODEC_CHUNKCODEC_H

#include "formats/support/Status.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace air {

/// The values are those of plan::Codec. None means that a segment is not coded,
/// and cannot be passed to the functions below.
enum class ChunkCodec : uint8_t { None = 0, Zstd = 1, Planes = 2 };

/// Memory that decoding needs besides its input and output.
class ChunkScratch {
public:
  ChunkScratch();
  ~ChunkScratch();
  ChunkScratch(ChunkScratch &&) noexcept;
  ChunkScratch &operator=(ChunkScratch &&) noexcept;

private:
  friend Status decodeChunk(ChunkCodec codec, std::span<const uint8_t> stored,
                            std::span<uint8_t> raw, ChunkScratch &scratch);
  struct Parts; ///< hides the library's header
  std::unique_ptr<Parts> parts;
};

/// Codes a chunk of at most 1 GiB. The same bytes always give the same result,
/// which may be longer than `raw`.
Result<std::vector<uint8_t>> encodeChunk(ChunkCodec codec,
                                         std::span<const uint8_t> raw);

/// Fills `raw` with the bytes that `stored` was made from. `stored` may end
/// with other bytes, such as the padding of a page; `raw` must have the size of
/// the original. If the function fails, the contents of `raw` are unknown.
Status decodeChunk(ChunkCodec codec, std::span<const uint8_t> stored,
                   std::span<uint8_t> raw, ChunkScratch &scratch);

} // namespace air

#endif // AIRPACK_FORMATS_CODEC_CHUNKCODEC_H
