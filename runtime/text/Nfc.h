//===- Nfc.h - canonical composition ----------------------------*- C++ -*-===//
//
// Converts text to Unicode normalization form C (Unicode 15, UAX #15), in which
// "e" and a combining acute accent become "é". Some model families normalize
// text before they split it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_NFC_H
#define AIRPACK_RUNTIME_TEXT_NFC_H

#include <string>
#include <string_view>

namespace air::rt {

/// A fast test that returns true only if `text` is in form C. It returns true
/// if all characters are below U+0300, where combining marks begin. If it
/// returns false, `text` may or may not be in form C.
bool isPlainlyNfc(std::string_view text);

/// Converts well-formed UTF-8 to form C. It processes one stretch of text at a
/// time, and so needs little memory besides the result. A stretch begins with a
/// character that composes with nothing before it.
std::string toNfc(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_NFC_H
