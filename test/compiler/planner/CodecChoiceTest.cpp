//===- CodecChoiceTest.cpp - when coded weights make a pass faster --------===//
#include "compiler/planner/CodecChoice.h"

#include <gtest/gtest.h>

namespace air::compiler {
namespace {

/// A pass reads 2 of 4 GB of weights from the disk, which takes 4 s. A codec
/// stores 1.8 of these 2 GB in 70 % of their size, so a pass reads only 1.46
/// GB, which takes 2.92 s. Reading all weights from memory keeps both cores
/// busy for 0.4 s of this time, which leaves each of them 2.52 s to decode.
/// Decoding the 1.8 GB takes only 0.9 s, because each core decodes 1 GB/s. The
/// codec therefore pays.
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
  // Decoding takes 5.14 s of a core's time. The 2 cores together have only 2 *
  // 2.52 = 5.04 s, so the codec does not pay.
  asked.coded[0].decodeRate = 350'000'000;
  EXPECT_FALSE(codecsPay(asked));
  // Now decoding takes only 5 s of a core's time. 2 cores have 5.04 s for it,
  // but 1 core has only 2.52 s.
  asked.coded[0].decodeRate = 360'000'000;
  EXPECT_TRUE(codecsPay(asked));
  asked.cores = 1;
  EXPECT_FALSE(codecsPay(asked));
}

TEST(CodecChoice, AFastDiskLeavesNoTime) {
  CodecQuestion asked = question();
  // The disk needs 0.406 s. For 0.4 s of this time, the cores read weights from
  // memory. That leaves them 0.006 s to decode, but decoding takes 0.9 s, so
  // the codec does not pay.
  asked.diskBandwidth = 3'600'000'000;
  EXPECT_FALSE(codecsPay(asked));
}

TEST(CodecChoice, ASecondCodecHasTheTimeThatIsLeft) {
  CodecQuestion asked = question();
  // With a second codec, which saves another 0.02 GB, the disk takes 2.88 s. In
  // this time, reading memory takes 0.4 s, and decoding with the first codec
  // takes 0.9 s on both cores, so 1.58 s are left. To decode 0.2 GB, 2 cores
  // need 1.5625 s at 64 MB/s, and 1.587 s at 63 MB/s.
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
