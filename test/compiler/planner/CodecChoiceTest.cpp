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
  asked.coded = {{1'800'000'000, 0.7, 1'000'000'000}};
  asked.weightBytes = 4'000'000'000;
  asked.diskBandwidth = 500'000'000;
  asked.memoryBandwidth = 10'000'000'000;
  asked.cores = 2;
  return asked;
}

TEST(CodecChoice, PaysWhereTheDiskIsSlow) {
  EXPECT_TRUE(codecsPay(question()));
}

TEST(CodecChoice, TheCoresMustHaveTimeToDecode) {
  CodecQuestion asked = question();
  // 1.8 GB at 350 MB/s take 5.14 s of a core, and 2 cores have 5.04 s.
  asked.coded[0].decodeRate = 350'000'000;
  EXPECT_FALSE(codecsPay(asked));
  asked.coded[0].decodeRate = 360'000'000; // 5 s
  EXPECT_TRUE(codecsPay(asked));
  asked.cores = 1;
  EXPECT_FALSE(codecsPay(asked));
}

TEST(CodecChoice, AFastDiskLeavesNoTime) {
  CodecQuestion asked = question();
  // 1.46 GB take 0.41 s, as memory does.
  asked.diskBandwidth = 3'600'000'000;
  EXPECT_FALSE(codecsPay(asked));
}

TEST(CodecChoice, ASecondCodecHasTheTimeThatIsLeft) {
  CodecQuestion asked = question();
  // Another 0.2 GB become 0.18 GB, so the disk needs 2.88 s and memory 0.4 s.
  // The first codec takes 0.9 s of each core, which leaves 1.58 s: enough for
  // 0.2 GB at 64 MB/s (1.5625 s), but not at 63 MB/s (1.587 s).
  asked.coded.push_back({200'000'000, 0.9, 64'000'000});
  EXPECT_TRUE(codecsPay(asked));
  asked.coded[1].decodeRate = 63'000'000;
  EXPECT_FALSE(codecsPay(asked));
}

TEST(CodecChoice, ASmallGainIsNotWorthwhile) {
  CodecQuestion asked = question();
  asked.coded[0].ratio = 0.96;
  EXPECT_FALSE(codecsPay(asked));
  asked.coded[0].ratio = 0.94;
  EXPECT_TRUE(codecsPay(asked));
}

TEST(CodecChoice, NothingIsAssumedAboutUnknownRates) {
  for (uint64_t CodecQuestion::*rate :
       {&CodecQuestion::diskBandwidth, &CodecQuestion::memoryBandwidth}) {
    CodecQuestion asked = question();
    asked.*rate = 0;
    EXPECT_FALSE(codecsPay(asked));
  }
  for (uint64_t CodedPart::*number :
       {&CodedPart::decodeRate, &CodedPart::bytes}) {
    CodecQuestion asked = question();
    asked.coded[0].*number = 0;
    EXPECT_FALSE(codecsPay(asked));
  }
  CodecQuestion none = question();
  none.coded.clear();
  EXPECT_FALSE(codecsPay(none));
}

} // namespace
} // namespace air::compiler
