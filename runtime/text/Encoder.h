//===- Encoder.h - what all algorithms have in common -----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ENCODER_H
#define AIRPACK_RUNTIME_TEXT_ENCODER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// The position of a part of a text.
enum class Place : uint8_t {
  TextStart,  ///< at the start of the whole text
  AfterToken, ///< after a special token
  /// The text follows a special token that was found in normalised text.
  AfterNormalizedToken,
};

/// Turns text without special tokens into ids. Immutable once created; any
/// number of threads may encode text.
class Encoder {
public:
  virtual ~Encoder() = default;

  /// Appends the ids of `text`, which is not empty and may contain any bytes.
  virtual void encode(std::string_view text, Place place,
                      std::vector<int32_t> &ids) const = 0;

  /// Converts a text to the normalization form in which special tokens with the
  /// flag kNormalized are found. Encoding the result yields the same ids as
  /// encoding the text.
  virtual std::string normalisedForm(std::string_view text) const {
    return std::string(text);
  }

  /// True if the text may be normalised to fewer bytes before it is encoded.
  virtual bool shrinksText() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ENCODER_H
