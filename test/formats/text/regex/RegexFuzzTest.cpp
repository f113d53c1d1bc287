//===- RegexFuzzTest.cpp - the seeds of the fuzzer, and mutations ---------===//
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

namespace {

TEST(RegexFuzzTest, SeedsAndTheirMutations) {
  std::mt19937 random{20261128};
  const std::string kPieces = "()[]{}|*+?\\^$.-,:=!&<>123abpPLsSdDwWbBiuxz \n";
  for (const char *name : {"llama3", "everything"}) {
    std::ifstream file(std::string(AIR_TEST_INPUTS "/fuzz/regex/") + name);
    std::stringstream read;
    read << file.rdbuf();
    std::string seed = read.str();
    ASSERT_GT(seed.size(), 60U);
    for (int round = 0; round < 1500; ++round) {
      std::string input = seed;
      for (int change = 0; change < round % 8; ++change) {
        char c = random() % 4 == 0 ? static_cast<char>(random())
                                   : kPieces[random() % kPieces.size()];
        input[random() % input.size()] = c;
      }
      EXPECT_EQ(
          LLVMFuzzerTestOneInput(
              reinterpret_cast<const uint8_t *>(input.data()), input.size()),
          0);
    }
  }
}

} // namespace
