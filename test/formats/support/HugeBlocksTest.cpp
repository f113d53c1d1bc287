//===- HugeBlocksTest.cpp - collected writes reach the file ---------------===//
#include "TempFolder.h"

#include "formats/support/HugeBlocks.h"

#include <random>

using namespace air;

namespace {

class HugeBlocksTest : public test::TempFolder {
protected:
  /// Writes `content` in pieces of random sizes, first the bytes from `from` to
  /// the end and then those before `from`. Returns the contents of the file.
  std::string written(const std::string &content, uint64_t from,
                      uint64_t largest) const {
    Result<AtomicFile> file = AtomicFile::create(path("out"));
    EXPECT_TRUE(file.isOk());
    HugeBlocks blocks;
    std::mt19937_64 random(from + largest);
    auto writeRange = [&](uint64_t at, uint64_t end) {
      while (at < end) {
        const uint64_t size = std::min(end - at, 1 + random() % largest);
        const auto *piece = reinterpret_cast<const uint8_t *>(&content[at]);
        EXPECT_TRUE(blocks.write(*file, at, {piece, size}).isOk());
        at += size;
      }
    };
    writeRange(from, content.size());
    writeRange(0, from);
    EXPECT_TRUE(blocks.flush(*file).isOk());
    EXPECT_TRUE(file->commit(content.size()).isOk());
    return readText(path("out"));
  }
};

TEST_F(HugeBlocksTest, WritesEveryByteInItsPlace) {
  std::string content(5 * HugeBlocks::kBlockBytes / 2 + 77, '\0');
  std::mt19937_64 random(1);
  for (char &c : content) {
    c = static_cast<char>(random());
  }
  for (uint64_t largest : {uint64_t{70'000}, HugeBlocks::kBlockBytes,
                           2 * HugeBlocks::kBlockBytes + 5}) {
    for (uint64_t from :
         {uint64_t{0}, uint64_t{4096}, HugeBlocks::kBlockBytes,
          HugeBlocks::kBlockBytes + 1, uint64_t{content.size()}}) {
      EXPECT_TRUE(written(content, from, largest) == content)
          << from << ", pieces of at most " << largest << " bytes";
    }
  }
}

TEST_F(HugeBlocksTest, ReportsAFailedWrite) {
  HugeBlocks blocks;
  AtomicFile closed; // every write to this file fails
  const std::vector<uint8_t> bytes(100);
  EXPECT_TRUE(blocks.write(closed, 0, bytes).isOk());
  EXPECT_EQ(blocks.flush(closed).code(), ErrorCode::Io);
  const std::vector<uint8_t> block(HugeBlocks::kBlockBytes);
  EXPECT_EQ(HugeBlocks().write(closed, 0, block).code(), ErrorCode::Io);
}

} // namespace
