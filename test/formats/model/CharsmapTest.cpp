//===- CharsmapTest.cpp - sentencepiece's normalisation rules ---*- C++ -*-===//
//
// These tests build maps with rules of their own.
// test/runtime/text/ModelVectorsTest.cpp tests rules that sentencepiece has
// compiled.
//
//===----------------------------------------------------------------------===//
#include "formats/model/Charsmap.h"

#include <gmock/gmock.h>
#include <random>

using namespace air;
using testing::HasSubstr;

namespace {

std::string charsmap(const std::vector<uint32_t> &units,
                     const std::string &replacements) {
  std::string bytes;
  auto put = [&](uint32_t word) {
    for (int i = 0; i < 4; ++i) {
      bytes += static_cast<char>(word >> (8 * i));
    }
  };
  put(static_cast<uint32_t>(4 * units.size()));
  for (uint32_t unit : units) {
    put(unit);
  }
  return bytes + replacements;
}

/// Replaces "a" by "xy". The root has the offset 0, so "a" leads to unit 0x61.
/// Bit 8 and the offset 2 of this unit say that a value is in unit 0x61 ^ 2.
std::vector<uint32_t> oneRule() {
  std::vector<uint32_t> units(0x64);
  units[0x61] = (2U << 10) | 0x100 | 'a';
  units[0x63] = (1U << 31) | 1;
  return units;
}

TEST(CharsmapTest, OneRule) {
  Result<Charsmap> map =
      Charsmap::parse(charsmap(oneRule(), std::string("\0xy\0", 4)));
  ASSERT_TRUE(map.isOk()) << map.status().message();
  EXPECT_EQ(map->find("ab").length, 1U);
  EXPECT_EQ(map->find("ab").replacement, "xy");
  for (const char *text : {"", "b", "ba", "\xff"}) {
    EXPECT_EQ(map->find(text).length, 0U) << text;
  }
  EXPECT_EQ(map->find(std::string_view("\0", 1)).length, 0U);
}

TEST(CharsmapTest, NoRules) {
  Result<Charsmap> map = Charsmap::parse("");
  ASSERT_TRUE(map.isOk());
  EXPECT_EQ(map->find("a").length, 0U);
}

TEST(CharsmapTest, Malformed) {
  const std::string end(1, '\0');
  auto changed = [](size_t index, uint32_t unit) {
    std::vector<uint32_t> units = oneRule();
    units[index] = unit;
    return units;
  };
  const struct {
    std::string bytes;
    const char *message;
  } cases[] = {
      {"abc", "they have 3 bytes; they must have at least 4"},
      {charsmap({}, end),
       "a trie of 0 bytes; it must have a multiple of 4 bytes, at "
       "least 4, and fewer than the 1 bytes that follow"},
      {charsmap({0}, "").substr(0, 6), "fewer than the 2 bytes that follow"},
      {charsmap({0}, ""), "fewer than the 4 bytes that follow"},
      {std::string("\6\0\0\0abcdefghi", 13), "they state a trie of 6 bytes"},
      {charsmap({0}, "x"), "does not end with a zero byte"},
      {charsmap(oneRule(), end), "unit 97 of the trie refers to byte 1 of the "
                                 "replacements, but they have only 1 bytes"},
      {charsmap(changed(0x61, (31U << 10) | 0x100 | 'a'), end),
       "unit 97 of the trie refers to unit 126, but there are only 100 units"},
  };
  for (const auto &each : cases) {
    Result<Charsmap> map = Charsmap::parse(each.bytes);
    ASSERT_FALSE(map.isOk()) << each.message;
    EXPECT_EQ(map.status().code(), ErrorCode::Corrupt);
    EXPECT_THAT(map.status().message(), HasSubstr(each.message));
  }
}

TEST(CharsmapTest, RandomUnitsAreHarmless) {
  std::mt19937 random(1);
  size_t accepted = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint32_t> units(1 + random() % 300);
    for (uint32_t &unit : units) {
      // The offsets and values are small, so that many of the maps are
      // accepted.
      unit = (random() % 64) << 10 | random() % 256;
      unit |= random() % 50 == 0 ? 0x100 : 0;
    }
    Result<Charsmap> map =
        Charsmap::parse(charsmap(units, std::string(20000, '\0')));
    if (!map.isOk()) {
      continue;
    }
    ++accepted;
    std::string text;
    for (int i = 0; i < 50; ++i) {
      text += static_cast<char>(random());
    }
    for (size_t at = 0; at < text.size(); ++at) {
      EXPECT_LE(map->find(std::string_view(text).substr(at)).length,
                text.size() - at);
    }
  }
  EXPECT_GT(accepted, 100U);
}

} // namespace
