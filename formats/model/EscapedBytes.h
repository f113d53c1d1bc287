//===- EscapedBytes.h - RWKV's spelling of bytes ----------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MODEL_ESCAPEDBYTES_H
#define AIRPACK_FORMATS_MODEL_ESCAPEDBYTES_H

#include <optional>
#include <string>
#include <string_view>

namespace air {

/// The bytes of a token of RWKV World, whose vocabulary spells them with
/// escapes like those of Python: \xHH with two hexadecimal digits, \t, \n, \r,
/// and a backslash before any other character, which then stands for itself.
/// Returns nullopt if an escape is incomplete or has other digits.
std::optional<std::string> bytesOfEscapes(std::string_view spelling);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_ESCAPEDBYTES_H
