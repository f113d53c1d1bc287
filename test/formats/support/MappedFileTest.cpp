//===- MappedFileTest.cpp - a read-only view of a whole file --------------===//
#include "TempFolder.h"

#include "formats/support/MappedFile.h"

#include <chrono>
#include <sys/stat.h>

using namespace air;

namespace {

class MappedFileTest : public test::TempFolder {};

std::string textOf(const MappedFile &file) {
  return {file.bytes().begin(), file.bytes().end()};
}

TEST_F(MappedFileTest, ShowsTheBytes) {
  writeText(path("in"), "some bytes");
  Result<MappedFile> file = MappedFile::open(path("in"));
  ASSERT_TRUE(file.isOk()) << file.status().message();
  EXPECT_EQ(textOf(*file), "some bytes");
  EXPECT_EQ(file->path(), path("in"));
}

TEST_F(MappedFileTest, MovesKeepTheMapping) {
  writeText(path("in"), "bytes");
  MappedFile first = *MappedFile::open(path("in"));
  const uint8_t *address = first.bytes().data();
  MappedFile second = std::move(first);
  EXPECT_EQ(second.bytes().data(), address);
  MappedFile third;
  third = std::move(second);
  EXPECT_EQ(textOf(third), "bytes");
  EXPECT_TRUE(second.bytes().empty());
}

TEST_F(MappedFileTest, ReleasedPagesReadTheSameAgain) {
  std::string text(100000, 'x');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(i * 31);
  }
  writeText(path("in"), text);
  Result<MappedFile> file = MappedFile::open(path("in"));
  ASSERT_TRUE(file.isOk());
  file->release(0, text.size());
  file->release(10, 20);
  file->release(5000, UINT64_MAX - 5000);
  EXPECT_EQ(textOf(*file), text);
}

TEST_F(MappedFileTest, AnAddressTellsItsFile) {
  writeText(path("a"), std::string(10000, 'a'));
  writeText(path("b"), "b");
  const int onStack = 0;
  EXPECT_FALSE(mappedPlaceOf(&onStack).has_value());
  EXPECT_FALSE(mappedPlaceOf(nullptr).has_value());
  MappedFile a = *MappedFile::open(path("a"));
  const uint8_t *begin = a.bytes().data();
  {
    MappedFile b = *MappedFile::open(path("b"));
    std::optional<MappedPlace> place = mappedPlaceOf(b.bytes().data());
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->path, path("b"));
    EXPECT_EQ(place->offset, 0U);
  }
  for (uint64_t offset : {0U, 9999U}) {
    std::optional<MappedPlace> place = mappedPlaceOf(begin + offset);
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->path, path("a"));
    EXPECT_EQ(place->offset, offset);
  }
  EXPECT_FALSE(mappedPlaceOf(begin - 1).has_value());
  MappedFile moved = std::move(a);
  EXPECT_TRUE(mappedPlaceOf(begin).has_value());
  moved = MappedFile();
  EXPECT_FALSE(mappedPlaceOf(begin).has_value());
  // mappedPlaceOf() searches a list of mapped files. When a file has been
  // unmapped, the next one to be mapped takes over its entry in the list.
  MappedFile again = *MappedFile::open(path("b"));
  EXPECT_EQ(mappedPlaceOf(again.bytes().data())->path, path("b"));
}

TEST_F(MappedFileTest, TellsThatSomebodyWroteToTheFile) {
  writeText(path("in"), "some bytes");
  MappedFile file = *MappedFile::open(path("in"));
  EXPECT_TRUE(file.checkUnchanged().isOk());
  // Renaming another file to the name of the mapped one does not change the
  // mapped file.
  writeText(path("other"), "else");
  std::filesystem::rename(path("other"), path("in"));
  EXPECT_TRUE(file.checkUnchanged().isOk());
  MappedFile other = *MappedFile::open(path("in"));
  // The size stays the same, so only the modification time reveals the write.
  // The test sets it explicitly, because timestamps may be coarse.
  writeText(path("in"), "ELSE");
  std::filesystem::last_write_time(
      path("in"),
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_EQ(other.checkUnchanged().code(), ErrorCode::Io);
  EXPECT_TRUE(file.checkUnchanged().isOk());
  EXPECT_TRUE(MappedFile().checkUnchanged().isOk());
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  Result<MappedFile> missing = MappedFile::open(path("missing"));
  ASSERT_FALSE(missing.isOk());
  EXPECT_EQ(missing.status().code(), ErrorCode::Io);
  EXPECT_NE(missing.status().message().find(path("missing")),
            std::string::npos);

  writeText(path("empty"), "");
  EXPECT_EQ(MappedFile::open(path("empty")).status().code(),
            ErrorCode::Corrupt);
  EXPECT_EQ(MappedFile::open(folder).status().code(), ErrorCode::Corrupt);

  // Opening a FIFO that has no writer must not block.
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(path("fifo")).status().code(), ErrorCode::Corrupt);
}

} // namespace
