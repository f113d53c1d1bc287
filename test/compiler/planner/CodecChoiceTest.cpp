//===- CodecChoiceTest.cpp - when coded weights make a pass faster --------===//
#include "compiler/planner/CodecChoice.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

/// 4 GB of weights, of which 2 GB are read from a disk of 500 MB/s: 4 s without
/// a codec. Of these, 1.8 GB can be coded, which saves 0.54 GB and leaves 2.92 s.
/// Memory needs 0.4 s, so each of 2 cores is idle for 2.52 s. They decode for
/// 0.9 s.
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
  asked.decodeRate = 360'000'000; // 5 s
  EXPECT_TRUE(codecPays(asked));
  asked.cores = 1;
  EXPECT_FALSE(codecPays(asked));
}

TEST(CodecChoice, AFastDiskLeavesNoTime) {
  CodecQuestion asked = question();
  // 1.46 GB take 0.41 s, as memory does.
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
