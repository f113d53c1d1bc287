//===- GrammarFuzzTest.cpp - the seeds of the fuzzer, and mutations -------===//
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

namespace {

TEST(GrammarFuzzTest, SeedsAndTheirMutations) {
  std::mt19937 random{20261128};
  const std::string kPieces = "()[]{}|*+?\\^$.-,:=!&<>\"#12abroot \n";
  for (const char *name :
       {"json", "mixed", "numbers", "recursive", "strings"}) {
    std::ifstream file(std::string(AIR_TEST_INPUTS "/fuzz/grammar/") + name,
                       std::ios::binary);
    std::string seed((std::istreambuf_iterator<char>(file)),
                     std::istreambuf_iterator<char>());
    ASSERT_GT(seed.size(), 60U);
    for (int round = 0; round < 400; ++round) {
      std::string input = seed;
      for (int change = 0; change < round % 6; ++change) {
        char c = random() % 8 == 0 ? static_cast<char>(random())
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
