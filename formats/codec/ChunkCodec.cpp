//===- ChunkCodec.cpp - lossless coding of chunks of weights --------------===//
#include "formats/codec/ChunkCodec.h"

#include "formats/codec/Planes.h"

#include <array>
#include <string>
#include <zstd.h>

namespace air {

namespace {

// A chunk of the codec Zstd consists of one byte, kPlain or kSeparated; the
// size of the zstd frame as a little-endian word of 32 bits; and the frame.
constexpr uint8_t kPlain = 0;
constexpr uint8_t kSeparated = 1; ///< bytes 0, 2, 4, ..., then 1, 3, 5, ...
constexpr size_t kZstdHeader = 5;
/// Higher levels make weights hardly any smaller, but take much longer.
constexpr int kZstdLevel = 3;

struct ContextDeleter {
  void operator()(ZSTD_DCtx *context) const { ZSTD_freeDCtx(context); }
};

std::vector<uint8_t> separate(std::span<const uint8_t> raw) {
  std::vector<uint8_t> separated(raw.size());
  const size_t odd = (raw.size() + 1) / 2;
  for (size_t i = 0; i < raw.size(); ++i) {
    separated[i % 2 == 0 ? i / 2 : odd + i / 2] = raw[i];
  }
  return separated;
}

void join(const uint8_t *__restrict separated, std::span<uint8_t> raw) {
  const size_t odd = (raw.size() + 1) / 2;
  uint8_t *__restrict to = raw.data();
  for (size_t i = 0; i < raw.size() / 2; ++i) {
    to[2 * i] = separated[i];
    to[2 * i + 1] = separated[odd + i];
  }
  if (raw.size() % 2 != 0) {
    raw.back() = separated[odd - 1];
  }
}

Result<std::vector<uint8_t>> frameOf(uint8_t form,
                                     std::span<const uint8_t> bytes) {
  std::vector<uint8_t> coded(kZstdHeader + ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compress(coded.data() + kZstdHeader, coded.size() - kZstdHeader,
                    bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) {
    return internalError(std::string("zstd cannot compress a chunk: ") +
                         ZSTD_getErrorName(size));
  }
  coded.resize(kZstdHeader + size);
  coded[0] = form;
  for (size_t i = 0; i < 4; ++i) {
    coded[1 + i] = static_cast<uint8_t>(size >> (8 * i));
  }
  return coded;
}

Result<std::vector<uint8_t>> encodeZstd(std::span<const uint8_t> raw) {
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> plain, frameOf(kPlain, raw));
  AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> separated,
                       frameOf(kSeparated, separate(raw)));
  return separated.size() < plain.size() ? separated : plain;
}

Status corrupt(const std::string &why) {
  return corruptError("a chunk coded with zstd is damaged: " + why);
}

} // namespace

struct ChunkScratch::Parts {
  std::unique_ptr<ZSTD_DCtx, ContextDeleter> context;
  std::vector<uint8_t> separated;
};

ChunkScratch::ChunkScratch() : parts(std::make_unique<Parts>()) {}
ChunkScratch::~ChunkScratch() = default;
ChunkScratch::ChunkScratch(ChunkScratch &&) noexcept = default;
ChunkScratch &ChunkScratch::operator=(ChunkScratch &&) noexcept = default;

Result<std::vector<uint8_t>> encodeChunk(ChunkCodec codec,
                                         std::span<const uint8_t> raw) {
  switch (codec) {
  case ChunkCodec::Planes:
    return codec::encodePlanes(raw);
  case ChunkCodec::Zstd:
    return encodeZstd(raw);
  case ChunkCodec::None:
    break;
  }
  return internalError("a chunk was to be encoded, but no codec was given");
}

Status decodeChunk(ChunkCodec codec, std::span<const uint8_t> stored,
                   std::span<uint8_t> raw, ChunkScratch &scratch) {
  if (codec == ChunkCodec::Planes) {
    return codec::decodePlanes(stored, raw);
  }
  if (codec != ChunkCodec::Zstd) {
    return internalError("a chunk was to be decoded, but no codec was given");
  }
  if (stored.size() < kZstdHeader) {
    return corrupt("it has " + std::to_string(stored.size()) +
                   " bytes, but its header alone has 5");
  }
  if (stored[0] > kSeparated) {
    return corrupt("the first byte of its header is " +
                   std::to_string(stored[0]) + ", but must be 0 or 1");
  }
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) {
    size |= uint32_t{stored[1 + i]} << (8 * i);
  }
  const bool isSeparated = stored[0] == kSeparated;
  ChunkScratch::Parts &parts = *scratch.parts;
  if (parts.context == nullptr) {
    parts.context.reset(ZSTD_createDCtx());
  }
  if (parts.context == nullptr) {
    return doesNotFitError("there is not enough memory to decode with zstd");
  }
  if (size > stored.size() - kZstdHeader) {
    return corrupt("its header states " + std::to_string(size) +
                   " bytes of data, but only " +
                   std::to_string(stored.size() - kZstdHeader) +
                   " bytes follow");
  }
  if (isSeparated) {
    parts.separated.resize(raw.size());
  }
  uint8_t *to = isSeparated ? parts.separated.data() : raw.data();
  const size_t found = ZSTD_decompressDCtx(parts.context.get(), to, raw.size(),
                                           stored.data() + kZstdHeader, size);
  if (ZSTD_isError(found) != 0) {
    return corrupt(ZSTD_getErrorName(found));
  }
  if (found != raw.size()) {
    return corrupt("its data decode to " + std::to_string(found) +
                   " bytes, but the chunk has " + std::to_string(raw.size()));
  }
  if (isSeparated) {
    join(to, raw);
  }
  return Status::ok();
}

} // namespace air
