//===- ByteLevel.h - GPT-2's printable spelling of bytes --------*- C++ -*-===//
//
// Byte-level vocabularies spell each byte as one printable character: bytes
// that are printable Latin-1 as themselves, the others as U+0100 and on, in
// order (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_BYTELEVEL_H
#define AIRPACK_FORMATS_MODEL_BYTELEVEL_H

#include <string>
#include <string_view>

namespace air {

/// Replaces `bytes` by what `spelling` stands for; false (and `bytes` is not
/// meaningful) when some character of it stands for no byte.
bool bytesOfSpelling(std::string_view spelling, std::string &bytes);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_BYTELEVEL_H
