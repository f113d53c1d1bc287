//===- OutputPlaceTest.cpp - what a new file would replace ----------------===//
#include "TempFolder.h"

#include "formats/support/OutputPlace.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

using namespace air;

namespace {

class OutputPlaceTest : public test::TempFolder {
protected:
  /// Expects a refusal with the given code, and returns its message.
  static std::string refusal(const std::string &name, ErrorCode code) {
    Result<OutputPlace> place = findOutputPlace(name);
    EXPECT_FALSE(place.isOk()) << name;
    EXPECT_EQ(place.status().code(), code) << place.status().message();
    return place.status().message();
  }
};

TEST_F(OutputPlaceTest, ANewFileHasAFolderAndNothingToReplace) {
  Result<OutputPlace> place = findOutputPlace(path("new"));
  ASSERT_TRUE(place.isOk()) << place.status().message();
  EXPECT_EQ(place->path, path("new"));
  EXPECT_EQ(place->folder, folder);
  EXPECT_FALSE(place->access.has_value());
  EXPECT_EQ(filesInFolder(), 0U);
  // A name without a folder refers to the current folder.
  EXPECT_EQ(findOutputPlace("no-such-file-here")->folder, ".");
  EXPECT_EQ(findOutputPlace("/no-such-file-here")->folder, "/");
}

TEST_F(OutputPlaceTest, AFileStaysAsItIs) {
  writeText(path("old"), "text");
  ASSERT_EQ(chmod(path("old").c_str(), 0604), 0);
  Result<OutputPlace> place = findOutputPlace(path("old"));
  ASSERT_TRUE(place.isOk()) << place.status().message();
  ASSERT_TRUE(place->access.has_value());
  EXPECT_EQ(place->access->mode, 0604U);
  EXPECT_EQ(place->access->owner, geteuid());
  EXPECT_EQ(readText(path("old")), "text");
}

TEST_F(OutputPlaceTest, AnEmptyNameIsAskedFor) {
  EXPECT_NE(refusal("", ErrorCode::Usage).find("empty"), std::string::npos);
}

TEST_F(OutputPlaceTest, WhatIsNoFileIsRefusedByWhatItIs) {
  EXPECT_NE(refusal(folder, ErrorCode::Usage).find("it is a folder"),
            std::string::npos);
  EXPECT_NE(refusal(path("x/"), ErrorCode::Usage).find("it is a folder"),
            std::string::npos);
  EXPECT_NE(refusal("/dev/null", ErrorCode::Usage).find("a character device"),
            std::string::npos);
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("fifo", path("link"));
  for (const char *name : {"fifo", "link"}) {
    EXPECT_NE(refusal(path(name), ErrorCode::Usage).find("it is a pipe"),
              std::string::npos);
  }
  int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = path("socket");
  if (name.size() < sizeof(address.sun_path)) {
    name.copy(address.sun_path, name.size());
    ASSERT_EQ(
        bind(socket, reinterpret_cast<sockaddr *>(&address), sizeof(address)),
        0);
    EXPECT_NE(refusal(name, ErrorCode::Usage).find("it is a socket"),
              std::string::npos);
  }
  close(socket);
}

TEST_F(OutputPlaceTest, AMissingFolderIsNamed) {
  EXPECT_NE(refusal(path("no/out"), ErrorCode::Io)
                .find("there is no folder '" + path("no") + "'"),
            std::string::npos);
  std::filesystem::create_symlink("no/out", path("link"));
  EXPECT_NE(refusal(path("link"), ErrorCode::Io)
                .find("there is no folder '" + path("no") + "'"),
            std::string::npos);
  writeText(path("file"), "");
  refusal(path("file/out"), ErrorCode::Io);
}

TEST_F(OutputPlaceTest, AFileThatHasLostItsNameCanNotBeReplaced) {
  writeText(path("gone"), "");
  int descriptor = open(path("gone").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
  if (findOutputPlace(name).isOk()) {
    EXPECT_EQ(findOutputPlace(name)->path, path("gone"));
    std::filesystem::remove(path("gone"));
    EXPECT_NE(refusal(name, ErrorCode::Io).find("deleted or unnamed"),
              std::string::npos);
  }
  close(descriptor);
}

} // namespace
