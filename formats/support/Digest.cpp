//===- Digest.cpp - content digests by XXH3-128 ---------------------------===//
#include "formats/support/Digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace air {

static Digest canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  Digest digest;
  static_assert(sizeof(bytes.digest) == sizeof(Digest));
  std::memcpy(digest.data(), bytes.digest, sizeof(Digest));
  return digest;
}

Digest digestOf(std::span<const uint8_t> bytes) {
  return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string toHex(const Digest &digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

struct DigestStream::State {
  XXH3_state_t xxh;
};

DigestStream::DigestStream() : state(std::make_unique<State>()) {
  XXH3_INITSTATE(&state->xxh);
  XXH3_128bits_reset(&state->xxh);
}
DigestStream::~DigestStream() = default;
DigestStream::DigestStream(DigestStream &&) noexcept = default;
DigestStream &DigestStream::operator=(DigestStream &&) noexcept = default;

void DigestStream::update(std::span<const uint8_t> bytes) {
  XXH3_128bits_update(&state->xxh, bytes.data(), bytes.size());
}

Digest DigestStream::finish() const {
  return canonical(XXH3_128bits_digest(&state->xxh));
}

} // namespace air
