//===- Nfc.h - canonical composition ----------------------------*- C++ -*-===//
//
// Unicode normalization form C (Unicode 15, UAX #15): "e" and a combining acute
// accent become "é". Some families compose text before they cut it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_NFC_H
#define AIRPACK_RUNTIME_TEXT_NFC_H

#include <string>
#include <string_view>

namespace air::rt {

/// True when a look at the bytes shows that `text` is in form C: no character
/// from U+0300 on, where combining marks begin. False says nothing.
bool isPlainlyNfc(std::string_view text);

/// Form C of well-formed UTF-8. Works on stretches between characters that
/// compose with nothing before them, so that it takes little memory besides
/// the result.
std::string toNfc(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_NFC_H
