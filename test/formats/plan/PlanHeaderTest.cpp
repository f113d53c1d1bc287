//===- PlanHeaderTest.cpp - the rules of header and metadata page ---------===//
#include "SmallPlan.h"

#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/CheckedMath.h"

#include <cstddef>
#include <cstring>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

using Bytes = std::vector<uint8_t>;

template <typename T> void set(Bytes &file, size_t offset, T value) {
  std::memcpy(file.data() + offset, &value, sizeof(value));
}

struct Case {
  const char *rule;
  ErrorCode code;
  std::function<void(Bytes &)> breakIt;
};

/// Each case breaks one rule. A case that changes a field of the header also
/// recomputes the header's digest, except for the cases of header.magic and
/// header.digest.
std::vector<Case> cases() {
  auto header = [](auto offset, auto value) {
    return [=](Bytes &file) {
      set(file, offset, value);
      signHeader(file);
    };
  };
  const uint64_t pages = kPlanPageBytes;
  return {
      {"header.magic", ErrorCode::Corrupt, [](Bytes &f) { f[0] = 'B'; }},
      {"header.magic", ErrorCode::Corrupt, [](Bytes &f) { f.resize(7); }},
      {"header.size", ErrorCode::Corrupt, [](Bytes &f) { f.resize(4095); }},
      {"header.digest", ErrorCode::VerificationFailed,
       [](Bytes &f) { f[offsetof(PlanHeader, fileBytes)] ^= 1; }},
      {"header.version", ErrorCode::Unsupported,
       header(offsetof(PlanHeader, major), kPlanMajor + 1)},
      {"header.version", ErrorCode::Unsupported,
       header(offsetof(PlanHeader, major), kPlanMajor - 1)},
      {"header.version", ErrorCode::Unsupported,
       header(offsetof(PlanHeader, minor), kPlanMinor + 1)},
      {"header.page", ErrorCode::Unsupported,
       header(offsetof(PlanHeader, pageLog2), 16U)},
      {"header.header_bytes", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, headerBytes), 96U)},
      {"header.reserved", ErrorCode::VerificationFailed,
       header(size_t{4095}, uint8_t{1})},
      {"header.reserved", ErrorCode::VerificationFailed,
       header(size_t{96}, uint8_t{1})},
      {"header.file_bytes", ErrorCode::Corrupt,
       [](Bytes &f) { f.resize(f.size() - 1); }},
      {"header.file_bytes", ErrorCode::Corrupt,
       [](Bytes &f) { f.push_back(0); }},
      {"header.metadata_offset", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, metadataOffset), 2 * pages)},
      {"header.metadata_bytes", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, metadataBytes), uint64_t{0})},
      {"header.metadata_bytes", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, metadataBytes), UINT64_MAX)},
      {"header.metadata_bytes", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, metadataBytes), uint64_t{1} << 20)},
      {"header.target_fingerprint", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, targetFingerprint), uint64_t{0})},
      {"metadata.digest", ErrorCode::VerificationFailed,
       [](Bytes &f) { f[kPlanPageBytes + 100] ^= 1; }},
      {"metadata.digest", ErrorCode::VerificationFailed,
       header(offsetof(PlanHeader, metadataDigest), uint64_t{0})},
      {"metadata.padding", ErrorCode::VerificationFailed,
       [](Bytes &f) {
         PlanHeader head;
         std::memcpy(&head, f.data(), sizeof(head));
         const uint64_t padded = alignUp(head.metadataBytes, kPlanPageBytes);
         ASSERT_NE(padded, head.metadataBytes);
         f[kPlanPageBytes + padded - 1] = 1;
         const Digest digest =
             digestOf(std::span(f).subspan(kPlanPageBytes, padded));
         std::memcpy(f.data() + offsetof(PlanHeader, metadataDigest),
                     digest.data(), digest.size());
         signHeader(f);
       }},
      {"metadata.gap", ErrorCode::VerificationFailed,
       [](Bytes &f) {
         // There is a page of zeros between the metadata and the first segment.
         SmallPlan small = makeSmallPlan();
         for (auto &segment : small.plan.segments) {
           segment->offset += kPlanPageBytes;
         }
         f = fileOf(small);
         const uint64_t first = small.plan.segments[0]->offset - kPlanPageBytes;
         f.insert(f.begin() + static_cast<ptrdiff_t>(first), kPlanPageBytes, 0);
         set(f, offsetof(PlanHeader, fileBytes), uint64_t{f.size()});
         signHeader(f);
       }},
  };
}

} // namespace

