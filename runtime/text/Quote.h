//===- Quote.h - a file's text in a message of one line ---------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_QUOTE_H
#define AIRPACK_RUNTIME_TEXT_QUOTE_H

#include <string>
#include <string_view>

namespace air::rt {

/// The first 40 bytes in quotes, control characters as \xNN.
inline std::string quoted(std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  std::string out = "'";
  for (char c : text.substr(0, 40)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "'";
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_QUOTE_H
