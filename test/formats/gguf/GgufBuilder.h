//===- GgufBuilder.h - small GGUF files for tests ---------------*- C++ -*-===//
//
// Writes whatever a test specifies, right or wrong: counts, offsets and types
// can be overridden one by one.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_FORMATS_GGUF_GGUFBUILDER_H
#define AIRPACK_TEST_FORMATS_GGUF_GGUFBUILDER_H

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace air::test {

using Bytes = std::vector<uint8_t>;

template <typename T> void append(Bytes &bytes, T value) {
  static_assert(std::is_arithmetic_v<T>);
  uint8_t raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}
inline void append(Bytes &bytes, const Bytes &more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
/// Appends a GGUF string: a u64 length, followed by the bytes.
inline void appendString(Bytes &bytes, std::string_view text) {
  append<uint64_t>(bytes, text.size());
  bytes.insert(bytes.end(), text.begin(), text.end());
}

enum GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

template <typename T> constexpr GgufType typeOf() {
  if constexpr (std::is_same_v<T, bool>) {
    return kBool;
  } else if constexpr (std::is_floating_point_v<T>) {
    return sizeof(T) == 4 ? kFloat32 : kFloat64;
  } else {
    constexpr bool kSigned = std::is_signed_v<T>;
    switch (sizeof(T)) {
    case 1:
      return kSigned ? kInt8 : kUint8;
    case 2:
      return kSigned ? kInt16 : kUint16;
    case 4:
      return kSigned ? kInt32 : kUint32;
    default:
      return kSigned ? kInt64 : kUint64;
    }
  }
}

class GgufBuilder {
public:
  std::string magic = "GGUF";
  uint32_t version = 3;
  /// The alignment of tensor data. It is not written; a test that changes it
  /// must also add the key general.alignment.
  uint64_t alignment = 32;
  std::optional<uint64_t> metadataCount; ///< written instead of the true count
  std::optional<uint64_t> tensorCount;   ///< written instead of the true count
  Bytes afterMetadata;                   ///< raw bytes after the last entry

  struct Tensor {
    std::string name;
    std::vector<uint64_t> extents; ///< as in the file: row length first
    uint32_t type = 0;
    Bytes data;
    /// If this is set, it is written instead of the true offset.
    std::optional<uint64_t> offset = std::nullopt;
  };

  /// Adds a key whose value is given as raw bytes.
  GgufBuilder &raw(std::string_view key, uint32_t type, const Bytes &value) {
    appendString(metadata, key);
    append(metadata, type);
    append(metadata, value);
    ++entries;
    return *this;
  }
  template <typename T> GgufBuilder &value(std::string_view key, T scalar) {
    Bytes bytes;
    if constexpr (std::is_same_v<T, bool>) {
      append<uint8_t>(bytes, scalar ? 1 : 0);
    } else {
      append(bytes, scalar);
    }
    return raw(key, typeOf<T>(), bytes);
  }
  GgufBuilder &text(std::string_view key, std::string_view string) {
    Bytes bytes;
    appendString(bytes, string);
    return raw(key, kString, bytes);
  }
  template <typename T>
  GgufBuilder &array(std::string_view key, const std::vector<T> &elements) {
    Bytes bytes;
    append<uint32_t>(bytes, typeOf<T>());
    append<uint64_t>(bytes, elements.size());
    for (T element : elements) {
      if constexpr (std::is_same_v<T, bool>) {
        append<uint8_t>(bytes, element ? 1 : 0);
      } else {
        append(bytes, element);
      }
    }
    return raw(key, kArray, bytes);
  }
  GgufBuilder &texts(std::string_view key,
                     const std::vector<std::string> &elements) {
    Bytes bytes;
    append<uint32_t>(bytes, kString);
    append<uint64_t>(bytes, elements.size());
    for (const std::string &element : elements) {
      appendString(bytes, element);
    }
    return raw(key, kArray, bytes);
  }
  GgufBuilder &tensor(Tensor tensor) {
    tensors.push_back(std::move(tensor));
    return *this;
  }

  Bytes build() const {
    Bytes file(magic.begin(), magic.end());
    append<uint32_t>(file, version);
    append<uint64_t>(file, tensorCount.value_or(tensors.size()));
    append<uint64_t>(file, metadataCount.value_or(entries));
    append(file, metadata);
    append(file, afterMetadata);
    Bytes data;
    for (const Tensor &tensor : tensors) {
      pad(data);
      appendString(file, tensor.name);
      append<uint32_t>(file, static_cast<uint32_t>(tensor.extents.size()));
      for (uint64_t extent : tensor.extents) {
        append<uint64_t>(file, extent);
      }
      append<uint32_t>(file, tensor.type);
      append<uint64_t>(file, tensor.offset.value_or(data.size()));
      append(data, tensor.data);
    }
    if (!tensors.empty()) {
      pad(file);
      append(file, data);
    }
    return file;
  }

private:
  void pad(Bytes &bytes) const {
    while (bytes.size() % alignment != 0) {
      bytes.push_back(0);
    }
  }

  Bytes metadata;
  uint64_t entries = 0;
  std::vector<Tensor> tensors;
};

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_GGUF_GGUFBUILDER_H