TEST(PlanHeader, EachRuleIsKept) {
  const Bytes good = fileOf(makeSmallPlan());
  ASSERT_TRUE(PlanFile::parse(good, "good"));
  for (const Case &broken : cases()) {
    Bytes file = good;
    broken.breakIt(file);
    const Status status = PlanFile::parse(file, "small.air").status();
    EXPECT_EQ(status.code(), broken.code) << broken.rule;
    EXPECT_THAT(status.message(),
                HasSubstr("'small.air': " + std::string(broken.rule) + ": "))
        << broken.rule;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(PlanHeader, EachDocumentedRuleHasACase) {
  // PlanCorruptionTest tests the rule segment.digest, and ReferencedBytesTest
  // tests segment.padding.
  std::set<std::string> tested = {"segment.digest", "segment.padding"};
  for (const Case &broken : cases()) {
    tested.insert(broken.rule);
  }
  std::set<std::string> documented;
  std::ifstream doc(AIR_SOURCE_DIR "/docs/plan-format.md");
  for (std::string line; std::getline(doc, line);) {
    for (const char *prefix : {"- `header.", "- `metadata.", "- `segment."}) {
      if (line.starts_with(prefix)) {
        documented.insert(line.substr(3, line.find('`', 3) - 3));
      }
    }
  }
  EXPECT_EQ(tested, documented);
}

// Readers of format 4.4 do not know the hint T1T0.
TEST(PlanHeader, StreamsThatArePrefetchedTwiceNeedANewerReader) {
  SmallPlan small = makeSmallPlan();
  small.plan.machine->cpu->streams[1]->hint = plan::StreamHint::T1T0;
  Bytes file = fileOf(small);
  PlanHeader head;
  std::memcpy(&head, file.data(), sizeof(head));
  EXPECT_EQ(head.minor, 5U);
  const Result<PlanFile> opened = PlanFile::parse(file, "twice");
  EXPECT_TRUE(opened) << opened.status().message();
  set(file, offsetof(PlanHeader, minor), 4U);
  signHeader(file);
  EXPECT_THAT(PlanFile::parse(file, "twice").status().message(),
              HasSubstr("the minor version is 4; it must be 5 in a plan for a "
                        "machine with a stream of the hint t1t0"));
}

// Readers of format 4.2 do not know the match flag 16. The minor version 3
// makes them say that the plan is too new.
TEST(PlanHeader, TheFlagOfJoinedUnknownPartsNeedsANewerReader) {
  const auto minorOf = [](const Bytes &file) {
    PlanHeader head;
    std::memcpy(&head, file.data(), sizeof(head));
    return head.minor;
  };
  SmallPlan small = makeSmallPlan();
  EXPECT_EQ(minorOf(fileOf(small)), 1U);
  plan::TokenizerT &tokenizer = *small.plan.tokenizer;
  tokenizer.kind = plan::TokenizerKind::Bpe;
  tokenizer.rules = std::make_unique<plan::TextRulesT>();
  tokenizer.rules->expressions = std::make_unique<plan::StringListT>();
  tokenizer.rules->expressions->bytes = {'a', 'b'};
  tokenizer.rules->expressions->ends = {2};
  tokenizer.unknown = 5;
  tokenizer.matching.assign(8, 15);
  EXPECT_EQ(minorOf(fileOf(small)), 1U);
  tokenizer.matching[5] = 31;
  small.fileBytes = *placeSegments(small.plan, metadataOf(small.plan).size());
  Bytes file = fileOf(small);
  EXPECT_EQ(minorOf(file), 3U);
  const Result<PlanFile> opened = PlanFile::parse(file, "fused");
  EXPECT_TRUE(opened) << opened.status().message();
  for (const uint32_t wrong : {0U, 1U, 2U}) {
    set(file, offsetof(PlanHeader, minor), wrong);
    signHeader(file);
    EXPECT_THAT(PlanFile::parse(file, "fused").status().message(),
                HasSubstr("header.version: the minor version is " +
                          std::to_string(wrong) + "; it must be 3"));
  }
  // Since version 4.4, a plan may have tokens that are added after BOS.
  tokenizer.bos = 1;
  tokenizer.add_bos = true;
  tokenizer.after_bos = {2};
  small.fileBytes = *placeSegments(small.plan, metadataOf(small.plan).size());
  file = fileOf(small);
  EXPECT_EQ(minorOf(file), 4U);
  set(file, offsetof(PlanHeader, minor), 3U);
  signHeader(file);
  EXPECT_THAT(PlanFile::parse(file, "several").status().message(),
              HasSubstr("the minor version is 3; it must be 4"));
  file = fileOf(makeSmallPlan());
  for (const uint32_t wrong : {2U, 3U, 4U}) {
    set(file, offsetof(PlanHeader, minor), wrong);
    signHeader(file);
    EXPECT_THAT(PlanFile::parse(file, "plain").status().message(),
                HasSubstr("it must be 0 or 1 in a plan for one target"));
  }
}

// docs/plan-format.md shows the header of the file that this test makes.
TEST(PlanHeader, IsAsDocumented) {
  const Bytes file = fileOf(makeSmallPlan());
  std::string dump;
  for (size_t row = 0; row < sizeof(PlanHeader); row += 16) {
    char text[16];
    std::snprintf(text, sizeof(text), "%08zx ", row);
    dump += text;
    for (size_t i = 0; i < 16; ++i) {
      std::snprintf(text, sizeof(text), " %02x", file[row + i]);
      dump += text;
    }
    dump += "\n";
  }
  std::ifstream doc(AIR_SOURCE_DIR "/docs/plan-format.md");
  const std::string page{std::istreambuf_iterator<char>(doc), {}};
  EXPECT_THAT(page, HasSubstr("```hexdump\n" + dump + "```\n"));
}

TEST(PlanHeader, MemoryMayHaveAnyAlignment) {
  Bytes file = fileOf(makeSmallPlan());
  file.insert(file.begin(), 0);
  Result<PlanFile> plan = PlanFile::parse(std::span(file).subspan(1), "odd");
  ASSERT_TRUE(plan) << plan.status().message();
  EXPECT_EQ(metadataOf(*std::unique_ptr<plan::PlanT>(plan->plan().UnPack())),
            metadataOf(makeSmallPlan().plan));
}
