//===- SpecialMatcher.cpp - finds special tokens in text --------*- C++ -*-===//
#include "runtime/text/SpecialMatcher.h"

#include <algorithm>

namespace air::rt {

SpecialMatcher::SpecialMatcher(std::vector<Token> all)
    : tokens(std::move(all)) {
  std::erase_if(tokens, [](const Token &token) { return token.text.empty(); });
  std::sort(tokens.begin(), tokens.end(), [](const Token &a, const Token &b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  tokens.erase(std::unique(tokens.begin(), tokens.end(),
                           [](const Token &a, const Token &b) {
                             return a.text == b.text;
                           }),
               tokens.end());
  for (const Token &token : tokens) {
    starts[static_cast<uint8_t>(token.text[0])] = true;
  }
}

SpecialMatcher::Match SpecialMatcher::matchAt(std::string_view text,
                                              size_t start) const {
  Match best = {text.size(), 0, 0};
  auto low = tokens.begin();
  auto high = tokens.end();
  for (size_t depth = 0; low != high; ++depth) {
    // The tokens in [low, high) match the first `depth` bytes. If one of them
    // has no more bytes, it is the first in sorted order.
    if (low->text.size() == depth) {
      best = {start, depth, low->id};
      ++low;
    }
    if (start + depth == text.size()) {
      break;
    }
    auto byte = static_cast<uint8_t>(text[start + depth]);
    low = std::partition_point(low, high, [&](const Token &token) {
      return static_cast<uint8_t>(token.text[depth]) < byte;
    });
    high = std::partition_point(low, high, [&](const Token &token) {
      return static_cast<uint8_t>(token.text[depth]) == byte;
    });
  }
  return best;
}

SpecialMatcher::Match SpecialMatcher::find(std::string_view text,
                                           size_t from) const {
  if (!tokens.empty()) {
    for (size_t start = from; start < text.size(); ++start) {
      if (!starts[static_cast<uint8_t>(text[start])]) {
        continue;
      }
      Match match = matchAt(text, start);
      if (match.length != 0) {
        return match;
      }
    }
  }
  return {text.size(), 0, 0};
}

} // namespace air::rt
