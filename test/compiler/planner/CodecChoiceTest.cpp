//===- CodecChoiceTest.cpp - when coded weights make a pass faster --------===//
#include "compiler/planner/CodecChoice.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

/// Without a codec, the disk reads 2 of 4 GB of weights in 4 s. A codec saves
/// 0.54 GB of that, so reading takes 2.92 s. Reading memory takes 0.4 s, so 2
/// cores have 2.52 s each, of which decoding 1.8 GB takes 0.9 s.
CodecQuestion question() {
  CodecQuestion asked;
  asked.streamedBytes = 2'000'000'000;
  asked.codedBytes = 1'800'000'000;
  asked.weightBytes = 4'000'000'000;
  asked.ratio = 0.7;
  asked.diskBandwidth = 500'000'000;
  asked.memoryBandwidth = 10'000'000'000;
  asked.decodeRate = 1'000'000'000;
  asked.cores = 2;
  return asked;
}

TEST(CodecChoice, PaysWhereTheDiskIsSlow) {
  EXPECT_TRUE(codecPays(question()));
}

TEST(CodecChoice, TheCoresMustHaveTimeToDecode) {
  CodecQuestion asked = question();
  // 1.8 GB at 350 MB/s take 5.14 s of a core, and 2 cores have 5.04 s.
  asked.decodeRate = 350'000'000;
  EXPECT_FALSE(codecPays(asked));
  asked.decodeRate = 360'000'000; // takes 5 s of a core
  EXPECT_TRUE(codecPays(asked));
  asked.cores = 1;
  EXPECT_FALSE(codecPays(asked));
}

TEST(CodecChoice, AFastDiskLeavesNoTime) {
  CodecQuestion asked = question();
  // Reading takes 0.41 s from the disk and 0.4 s from memory, which leaves no
  // time to decode.
  asked.diskBandwidth = 3'600'000'000;
  EXPECT_FALSE(codecPays(asked));
}

TEST(CodecChoice, NothingIsAssumedAboutUnknownRates) {
  for (uint64_t CodecQuestion::*rate :
       {&CodecQuestion::diskBandwidth, &CodecQuestion::memoryBandwidth,
        &CodecQuestion::decodeRate, &CodecQuestion::codedBytes}) {
    CodecQuestion asked = question();
    asked.*rate = 0;
    EXPECT_FALSE(codecPays(asked));
  }
  CodecQuestion larger = question();
  larger.ratio = 1;
  EXPECT_FALSE(codecPays(larger));
}

} // namespace
} // namespace air::compiler
