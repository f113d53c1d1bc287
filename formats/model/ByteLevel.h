//===- ByteLevel.h - GPT-2's printable spelling of bytes --------*- C++ -*-===//
//
// Byte-level vocabularies spell each byte as one printable character. A byte
// that is a visible character in Latin-1 (so not the space) stands for itself;
// the others are spelled as U+0100 and up, in order
// (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_BYTELEVEL_H
#define AIRPACK_FORMATS_MODEL_BYTELEVEL_H

#include <string>
#include <string_view>

namespace air {

/// Sets `bytes` to the bytes that `spelling` stands for. Returns false, and
/// leaves `bytes` unspecified, when some character does not stand for a byte.
bool bytesOfSpelling(std::string_view spelling, std::string &bytes);

/// Appends the spelling of each of `bytes` to `spelling`.
void appendSpelling(std::string_view bytes, std::string &spelling);
/// Returns how many bytes appendSpelling() appends for `bytes`.
size_t spelledBytes(std::string_view bytes);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_BYTELEVEL_H
