//===- EscapedBytesTest.cpp - RWKV's spelling of bytes ----------*- C++ -*-===//
#include "formats/model/EscapedBytes.h"

#include <gtest/gtest.h>

using namespace air;

namespace {

TEST(EscapedBytesTest, AsPythonReadsThem) {
  // Python's ast.literal_eval of b'...' gives these results.
  EXPECT_EQ(bytesOfEscapes(""), "");
  EXPECT_EQ(bytesOfEscapes("ab c"), "ab c");
  EXPECT_EQ(bytesOfEscapes(R"(\t\n\r\\\'\")"), "\t\n\r\\'\"");
  EXPECT_EQ(bytesOfEscapes(R"(\x00a\xff\xE4)"), std::string("\0a\xff\xe4", 4));
  EXPECT_EQ(bytesOfEscapes(R"(\\x41)"), "\\x41");
}

TEST(EscapedBytesTest, IncompleteEscapes) {
  for (const char *spelling :
       {"\\", "a\\", "\\x", "\\x4", "\\xg0", "\\x0g", "\\x+1", "\\x-1"}) {
    EXPECT_EQ(bytesOfEscapes(spelling), std::nullopt) << spelling;
  }
}

} // namespace
