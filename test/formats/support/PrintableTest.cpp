//===- PrintableTest.cpp - text from files, safe to print on a terminal ---===//
#include "formats/support/Printable.h"

#include <gtest/gtest.h>

using namespace air;

namespace {

TEST(Printable, TextStaysAsItIs) {
  for (const char *text : {"", "blk.0.attn_q.weight", "a b'c\\",
                           "caf\u00e9 \u6f22\u5b57 \U0001f600",
                           "family: \U0001f468\u200d\U0001f469"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, WhatATerminalMustNotGetIsEscaped) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(printable(std::string_view("\0x", 2)), "\\x00x");
  // U+009B starts a terminal control sequence.
  EXPECT_EQ(printable("\u009b"), "\\xc2\\x9b");
  // The characters below are RIGHT-TO-LEFT OVERRIDE, two isolates, LINE
  // SEPARATOR, the byte order mark, ARABIC LETTER MARK, ZERO WIDTH SPACE, and a
  // tag character.
  EXPECT_EQ(printable("\u202e"), "\\xe2\\x80\\xae");
  EXPECT_EQ(printable("\u2066\u2069"), "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
  EXPECT_EQ(printable("\u2028"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(printable("\ufeff"), "\\xef\\xbb\\xbf");
  EXPECT_EQ(printable("\u061c"), "\\xd8\\x9c");
  EXPECT_EQ(printable("\u200b"), "\\xe2\\x80\\x8b");
  EXPECT_EQ(printable("\U000e0041"), "\\xf3\\xa0\\x81\\x81");
}

TEST(Printable, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(printable("a\xff"
                      "b"),
            "a\\xffb");
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Printable, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("ab\u00e9", 3), "ab...");
  EXPECT_EQ(printable("ab\u00e9", 4), "ab\u00e9");
  EXPECT_EQ(inQuotes(std::string(3 << 20, 'n')),
            "'" + std::string(80, 'n') + "...'");
}

TEST(Printable, QuotesInQuotesAreEscaped) {
  EXPECT_EQ(inQuotes("it's \\"), "'it\\x27s \\x5c'");
  EXPECT_EQ(inQuotes(""), "''");
}

TEST(Printable, JsonKeepsItsMeaning) {
  EXPECT_EQ(printableJson("{\n  \"a\": \"caf\u00e9 \u202e\"\n}\n"),
            "{\n  \"a\": \"caf\u00e9 \\u202e\"\n}\n");
  EXPECT_EQ(printableJson("\"\x7f\u0085\""), "\"\\u007f\\u0085\"");
  // In JSON, a character above U+FFFF becomes a surrogate pair.
  EXPECT_EQ(printableJson("\"\U000e0041\""), "\"\\udb40\\udc41\"");
}

} // namespace
