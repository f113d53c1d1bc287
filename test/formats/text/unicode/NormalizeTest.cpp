//===- NormalizeTest.cpp - Unicode normalization forms ----------*- C++ -*-===//
//
// Compares the library with test/Inputs/unicode/normalize.json, which
// make_normalize.py writes.
//
//===----------------------------------------------------------------------===//
#include "formats/text/unicode/Normalize.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/Unicode.h"

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>

using namespace air;
using nlohmann::json;

namespace {

constexpr NormalForm kForms[] = {NormalForm::D, NormalForm::C, NormalForm::KD,
                                 NormalForm::KC};
constexpr const char *kNames[] = {"NFD", "NFC", "NFKD", "NFKC"};

json vectors() {
  std::ifstream file(AIR_TEST_INPUTS "/unicode/normalize.json");
  json all = json::parse(file, nullptr, false);
  EXPECT_TRUE(all.is_object());
  return all;
}

TEST(NormalizeTest, EveryCodePoint) {
  json digests = vectors()["digests"];
  for (size_t form = 0; form < 4; ++form) {
    uint64_t hash = 0xcbf29ce484222325;
    for (uint32_t c = 0; c <= 0x10ffff; ++c) {
      if (c >= 0xd800 && c < 0xe000) {
        continue;
      }
      std::string text;
      appendUtf8(c, text);
      for (const std::string &each : {text, text + "\xcc\x87\xcc\xa3"}) {
        for (char byte : normalized(each, kForms[form])) {
          hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
        }
      }
    }
    char printed[17];
    std::snprintf(printed, sizeof(printed), "%016llx",
                  static_cast<unsigned long long>(hash));
    EXPECT_EQ(printed, digests[kNames[form]]) << kNames[form];
  }
}

TEST(NormalizeTest, RandomTexts) {
  json cases = vectors()["cases"];
  ASSERT_EQ(cases.size(), 400U);
  for (size_t form = 0; form < 4; ++form) {
    std::string all;
    std::string expected;
    for (const json &each : cases) {
      auto text = each[0].get<std::string>();
      auto result = each[form + 1].get<std::string>();
      EXPECT_EQ(normalized(text, kForms[form]), result) << each[0];
      EXPECT_EQ(normalized(result, kForms[form]), result) << each[0];
      if (isPlainlyNfc(text)) {
        EXPECT_EQ(normalized(text, NormalForm::C), text);
      }
      all += text + "|";
      expected += result + "|";
    }
    EXPECT_EQ(normalized(all, kForms[form]), expected);
  }
}

TEST(LowerCaseTest, EveryCodePoint) {
  json lower = vectors()["lower"];
  ASSERT_GT(lower.size(), 2U * 1300);
  std::map<uint32_t, uint32_t> expected;
  uint32_t at = 0;
  for (size_t i = 0; i + 1 < lower.size(); i += 2) {
    at += lower[i].get<uint32_t>();
    expected[at] = at + static_cast<uint32_t>(lower[i + 1].get<int32_t>());
  }
  uint32_t newer = 0;
  for (uint32_t c = 0; c <= 0x10ffff; ++c) {
    if (expected.contains(c)) {
      EXPECT_EQ(lowerCase(c), expected[c]) << c;
    } else if (lowerCase(c) != c) {
      ++newer;
      // The expected values are those of a Python version that has Unicode 14.
      // They include neither U+0130, whose lower case in Python has two
      // characters, nor the letters that are new in Unicode 16 (Latin,
      // Cyrillic and Garay).
      EXPECT_TRUE(c == kCapitalIWithDot || (c >= 0xa7cb && c <= 0xa7dc) ||
                  c == 0x1c89 || (c >= 0x10d50 && c <= 0x10d65))
          << c;
    }
  }
  EXPECT_EQ(lowerCase(kCapitalIWithDot), uint32_t{'i'});
  EXPECT_EQ(newer, 28U);
}

TEST(LowerCaseTest, Texts) {
  // The result is that of Rust's str::to_lowercase() for each character alone.
  // So a capital sigma at the end of a word does not become a final one.
  EXPECT_EQ(lowerCased("\xc4\xb0S \xce\xa3\xce\xa3!"),
            "i\xcc\x87s \xcf\x83\xcf\x83!");
  EXPECT_EQ(lowerCased(""), "");
}

TEST(NormalizeTest, IllFormedBytesStay) {
  for (NormalForm form : kForms) {
    EXPECT_EQ(normalized("\x80\xc3(\xff\xe2\x84", form),
              "\x80\xc3(\xff\xe2\x84");
  }
  // The invalid byte between the letter and the accent keeps them apart.
  EXPECT_EQ(normalized("e\xff\xcc\x81", NormalForm::C), "e\xff\xcc\x81");
  EXPECT_EQ(normalized("\xff"
                       "e\xcc\x81\xff",
                       NormalForm::C),
            "\xff\xc3\xa9\xff");
}

TEST(NormalizeTest, ManyMarksTakeNoQuadraticTime) {
  std::string text = "a";
  std::string sorted = "a";
  for (int i = 0; i < 200000; ++i) {
    text += i % 2 == 0 ? "\xcc\x87" : "\xcc\xa3";
  }
  for (const char *mark : {"\xcc\xa3", "\xcc\x87"}) {
    for (int i = 0; i < 100000; ++i) {
      sorted += mark;
    }
  }
  EXPECT_EQ(normalized(text, NormalForm::D), sorted);
}

// The result of a text of a megabyte is counted before it is made if it is
// longer than the text.
TEST(NormalizeTest, LongTexts) {
  // The last unit has no character that normalization keeps as it is.
  for (const std::string unit : {"caf\u00e9 \u1e69 ", "\uac00\uac01 x",
                                 "cafe\u0301 ", "\uac01\uac02\uac01"}) {
    for (const NormalForm form :
         {NormalForm::C, NormalForm::D, NormalForm::KC, NormalForm::KD}) {
      constexpr size_t kCount = 160'000;
      std::string text;
      std::string expected;
      for (size_t i = 0; i < kCount; ++i) {
        text += unit;
      }
      const std::string one = normalized(unit, form);
      for (size_t i = 0; i < kCount; ++i) {
        expected += one;
      }
      EXPECT_TRUE(normalized(text, form) == expected) << unit;
    }
  }
  // Between the accents lies a run that is longer than what is buffered.
  const std::string run(size_t{1} << 20, 'x');
  EXPECT_TRUE(normalized("\u00e9" + run + "\u00e9" + run, NormalForm::D) ==
              "e\u0301" + run + "e\u0301" + run);
}

TEST(NormalizeTest, PlainText) {
  EXPECT_TRUE(isPlainlyNfc(""));
  EXPECT_TRUE(isPlainlyNfc("caf\xc3\xa9"));
  EXPECT_FALSE(isPlainlyNfc("cafe\xcc\x81"));
  // KELVIN SIGN has the letter K as its canonical equivalent.
  EXPECT_FALSE(isPlainlyNfc("\xe2\x84\xaa"));
}

} // namespace
