//===- FakeBlockReaderTest.cpp - the fake behaves like a reader -----------===//
#include "test/runtime/fake/FakeBlockReader.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>

using namespace air;
using namespace air::rt;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kPage = 4096;

std::vector<uint8_t> pages(size_t count) {
  std::vector<uint8_t> bytes(count * kPage);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i / kPage);
  }
  return bytes;
}

class FakeBlockReaderTest : public testing::Test {
protected:
  FakeBlockReaderTest()
      : memory(static_cast<uint8_t *>(std::aligned_alloc(kPage, 4 * kPage)),
               &std::free),
        reader(pages(4), 3) {}
  BlockRequest page(uint64_t index) {
    return {index * kPage, kPage, memory.get() + index * kPage, index};
  }

  std::unique_ptr<uint8_t, decltype(&std::free)> memory;
  FakeBlockReader reader;
};

TEST_F(FakeBlockReaderTest, TheTestChoosesTheOrder) {
  reader.next = [](size_t count) { return count - 1; };
  for (uint64_t i : {0, 1, 2}) {
    ASSERT_TRUE(reader.submit(page(i)).isOk());
  }
  EXPECT_EQ(reader.submit(page(3)).code(), ErrorCode::Internal);
  for (uint64_t i : {2, 1, 0}) {
    EXPECT_EQ(memory.get()[i * kPage], FakeBlockReader::kNotRead);
    Result<BlockDone> done = reader.wait();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->id, i);
    EXPECT_EQ(memory.get()[i * kPage], i);
    EXPECT_EQ(memory.get()[i * kPage + kPage - 1], i);
  }
  EXPECT_EQ(reader.wait().status().code(), ErrorCode::Internal);
  EXPECT_EQ(reader.bytesRead(), 3 * kPage);
  EXPECT_EQ(reader.submitted.size(), 3u);
}

TEST_F(FakeBlockReaderTest, TheTestChoosesTheErrors) {
  reader.fail(kPage + 5, ioError("a bad sector"), 2);
  reader.file.resize(2 * kPage + 1);
  for (uint64_t i : {0, 1, 2}) {
    ASSERT_TRUE(reader.submit(page(i)).isOk());
  }
  EXPECT_TRUE(reader.wait()->status.isOk());
  EXPECT_EQ(reader.wait()->status.message(), "a bad sector");
  EXPECT_THAT(reader.wait()->status.message(), HasSubstr("truncated"));
  for (uint64_t time : {0, 1}) {
    ASSERT_TRUE(reader.submit(page(1)).isOk());
    EXPECT_EQ(reader.wait()->status.isOk(), time == 1);
  }
  ASSERT_TRUE(reader.submit(page(0)).isOk());
  reader.breakDown(ioError("the ring is gone"));
  EXPECT_EQ(reader.wait().status().message(), "the ring is gone");
}

} // namespace
