//===- DigestTest.cpp - XXH3-128 against published implementations --------===//
#include "formats/support/Digest.h"

#include <gtest/gtest.h>

#include <vector>

using namespace air;

namespace {

struct Vector {
  size_t size;
  const char *hex;
};

// The expected digests were made with the Python package xxhash 4.1.0 (xxHash
// 0.8.4): xxh3_128_hexdigest of bytes((i * 31 + 7) & 255 for i in range(size)).
// The sizes lie on both sides of each boundary between the algorithm's length
// classes.
constexpr Vector kVectors[] = {
    {0, "99aa06d3014798d86001c324468d497f"},
    {1, "495b62073ef70ca44c5cca45d0f4811f"},
    {3, "46f66cb93538156515f7093b173d005c"},
    {4, "7fefeeffb4d0eab3b987ca5d9241572a"},
    {8, "803c675a846cc6c256bb836ceb6d4baa"},
    {9, "d46556872d230f224376673580310154"},
    {16, "650fe308c566747df853dd94614dfa07"},
    {17, "18217300b5132d5a78c349fe81b2f26c"},
    {128, "b4f87b99d2db8a511e04fad9f0cacb4d"},
    {129, "6881633650cd8924c51bc887976aef63"},
    {240, "de57aab31e77a2ff93e173833f75ab66"},
    {241, "92b991a7192f3f080b3b630948ce4a00"},
    {1024, "4c17271c906df79223bc880ebf0d29c6"},
    {1025, "70a4eb1b9691d77fc09fdfbc398c7d82"},
    {100000, "8ce7a24d31cd94b1ccf90df7e7e37036"},
};

std::vector<uint8_t> pattern(size_t size) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>(i * 31 + 7);
  }
  return bytes;
}

TEST(Digest, KnownVectors) {
  for (const Vector &vector : kVectors) {
    EXPECT_EQ(toHex(digestOf(pattern(vector.size))), vector.hex) << vector.size;
  }
}

TEST(Digest, PiecesGiveTheDigestOfTheWhole) {
  for (const Vector &vector : kVectors) {
    std::vector<uint8_t> bytes = pattern(vector.size);
    for (size_t piece : {size_t{1}, size_t{7}, size_t{256}, size_t{1000}}) {
      DigestStream stream;
      for (size_t at = 0; at < bytes.size(); at += piece) {
        stream.update({bytes.data() + at, std::min(piece, bytes.size() - at)});
      }
      EXPECT_EQ(toHex(stream.finish()), vector.hex)
          << vector.size << " in pieces of " << piece;
    }
  }
}

TEST(Digest, FinishMayBeAskedOnTheWay) {
  DigestStream stream;
  EXPECT_EQ(toHex(stream.finish()), kVectors[0].hex);
  std::vector<uint8_t> bytes = pattern(1025);
  stream.update({bytes.data(), 1024});
  EXPECT_EQ(toHex(stream.finish()), "4c17271c906df79223bc880ebf0d29c6");
  DigestStream moved = std::move(stream);
  moved.update({bytes.data() + 1024, 1});
  EXPECT_EQ(toHex(moved.finish()), "70a4eb1b9691d77fc09fdfbc398c7d82");
}

} // namespace
