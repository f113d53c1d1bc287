//===- GrammarTexts.h - texts that grammars accept --------------*- C++ -*-===//
#ifndef AIRPACK_TEST_RUNTIME_TEXT_GRAMMAR_GRAMMARTEXTS_H
#define AIRPACK_TEST_RUNTIME_TEXT_GRAMMAR_GRAMMARTEXTS_H

#include "runtime/text/grammar/GrammarMatcher.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace air::rt {

/// The trie of a vocabulary of 256 tokens. The text of token i is the byte i.
inline const TokenTrie &byteTrie() {
  static const std::string bytes = [] {
    std::string all;
    for (int i = 0; i < 256; ++i) {
      all += static_cast<char>(i);
    }
    return all;
  }();
  static const TokenTrie trie(256, [](int32_t id) {
    return std::string_view(bytes).substr(static_cast<size_t>(id), 1);
  });
  return trie;
}

/// Whether a grammar accepts exactly this text, byte by byte. Also checks that
/// accept() accepts each byte if and only if the mask contains it.
inline bool accepts(const std::shared_ptr<const Grammar> &grammar,
                    std::string_view text) {
  GrammarMatcher matcher(grammar, byteTrie(), {});
  for (char c : text) {
    auto id = static_cast<int32_t>(static_cast<uint8_t>(c));
    Result<const TokenMask *> mask = matcher.allowed();
    if (!mask.isOk()) {
      ADD_FAILURE() << mask.status().message();
      return false;
    }
    bool isAllowed = (*mask)->contains(id);
    EXPECT_EQ(matcher.accept(id).isOk(), isAllowed) << text;
    if (!isAllowed) {
      return false;
    }
  }
  return matcher.isComplete();
}

inline nlohmann::json readJson(const std::string &path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return nlohmann::json::parse(file, nullptr, false);
}

} // namespace air::rt

#endif // AIRPACK_TEST_RUNTIME_TEXT_GRAMMAR_GRAMMARTEXTS_H
