//===- Encoder.h - what all algorithms have in common -----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ENCODER_H
#define AIRPACK_RUNTIME_TEXT_ENCODER_H

#include <cstdint>
#include <string_view>
#include <vector>

namespace air::rt {

/// Turns text without special tokens into ids. Immutable once created; any
/// number of threads may encode text.
class Encoder {
public:
  virtual ~Encoder() = default;

  /// Appends the ids of `text`, which is not empty and may contain any bytes.
  virtual void encode(std::string_view text,
                      std::vector<int32_t> &ids) const = 0;

  /// True if the text may be normalised to fewer bytes before it is encoded.
  virtual bool shrinksText() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ENCODER_H
