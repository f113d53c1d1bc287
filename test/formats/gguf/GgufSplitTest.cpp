//===- GgufSplitTest.cpp - models in several files ------------------------===//
#include "GgufBuilder.h"
#include "test/formats/support/TempFolder.h"

#include "formats/gguf/GgufReader.h"

using namespace air;
using namespace air::test;

namespace {

class GgufSplit : public TempFolder {
protected:
  using TempFolder::path;
  std::string path(int part, int parts) const {
    char suffix[32];
    std::snprintf(suffix, sizeof(suffix), "-%05d-of-%05d.gguf", part, parts);
    return (folder / "model").string() + suffix;
  }

  static void write(const std::string &file, const Bytes &bytes) {
    writeText(file, std::string(bytes.begin(), bytes.end()));
  }

  /// Returns part `part`, counted from 0, of a model in `parts` files. The part
  /// contains one tensor, named `tensor`, and states that the whole model has
  /// `tensors` tensors.
  static GgufBuilder partOf(uint16_t part, uint16_t parts, int32_t tensors,
                            const std::string &tensor) {
    GgufBuilder builder;
    if (part == 0) {
      builder.text("general.architecture", "llama");
    }
    builder.value<uint16_t>("split.no", part)
        .value<uint16_t>("split.count", parts)
        .value<int32_t>("split.tensors.count", tensors)
        .tensor({tensor, {4}, 0, Bytes(16, static_cast<uint8_t>(part + 1))});
    return builder;
  }

  void writeThree() const {
    write(path(1, 3), partOf(0, 3, 3, "a").build());
    write(path(2, 3), partOf(1, 3, 3, "b").build());
    write(path(3, 3), partOf(2, 3, 3, "c").build());
  }

  void expectRefused(const std::string &file, ErrorCode code,
                     const std::string &piece) const {
    Result<ModelSource> model = readGguf(file);
    ASSERT_FALSE(model.isOk());
    EXPECT_EQ(model.status().code(), code) << model.status().message();
    EXPECT_NE(model.status().message().find(piece), std::string::npos)
        << model.status().message();
    EXPECT_EQ(model.status().message().find('\n'), std::string::npos);
  }
};

TEST_F(GgufSplit, ThreePartsMakeOneModel) {
  writeThree();
  Result<ModelSource> model = readGguf(path(1, 3));
  ASSERT_TRUE(model.isOk()) << model.status().message();
  EXPECT_EQ(model->getString("general.architecture"), "llama");
  ASSERT_EQ(model->files.size(), 3U);
  EXPECT_EQ(model->files[2].path(), path(3, 3));
  ASSERT_EQ(model->tensors.size(), 3U);
  uint32_t file = 0;
  for (const char *name : {"a", "b", "c"}) {
    const SourceTensor *tensor = model->find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->file, file);
    EXPECT_EQ(tensor->data.data(),
              model->files[file].bytes().data() + tensor->fileOffset);
    EXPECT_EQ(tensor->data[0], file + 1);
    ++file;
  }
}

TEST_F(GgufSplit, SplitCountOneIsAnOrdinaryFile) {
  std::string file = path("single.gguf");
  write(file, partOf(0, 1, 1, "a").build());
  EXPECT_TRUE(readGguf(file).isOk());
}

TEST_F(GgufSplit, MissingPartIsNamed) {
  writeThree();
  std::filesystem::remove(path(2, 3));
  expectRefused(path(1, 3), ErrorCode::Io, "part 2 of 3");
  expectRefused(path(1, 3), ErrorCode::Io, path(2, 3));
}

TEST_F(GgufSplit, LaterPartPointsToTheFirst) {
  writeThree();
  expectRefused(path(2, 3), ErrorCode::Usage,
                "it is part 2 of 3; give the first part, '" + path(1, 3) + "'");
}

TEST_F(GgufSplit, RenamedFirstPart) {
  writeThree();
  std::string renamed = path("model.gguf");
  std::filesystem::rename(path(1, 3), renamed);
  expectRefused(renamed, ErrorCode::Corrupt,
                "its name must end in '-00001-of-00003.gguf'");
}

TEST_F(GgufSplit, PartsInTheWrongOrder) {
  writeThree();
  write(path(2, 3), partOf(2, 3, 3, "c").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt,
                "its metadata says part 3 of 3, but a file of this name must "
                "be part 2 of 3");
}

TEST_F(GgufSplit, PartOfAnotherSplit) {
  writeThree();
  write(path(3, 3), partOf(2, 4, 4, "c").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt, "part 3 of 4");
}

TEST_F(GgufSplit, PartWithoutSplitKeys) {
  writeThree();
  write(path(3, 3), GgufBuilder().tensor({"c", {4}, 0, Bytes(16)}).build());
  expectRefused(path(1, 3), ErrorCode::Corrupt, "part 1 of 1");
}

TEST_F(GgufSplit, BrokenPartIsNamed) {
  writeThree();
  write(path(3, 3), Bytes{'G', 'G', 'U', 'F', 3, 0, 0, 0});
  expectRefused(path(1, 3), ErrorCode::Corrupt, "'" + path(3, 3) + "': trunc");
}

TEST_F(GgufSplit, TensorInTwoParts) {
  writeThree();
  write(path(3, 3), partOf(2, 3, 3, "a").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt,
                "tensor 'a' is already in an earlier part");
}

TEST_F(GgufSplit, TotalCountDisagrees) {
  writeThree();
  write(path(1, 3), partOf(0, 3, 5, "a").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt,
                "split.tensors.count is 5, but the 3 parts hold 3 tensors");
}

TEST_F(GgufSplit, NumberNotBelowCount) {
  write(path(1, 3), partOf(3, 3, 3, "a").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt,
                "split.no 3, but split.count 3; split.no must be 0 to 2");
}

TEST_F(GgufSplit, CountWithoutNumber) {
  write(path(1, 3), GgufBuilder().value<uint16_t>("split.count", 3).build());
  expectRefused(path(1, 3), ErrorCode::Corrupt, "no split.no");
}

TEST_F(GgufSplit, CountIsText) {
  write(path(1, 3), GgufBuilder().text("split.count", "3").build());
  expectRefused(path(1, 3), ErrorCode::Corrupt,
                "'split.count' is not an unsigned integer");
}

TEST_F(GgufSplit, HugeCountEndsAtTheFirstMissingPart) {
  write(path(1, 99999), partOf(0, 65535, 3, "a").build());
  std::filesystem::rename(path(1, 99999), path(1, 65535));
  expectRefused(path(1, 65535), ErrorCode::Io, "part 2 of 65535");
}

} // namespace
