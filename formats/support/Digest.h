//===- Digest.h - content digests -------------------------------*- C++ -*-===//
//
// Digests are XXH3-128 (xxHash 0.8,
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), stored as 16
// bytes in canonical (big-endian) order. They detect accidental changes, not
// attacks.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_DIGEST_H
#define AIRPACK_FORMATS_SUPPORT_DIGEST_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace air {

using Digest = std::array<uint8_t, 16>;

Digest digestOf(std::span<const uint8_t> bytes);

/// Returns the digest as 32 lower-case hexadecimal digits.
std::string toHex(const Digest &digest);

/// Computes the digest of bytes that arrive in pieces. The result equals
/// digestOf() of the concatenated pieces.
class DigestStream {
public:
  DigestStream();
  ~DigestStream();
  DigestStream(DigestStream &&) noexcept;
  DigestStream &operator=(DigestStream &&) noexcept;
  void update(std::span<const uint8_t> bytes);
  Digest finish() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_DIGEST_H
