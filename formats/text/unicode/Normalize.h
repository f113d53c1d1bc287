//===- Normalize.h - Unicode normalization forms ----------------*- C++ -*-===//
//
// The four normalization forms of Unicode 16 (UAX #15), from tables that
// make_tables.py generates. Some tokenizers normalize text before they split
// it: form C, for example, makes one character of "e" and the combining acute
// accent that follows it. All functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_UNICODE_NORMALIZE_H
#define AIRPACK_FORMATS_TEXT_UNICODE_NORMALIZE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace air {

enum class NormalForm : uint8_t {
  D,  ///< canonical decomposition
  C,  ///< canonical decomposition, then canonical composition
  KD, ///< compatibility decomposition
  KC, ///< compatibility decomposition, then canonical composition
};

/// Converts `text` to a normalization form. Bytes that are not well-formed
/// UTF-8 are left unchanged. The time is proportional to the length of the
/// text, except that n combining marks in a row take O(n log n) to sort.
std::string normalized(std::string_view text, NormalForm form);

/// A fast test that returns true only if `c` is inert: no mark is moved across
/// `c`, and `c` changes only if it is composed with a character after it. The
/// test returns true for all characters below the first one that normalization
/// to `form` may change or move, and for the CJK ideographs from U+4E00 to
/// U+9FFF. If it returns false, `c` may or may not be inert.
bool isInert(uint32_t c, NormalForm form);

/// A fast test that returns true only if `text` is in form C. It returns true
/// if all characters are below U+0300, where combining marks begin. If it
/// returns false, `text` may or may not be in form C.
bool isPlainlyNfc(std::string_view text);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_UNICODE_NORMALIZE_H
