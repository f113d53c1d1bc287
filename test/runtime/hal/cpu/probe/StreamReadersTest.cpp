//===- StreamReadersTest.cpp - every line is read, once -------------------===//
#include "runtime/hal/cpu/probe/StreamReaders.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>

using namespace air;
using namespace air::rt;

namespace {

constexpr StreamLoads kLoads[] = {StreamLoads::Single, StreamLoads::Burst,
                                  StreamLoads::TwoStreams};
constexpr StreamHint kHints[] = {StreamHint::None, StreamHint::Nta,
                                 StreamHint::T0,   StreamHint::T1,
                                 StreamHint::T2,   StreamHint::T1T0};
constexpr uint64_t kPages = 3;
constexpr uint64_t kBytes = kPages * kStreamPageBytes;

struct Free {
  void operator()(uint8_t *data) const { std::free(data); }
};

std::unique_ptr<uint8_t, Free> randomPages() {
  std::unique_ptr<uint8_t, Free> data(
      static_cast<uint8_t *>(std::aligned_alloc(kStreamPageBytes, kBytes)));
  std::mt19937 random(1);
  for (uint64_t i = 0; i < kBytes; ++i) {
    data.get()[i] = static_cast<uint8_t>(random());
  }
  return data;
}

} // namespace

TEST(StreamReaders, XorOfAllWords) {
  const auto data = randomPages();
  uint64_t words = 0;
  for (uint64_t at = 0; at < kBytes; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, data.get() + at, sizeof(word));
    words ^= word;
  }
  for (StreamLoads loads : {StreamLoads::Single, StreamLoads::TwoStreams}) {
    for (StreamHint hint : kHints) {
      EXPECT_EQ(streamReader(loads, hint)(data.get(), kPages, 4096), words);
    }
  }
}

TEST(StreamReaders, EveryLineCounts) {
  const auto data = randomPages();
  for (StreamLoads loads : kLoads) {
    for (StreamHint hint : kHints) {
      const StreamReader reader = streamReader(loads, hint);
      const uint64_t whole = reader(data.get(), kPages, 1024);
      for (uint64_t line = 0; line < kBytes; line += 64) {
        const uint64_t at = line + line / 64 % 64;
        data.get()[at] ^= 16;
        EXPECT_NE(reader(data.get(), kPages, 1024), whole) << at;
        data.get()[at] ^= 16;
      }
      EXPECT_EQ(reader(data.get(), kPages, 1024), whole);
      EXPECT_EQ(reader(data.get(), 0, 1024), 0u);
    }
  }
}
