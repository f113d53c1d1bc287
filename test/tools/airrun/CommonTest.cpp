//===- CommonTest.cpp - lists of ids, formatted text ----------------------===//
#include "tools/airrun/Common.h"

#include <gtest/gtest.h>

using namespace air;

namespace {

TEST(ParseTokens, TakesIdsWithSpaces) {
  for (const char *text : {"1,22,333", "1, 22 ,333", " 1,22,333 "}) {
    Result<std::vector<int32_t>> tokens = parseTokens(text);
    ASSERT_TRUE(tokens) << tokens.status().message();
    EXPECT_EQ(*tokens, (std::vector<int32_t>{1, 22, 333})) << text;
  }
  EXPECT_EQ(*parseTokens("2147483647"), std::vector<int32_t>{2147483647});
}

TEST(ParseTokens, NamesWhatIsNoId) {
  for (const char *text : {"", " ", "1,", ",1", "1,,2", "a", "1;2", "1 2", "-1",
                           "1.5", "0x10", "2147483648", "99999999999999"}) {
    Result<std::vector<int32_t>> tokens = parseTokens(text);
    ASSERT_FALSE(tokens) << text;
    EXPECT_EQ(tokens.status().code(), ErrorCode::Usage);
  }
  EXPECT_NE(parseTokens("7,8,x9").status().message().find("entry 2 is 'x9'"),
            std::string::npos);
}

TEST(Format, IsAsLongAsItNeedsToBe) {
  EXPECT_EQ(format("%s-%03d", "a", 7), "a-007");
  EXPECT_EQ(format("%*d", 500, 1).size(), 500U);
  EXPECT_EQ(format("%s", ""), "");
}

} // namespace
