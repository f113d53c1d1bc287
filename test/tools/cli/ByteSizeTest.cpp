//===- ByteSizeTest.cpp - sizes on the command line -----------------------===//
#include "tools/cli/ByteSize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using ::testing::HasSubstr;

TEST(ByteSize, ReadsBytesAndUnits) {
  for (const auto &[text, bytes] :
       std::initializer_list<std::pair<const char *, uint64_t>>{
           {"0", 0},
           {"1", 1},
           {"3000000000", 3'000'000'000},
           {"4KiB", 4096},
           {"512MiB", 536'870'912},
           {"3GiB", 3'221'225'472},
           {"0GiB", 0},
           {"007KiB", 7168},
           {"9223372036854775807", 9'223'372'036'854'775'807},
           {"8589934591GiB", 9'223'372'035'781'033'984}}) {
    const Result<uint64_t> size = cli::parseByteSize(text);
    ASSERT_TRUE(size) << text;
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(ByteSize, RefusesEverythingElse) {
  for (const char *text : {"",
                           "GiB",
                           "-1",
                           "+1",
                           " 1",
                           "1 ",
                           "1 GiB",
                           "1.5GiB",
                           "3GB",
                           "3gib",
                           "3G",
                           "0x10",
                           "1e9",
                           "1GiBx",
                           "1KiBKiB",
                           "9223372036854775808",
                           "8589934592GiB",
                           "99999999999999999999999",
                           "99999999999999999999GiB",
                           "1\n"}) {
    const Status status = cli::parseByteSize(text).status();
    EXPECT_EQ(status.code(), ErrorCode::Usage) << text;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
  EXPECT_THAT(cli::parseByteSize("3GB").status().message(),
              HasSubstr("'3GB' is not a size; give a whole number of bytes"));
  EXPECT_THAT(cli::parseByteSize("8589934592GiB").status().message(),
              HasSubstr("at most 2^63 - 1 bytes"));
}

TEST(ByteSize, NothingRunsWithoutRam) {
  cli::Invocation invocation;
  EXPECT_EQ(*cli::ramOf(invocation), std::nullopt);
  invocation.values["--ram"] = {"1"};
  EXPECT_EQ(*cli::ramOf(invocation), 1u);
  for (const char *none : {"0", "0KiB", "000GiB"}) {
    invocation.values["--ram"] = {none};
    EXPECT_EQ(cli::ramOf(invocation).status().code(), ErrorCode::Usage) << none;
    EXPECT_THAT(cli::ramOf(invocation).status().message(),
                HasSubstr("--ram: nothing runs without RAM"));
  }
  invocation.values["--ram"] = {"much"};
  EXPECT_THAT(cli::ramOf(invocation).status().message(),
              HasSubstr("--ram: 'much' is not a size"));
}

TEST(ByteSize, NamesTheOption) {
  cli::Invocation invocation;
  EXPECT_EQ(*cli::byteSizeOf(invocation, "--ram"), std::nullopt);
  invocation.values["--ram"] = {"2KiB"};
  EXPECT_EQ(*cli::byteSizeOf(invocation, "--ram"), 2048u);
  invocation.values["--ram"] = {"much"};
  EXPECT_THAT(cli::byteSizeOf(invocation, "--ram").status().message(),
              HasSubstr("--ram: 'much' is not a size"));
}
