//===- Words.h - what the readers of answers share --------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_WORDS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_WORDS_H

#include <algorithm>
#include <string_view>
#include <utility>

namespace air::rt {

/// The white space of JSON (RFC 8259, section 2).
inline constexpr std::string_view kSpaces = " \t\r\n";

inline bool isSpace(char c) {
  return kSpaces.find(c) != std::string_view::npos;
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

/// Python's True, False and None as JSON; any other word as it is.
inline std::string_view plainWord(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"True", "true"}, {"False", "false"}, {"None", "null"}};
  for (const auto &[python, json] : kWords) {
    if (word == python) {
      return json;
    }
  }
  return word;
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_WORDS_H
