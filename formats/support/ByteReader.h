//===- ByteReader.h - bounds-checked little-endian cursor -------*- C++ -*-===//
//
// A ByteReader reads scalars and byte runs from a span without ever looking
// past its end. A failed read leaves the cursor where it was and returns
// std::nullopt. The error message is left to the caller, who knows what was
// being read.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_BYTEREADER_H
#define AIRPACK_FORMATS_SUPPORT_BYTEREADER_H

#include "formats/support/CheckedMath.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace air {

class ByteReader {
public:
  explicit ByteReader(std::span<const uint8_t> bytes) : all(bytes) {}

  uint64_t position() const { return cursor; }
  uint64_t remaining() const { return all.size() - cursor; }
  bool seek(uint64_t offset) {
    if (offset > all.size()) {
      return false;
    }
    cursor = offset;
    return true;
  }

  /// Reads one little-endian scalar. The host must be little-endian, too, which
  /// the code asserts at compile time.
  template <typename T> std::optional<T> read() {
    static_assert(std::is_trivially_copyable_v<T>);
    static_assert(std::endian::native == std::endian::little,
                  "the formats are little-endian and read in place");
    if (sizeof(T) > remaining()) {
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, all.data() + cursor, sizeof(T));
    cursor += sizeof(T);
    return value;
  }

  std::optional<std::span<const uint8_t>> readBytes(uint64_t size) {
    if (size > remaining()) {
      return std::nullopt;
    }
    std::span<const uint8_t> run = all.subspan(cursor, size);
    cursor += size;
    return run;
  }

private:
  std::span<const uint8_t> all;
  uint64_t cursor = 0;
};

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_BYTEREADER_H
