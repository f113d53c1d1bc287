//===- Encoder.h - what all algorithms have in common -----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ENCODER_H
#define AIRPACK_RUNTIME_TEXT_ENCODER_H

#include "runtime/text/TokenOutput.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace air::rt {

/// What precedes a part of a text.
enum class Place : uint8_t {
  TextStart,  ///< nothing: the part begins the whole text
  AfterToken, ///< a special token that was found before normalisation
  /// A special token that was found after normalisation.
  AfterNormalizedToken,
};

/// The most bytes that a stretch of text may have after normalisation by a
/// Charsmap or a pipeline, which may make a text much longer.
inline constexpr size_t kLongestStretch = size_t{1} << 29;

/// The most bytes that a word may have after normalisation if its symbols are
/// merged in pairs (BPE, SPM). A text may be a single word, and a symbol has at
/// least one byte, so with this limit the number of symbols fits in int32_t.
inline constexpr size_t kLongestMergedWord = INT32_MAX - 1;

/// Turns text without special tokens into ids. Immutable once created; any
/// number of threads may encode text.
class Encoder {
public:
  virtual ~Encoder() = default;

  /// Memory that encode() uses again for each part of a text. Used by one
  /// thread at a time.
  class Scratch {
  public:
    virtual ~Scratch() = default;
  };
  /// `bytes` is the length of the whole text. Returns null if the encoder needs
  /// no scratch memory.
  virtual std::unique_ptr<Scratch> makeScratch(size_t bytes) const {
    (void)bytes;
    return nullptr;
  }

  /// Appends the ids of `text`, one of the parts of a text between its special
  /// tokens. `text` must not be empty, and may contain any bytes. `scratch`
  /// must be what makeScratch() of this encoder has returned. Returns false if,
  /// after normalisation, `text` or a word of it is too long (kLongestStretch,
  /// kLongestMergedWord); the ids are then incomplete.
  [[nodiscard]] virtual bool encode(std::string_view text, Place place,
                                    Scratch *scratch,
                                    TokenOutput &out) const = 0;

  /// Converts a text to the normalization form in which special tokens with the
  /// flag kNormalized are found. Encoding the result yields the same ids as
  /// encoding the text.
  virtual std::string normalisedForm(std::string text) const { return text; }

  /// True if the text may be normalised to fewer bytes before it is encoded.
  virtual bool shrinksText() const = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ENCODER_H
