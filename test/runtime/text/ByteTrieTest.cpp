//===- ByteTrieTest.cpp - finds all pieces that begin a text ----*- C++ -*-===//
#include "runtime/text/ByteTrie.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>

using namespace air::rt;

namespace {

TEST(ByteTrieTest, Empty) {
  for (const ByteTrie &trie : {ByteTrie(), ByteTrie({{"", 3}})}) {
    EXPECT_EQ(trie.longest("").length, 0U);
    EXPECT_EQ(trie.longest("a").length, 0U);
  }
}

TEST(ByteTrieTest, AgreesWithAMap) {
  std::mt19937 random(7);
  auto word = [&](size_t longest) {
    std::string text;
    for (size_t n = random() % longest; n > 0; --n) {
      text += "ab\xff"[random() % 3];
    }
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> words(random() % 40);
    std::vector<ByteTrie::Piece> pieces;
    std::map<std::string, int32_t> first;
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] = word(7);
      pieces.push_back({words[i], static_cast<int32_t>(i)});
      if (!words[i].empty()) {
        first.emplace(words[i], static_cast<int32_t>(i));
      }
    }
    ByteTrie trie(pieces);
    for (int i = 0; i < 20; ++i) {
      std::string text = word(12);
      size_t length = text.size();
      while (length > 0 && !first.contains(text.substr(0, length))) {
        --length;
      }
      ByteTrie::Match match = trie.longest(text);
      EXPECT_EQ(match.length, length);
      if (length != 0) {
        EXPECT_EQ(match.id, first[text.substr(0, length)]);
      }
    }
  }
}

} // namespace
