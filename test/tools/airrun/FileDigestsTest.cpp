//===- FileDigestsTest.cpp - digests of files, remembered -----------------===//
#include "tools/airrun/FileDigests.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

using namespace air;
namespace fs = std::filesystem;
using testing::HasSubstr;

namespace {

/// A file that was last changed more than a few seconds ago.
const std::string kOldFile = AIR_TEST_INPUTS "/models/tiny/llama2.gguf";

class FileDigestsTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             (testing::UnitTest::GetInstance()->current_test_info()->name() +
              ("-" + std::to_string(getpid())));
    fs::remove_all(folder);
    fs::create_directories(folder);
    memory = (folder / "digests.json").string();
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string write(const std::string &name, const std::string &text) {
    const std::string path = (folder / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  /// The digest of a file, and whether the file was read for it.
  std::pair<std::string, bool> digest(FileDigests &digests,
                                      const std::string &file) {
    bool wasRead = false;
    Result<Digest> result =
        digests.digestOf(file, [&](uint64_t) { wasRead = true; });
    return {result ? toHex(*result) : result.status().message(), wasRead};
  }

  fs::path folder;
  std::string memory;
};

// `xxhsum -H2` (xxHash 0.8) prints this digest for the text "abc".
TEST_F(FileDigestsTest, DigestsBytes) {
  FileDigests digests = FileDigests::open(memory);
  EXPECT_EQ(digest(digests, write("abc", "abc")).first,
            "06b05ab6733a618578af5f94892f3950");
}

TEST_F(FileDigestsTest, UnchangedFileIsReadOnce) {
  FileDigests first = FileDigests::open(memory);
  const auto [text, wasRead] = digest(first, kOldFile);
  EXPECT_TRUE(wasRead);
  ASSERT_TRUE(first.save().isOk());
  FileDigests second = FileDigests::open(memory);
  EXPECT_EQ(digest(second, kOldFile), std::make_pair(text, false));
  // A copy has the same bytes, but is read again, because it is another file.
  const std::string copy = (folder / "copy").string();
  fs::copy_file(kOldFile, copy);
  EXPECT_EQ(digest(second, copy), std::make_pair(text, true));
}

TEST_F(FileDigestsTest, FileThatWasJustWrittenIsNotRemembered) {
  FileDigests digests = FileDigests::open(memory);
  const std::string file = write("new", "one");
  const std::string one = digest(digests, file).first;
  write("new", "two");
  EXPECT_NE(digest(digests, file).first, one);
  ASSERT_TRUE(digests.save().isOk());
  EXPECT_FALSE(fs::exists(memory));
}

TEST_F(FileDigestsTest, DamagedMemoryCountsAsEmpty) {
  for (const char *text :
       {"", "{", "null", "[1, {}, {\"file\": 1, \"digest\": \"\"}]",
        "[{\"file\": \"x\", \"digest\": \"zz\"}]"}) {
    write("digests.json", text);
    FileDigests digests = FileDigests::open(memory);
    EXPECT_TRUE(digest(digests, kOldFile).second) << text;
    EXPECT_TRUE(digests.save().isOk());
  }
}

TEST_F(FileDigestsTest, MissingFilesAndFolders) {
  FileDigests digests = FileDigests::open(memory);
  EXPECT_THAT(digest(digests, (folder / "none").string()).first,
              HasSubstr("No such file"));
  EXPECT_THAT(digest(digests, folder.string()).first,
              HasSubstr("not a regular file"));
}

} // namespace
