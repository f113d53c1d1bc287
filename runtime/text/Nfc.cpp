//===- Nfc.cpp - canonical composition ------------------------------------===//
#include "runtime/text/Nfc.h"

#include "formats/support/Utf8.h"

#include <array>
#include <cstdlib>
#include <utf8proc.h>
#include <vector>

namespace air::rt {

namespace {

/// True for characters that never compose with the characters before them, and
/// that normalization form C does not change on their own: those below U+0300,
/// where combining marks begin, and CJK ideographs.
bool startsStretch(uint32_t codePoint) {
  return codePoint < 0x300 || (codePoint >= 0x4e00 && codePoint <= 0x9fff);
}

/// Converts a stretch of text to form C: decomposes it, sorts its combining
/// marks and composes it.
class Composer {
public:
  void append(std::string_view stretch, std::string &out) {
    points.resize(stretch.size() * kMostPerByte);
    const auto *bytes =
        reinterpret_cast<const utf8proc_uint8_t *>(stretch.data());
    constexpr auto kOptions =
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    utf8proc_ssize_t count = utf8proc_decompose(
        bytes, static_cast<utf8proc_ssize_t>(stretch.size()), points.data(),
        static_cast<utf8proc_ssize_t>(points.size()), kOptions);
    if (count < 0 || static_cast<size_t>(count) > points.size()) {
      out += stretch; // ill-formed text is left unchanged
      return;
    }
    count = utf8proc_normalize_utf32(points.data(), count, kOptions);
    std::array<utf8proc_uint8_t, 4> encoded{};
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      utf8proc_ssize_t length =
          utf8proc_encode_char(points[static_cast<size_t>(i)], encoded.data());
      out.append(reinterpret_cast<const char *>(encoded.data()),
                 static_cast<size_t>(length));
    }
  }

private:
  /// A text of n bytes decomposes into at most kMostPerByte * n code points: a
  /// character of two bytes into at most 3, and one of three bytes into at most
  /// 4 (Unicode 15, NormalizationTest.txt).
  static constexpr size_t kMostPerByte = 2;
  std::vector<utf8proc_int32_t> points;
};

} // namespace

bool isPlainlyNfc(std::string_view text) {
  constexpr uint8_t kLeadOfU0300 = 0xcc;
  for (char c : text) {
    if (static_cast<uint8_t>(c) >= kLeadOfU0300) {
      return false;
    }
  }
  return true;
}

std::string toNfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Composer composer;
  size_t start = 0;
  size_t at = 0;
  // Whether the stretch so far is known to be in form C, so that it can be
  // copied.
  bool isPlain = true;
  auto flush = [&] {
    std::string_view stretch = text.substr(start, at - start);
    if (isPlain) {
      out += stretch;
    } else {
      composer.append(stretch, out);
    }
    start = at;
    isPlain = true;
  };
  while (at < text.size()) {
    Utf8Step step = decodeUtf8(text.substr(at));
    if (startsStretch(step.codePoint)) {
      flush();
    } else {
      isPlain = false;
    }
    at += step.length;
  }
  flush();
  return out;
}

} // namespace air::rt
