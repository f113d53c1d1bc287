//===- TempFolder.h - a temporary folder for each test ----------*- C++ -*-===//
#ifndef AIRPACK_TEST_FORMATS_SUPPORT_TEMPFOLDER_H
#define AIRPACK_TEST_FORMATS_SUPPORT_TEMPFOLDER_H

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

namespace air::test {

class TempFolder : public testing::Test {
protected:
  void SetUp() override {
    const auto *info = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(testing::TempDir()) /
             (std::string(info->test_suite_name()) + "-" + info->name() + "-" +
              std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string &name) const { return folder / name; }

  static void writeText(const std::string &file, const std::string &text) {
    std::ofstream(file, std::ios::binary) << text;
  }
  static std::string readText(const std::string &file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t filesInFolder() const {
    auto all = std::filesystem::directory_iterator(folder);
    return static_cast<size_t>(
        std::distance(begin(all), std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder;
};

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_SUPPORT_TEMPFOLDER_H
