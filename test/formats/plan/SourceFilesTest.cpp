//===- SourceFilesTest.cpp - the model's files of a reference plan --------===//
#include "ReferencePlan.h"

#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace air;
using namespace air::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

namespace {

class SourceFilesTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder);
    fs::create_directories(folder / "models");
    made = makeReferencePlan();
    write("small.air", fileOf(made.small));
  }

  std::string at(const std::string &name) { return (folder / name).string(); }

  void write(const std::string &name, const std::vector<uint8_t> &bytes) {
    std::ofstream(at(name), std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  Result<SourceFiles> open(const std::string &place) {
    Result<PlanFile> plan = PlanFile::open(at("small.air"));
    return plan ? SourceFiles::open(*plan, place)
                : Result<SourceFiles>(plan.status());
  }

  fs::path folder;
  ReferencePlan made;
};

} // namespace

TEST_F(SourceFilesTest, AreFoundBesideThePlanInAFolderOrByName) {
  for (const auto &[name, place] :
       {std::pair<std::string, std::string>{"small.gguf", ""},
        {"models/small.gguf", at("models")},
        {"renamed.gguf", at("renamed.gguf")}}) {
    write(name, made.source);
    Result<SourceFiles> files = open(place);
    ASSERT_TRUE(files) << files.status().message();
    EXPECT_EQ(files->file(0).path(), at(name));
    std::vector<uint8_t> bytes(100);
    ASSERT_TRUE(files->read(0, 50, bytes).isOk());
    EXPECT_TRUE(
        std::equal(bytes.begin(), bytes.end(), made.source.begin() + 50));
    fs::remove(at(name));
  }
}

TEST_F(SourceFilesTest, AMissingFileIsNamed) {
  const Status status = open("").status();
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("cannot open '" + at("small.gguf") + "'"),
                    HasSubstr("--source")));
  EXPECT_EQ(open(at("nowhere.gguf")).status().code(), ErrorCode::Io);
}

TEST_F(SourceFilesTest, AnotherFileIsRefused) {
  std::vector<uint8_t> longer = made.source;
  longer.push_back(0);
  write("small.gguf", longer);
  Status status = open("").status();
  EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
  EXPECT_THAT(
      status.message(),
      AllOf(HasSubstr("has " + std::to_string(longer.size()) + " bytes"),
            HasSubstr("has " + std::to_string(made.source.size())),
            HasSubstr("--source")));
  for (size_t i = 0; i < 96; i += 95) {
    std::vector<uint8_t> changed = made.source;
    changed[i] ^= 1;
    write("small.gguf", changed);
    status = open("").status();
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed) << i;
    EXPECT_THAT(status.message(), HasSubstr("digest")) << i;
  }
  // The digest covers only the header. The rows have digests of their own.
  std::vector<uint8_t> changed = made.source;
  changed[96] ^= 1;
  write("small.gguf", changed);
  EXPECT_TRUE(open("").isOk());
}

TEST_F(SourceFilesTest, WritingAndTruncationAreNoticed) {
  write("small.gguf", made.source);
  Result<SourceFiles> files = open("");
  ASSERT_TRUE(files) << files.status().message();
  EXPECT_TRUE(files->checkUnchanged().isOk());
  fs::resize_file(at("small.gguf"), 200);
  EXPECT_EQ(files->checkUnchanged().code(), ErrorCode::Io);
  std::vector<uint8_t> bytes(100);
  EXPECT_TRUE(files->read(0, 100, bytes).isOk());
  const Status status = files->read(0, 101, bytes);
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_THAT(status.message(), HasSubstr("shorter"));
}

TEST_F(SourceFilesTest, AFileCannotStandForSeveral) {
  plan::PlanT &plan = made.small.plan;
  plan.sources.push_back(std::make_unique<plan::SourceT>(*plan.sources[0]));
  plan.sources[1]->name = "second.gguf";
  write("small.air", fileOf(made.small));
  write("small.gguf", made.source);
  EXPECT_EQ(open(at("small.gguf")).status().code(), ErrorCode::Usage);
  EXPECT_EQ(open(folder.string()).status().code(), ErrorCode::Io);
  write("second.gguf", made.source);
  Result<SourceFiles> files = open(folder.string());
  ASSERT_TRUE(files) << files.status().message();
  EXPECT_EQ(files->count(), 2U);
}
