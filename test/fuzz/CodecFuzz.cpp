//===- CodecFuzz.cpp - decodes damaged chunks -----------------------------===//
//
// The first byte of the input chooses the codec, and the next two bytes are a
// size. The rest of the input is decoded as if it were an encoded chunk that
// has this size after decoding; decoding may fail. The rest is also encoded,
// and decoding the result must restore it.
//
//===----------------------------------------------------------------------===//
#include "formats/codec/ChunkCodec.h"

#include <cstdlib>

using namespace air;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) {
    return 0;
  }
  const ChunkCodec codec =
      data[0] % 2 == 0 ? ChunkCodec::Planes : ChunkCodec::Zstd;
  const std::span<const uint8_t> bytes(data + 3, size - 3);
  std::vector<uint8_t> raw(size_t{data[1]} + 256 * size_t{data[2]});
  ChunkScratch scratch;
  (void)decodeChunk(codec, bytes, raw, scratch);

  const Result<std::vector<uint8_t>> coded = encodeChunk(codec, bytes);
  std::vector<uint8_t> back(bytes.size());
  if (!coded || !decodeChunk(codec, *coded, back, scratch).isOk() ||
      !std::equal(back.begin(), back.end(), bytes.begin())) {
    std::abort();
  }
  return 0;
}
