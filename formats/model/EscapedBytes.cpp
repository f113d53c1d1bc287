//===- EscapedBytes.cpp - RWKV's spelling of bytes ------------------------===//
#include "formats/model/EscapedBytes.h"

#include <charconv>

namespace air {

std::optional<std::string> bytesOfEscapes(std::string_view spelling) {
  std::string bytes;
  for (size_t i = 0; i < spelling.size(); ++i) {
    if (spelling[i] != '\\') {
      bytes += spelling[i];
      continue;
    }
    if (++i == spelling.size()) {
      return std::nullopt;
    }
    switch (spelling[i]) {
    case 't':
      bytes += '\t';
      break;
    case 'n':
      bytes += '\n';
      break;
    case 'r':
      bytes += '\r';
      break;
    case 'x': {
      uint8_t value = 0;
      std::string_view digits = spelling.substr(i + 1, 2);
      const char *end = digits.data() + digits.size();
      if (digits.size() != 2 ||
          std::from_chars(digits.data(), end, value, 16).ptr != end) {
        return std::nullopt;
      }
      bytes += static_cast<char>(value);
      i += 2;
      break;
    }
    default:
      bytes += spelling[i];
    }
  }
  return bytes;
}

} // namespace air
