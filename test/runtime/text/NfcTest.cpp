//===- NfcTest.cpp - canonical composition ----------------------*- C++ -*-===//
#include "runtime/text/Nfc.h"

#include "Vocabularies.h"

#include <nlohmann/json.hpp>

using namespace air::rt;
using nlohmann::json;

namespace {

TEST(NfcTest, AgreesWithPython) {
  json cases =
      json::parse(slurp(inputs("tokenizers/nfc.json")), nullptr, false);
  ASSERT_EQ(cases.size(), 2400U);
  std::string all;
  std::string allComposed;
  for (const json &each : cases) {
    auto text = each[0].get<std::string>();
    auto composed = each[1].get<std::string>();
    EXPECT_EQ(toNfc(text), composed) << each[0];
    EXPECT_EQ(toNfc(composed), composed) << each[0];
    EXPECT_TRUE(!isPlainlyNfc(text) || text == composed) << each[0];
    all += text + "|";
    allComposed += composed + "|";
  }
  EXPECT_EQ(toNfc(all), allComposed);
}

TEST(NfcTest, PlainText) {
  EXPECT_TRUE(isPlainlyNfc(""));
  EXPECT_TRUE(isPlainlyNfc("caf\xc3\xa9"));
  EXPECT_FALSE(isPlainlyNfc("cafe\xcc\x81"));
  // KELVIN SIGN has the letter K as its canonical equivalent.
  EXPECT_FALSE(isPlainlyNfc("\xe2\x84\xaa"));
}

} // namespace
