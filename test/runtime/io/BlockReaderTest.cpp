//===- BlockReaderTest.cpp - every method reads what is in the file -------===//
#include "runtime/io/BlockReader.h"

#include "runtime/io/BlockFile.h"
#include "runtime/io/PreadReader.h"

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <random>
#include <set>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kPage = 4096;

/// A file of random bytes, and its descriptor.
class RandomFile {
public:
  RandomFile(const std::string &folder, size_t size) : bytes(size) {
    path = folder + "blocks-" + std::to_string(getpid());
    std::mt19937 random(7);
    for (uint8_t &byte : bytes) {
      byte = static_cast<uint8_t>(random());
    }
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()),
               static_cast<std::streamsize>(size));
    descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_GE(descriptor, 0) << path;
  }
  ~RandomFile() {
    close(descriptor);
    std::remove(path.c_str());
  }

  std::vector<uint8_t> bytes;
  std::string path;
  int descriptor = -1;
};

/// Memory whose address is a multiple of the page size.
class Pages {
public:
  explicit Pages(uint64_t size)
      : bytes(size),
        data(static_cast<uint8_t *>(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    EXPECT_NE(data, MAP_FAILED);
  }
  ~Pages() { munmap(data, bytes); }
  uint64_t bytes;
  uint8_t *data;
};

/// Denies the calling thread the use of io_uring, as the default seccomp
/// profile of many containers does.
void denyIoUring() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog filter = {std::size(program), program};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/// Opens a reader for `file`. Skips the test if the file system does not
/// support O_DIRECT or the system has no io_uring.
#define OPEN_OR_SKIP(reader, file, depth)                                      \
  auto reader##Opened =                                                        \
      openBlockReader((file).descriptor, (file).path, GetParam(), depth);      \
  if (!reader##Opened &&                                                       \
      reader##Opened.status().code() == ErrorCode::Unsupported) {              \
    GTEST_SKIP() << reader##Opened.status().message();                         \
  }                                                                            \
  ASSERT_TRUE(reader##Opened) << reader##Opened.status().message();            \
  std::unique_ptr<BlockReader> reader = *std::move(reader##Opened)

class BlockReaderWith : public testing::TestWithParam<IoMethod> {};

TEST_P(BlockReaderWith, ReadsEveryByteInAnyOrder) {
  const size_t size = 40 * kPage + 1234;
  const RandomFile file(testing::TempDir(), size);
  for (uint32_t depth : {1U, 2U, 5U}) {
    OPEN_OR_SKIP(reader, file, depth);
    EXPECT_EQ(reader->depth(), depth);
    EXPECT_EQ(reader->method(), GetParam());
    const Pages memory(41 * kPage);
    // The file is read in blocks of 3 pages, from the last block to the first.
    // The last block is shorter, because it ends with the file.
    std::vector<BlockRequest> requests;
    for (uint64_t at = 0; at < size; at += 3 * kPage) {
      requests.push_back(
          {at, std::min(3 * kPage, size - at), memory.data + at, at});
    }
    std::set<uint64_t> expected;
    std::set<uint64_t> seen;
    while (!requests.empty() || reader->inFlight() != 0) {
      while (!requests.empty() && reader->inFlight() < depth) {
        expected.insert(requests.back().id);
        const Status status = reader->submit(requests.back());
        ASSERT_TRUE(status.isOk()) << status.message();
        requests.pop_back();
      }
      Result<BlockDone> done = reader->wait();
      ASSERT_TRUE(done) << done.status().message();
      EXPECT_TRUE(done->status.isOk()) << done->status.message();
      EXPECT_TRUE(seen.insert(done->id).second);
    }
    EXPECT_EQ(seen, expected);
    EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
    EXPECT_EQ(reader->bytesRead(), size);
  }
}

TEST_P(BlockReaderWith, OnlyTheBlocksThatAreAskedForAreWritten) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 2);
  const Pages memory(4 * kPage);
  ASSERT_TRUE(
      reader->submit({5 * kPage, kPage, memory.data + kPage, 0}).isOk());
  ASSERT_TRUE(reader->wait()->status.isOk());
  EXPECT_TRUE(std::all_of(memory.data, memory.data + kPage,
                          [](uint8_t byte) { return byte == 0; }));
  EXPECT_TRUE(std::equal(memory.data + kPage, memory.data + 2 * kPage,
                         file.bytes.begin() + 5 * kPage));
  EXPECT_TRUE(std::all_of(memory.data + 2 * kPage, memory.data + 4 * kPage,
                          [](uint8_t byte) { return byte == 0; }));
}

TEST_P(BlockReaderWith, ALimitedRateIsNotExceeded) {
  const RandomFile file(testing::TempDir(), 32 * kPage);
  OPEN_OR_SKIP(reader, file, 4);
  // Linux may delay the end of a sleep by the timer slack, so a reader that
  // sleeps too briefly could stay below its rate limit by accident. A slack of
  // 1 ns prevents this.
  ASSERT_EQ(prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0), 0);
  // At this rate, the 128 KiB of the file take a quarter of a second.
  reader->limitRate(512 << 10);
  const Pages memory(32 * kPage);
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t page = 0; page < 32; ++page) {
    if (page >= 4) {
      ASSERT_TRUE(reader->wait());
    }
    ASSERT_TRUE(
        reader->submit({page * kPage, kPage, memory.data + page * kPage, page})
            .isOk());
  }
  while (reader->inFlight() != 0) {
    ASSERT_TRUE(reader->wait());
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(249));
  EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
}

TEST_P(BlockReaderWith, MoreThanTheDepthIsRefused) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 2);
  const Pages memory(3 * kPage);
  EXPECT_TRUE(reader->submit({0, kPage, memory.data, 0}).isOk());
  EXPECT_TRUE(reader->submit({kPage, kPage, memory.data + kPage, 1}).isOk());
  const Status status =
      reader->submit({2 * kPage, kPage, memory.data + 2 * kPage, 2});
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_THAT(status.message(), HasSubstr("already has 2 requests in flight"));
  EXPECT_TRUE(reader->wait()->status.isOk());
  EXPECT_TRUE(reader->wait()->status.isOk());
  EXPECT_EQ(reader->wait().status().code(), ErrorCode::Internal);
  EXPECT_TRUE(reader->submit({0, kPage, memory.data, 3}).isOk());
  EXPECT_EQ(reader->wait()->id, 3u);
}

TEST_P(BlockReaderWith, BadRequestsAreRefused) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 1);
  const Pages memory(2 * kPage);
  const BlockRequest bad[] = {
      {512, kPage, memory.data, 0},
      {0, kPage, memory.data + 512, 0},
      {0, 0, memory.data, 0},
      {0, kPage, nullptr, 0},
      {0, UINT64_MAX, memory.data, 0},
      {UINT64_MAX / kPage * kPage, kPage, memory.data, 0},
      {(uint64_t{1} << 63) - kPage, kPage, memory.data, 0}};
  for (const BlockRequest &request : bad) {
    EXPECT_EQ(reader->submit(request).code(), ErrorCode::Internal);
  }
  EXPECT_EQ(reader->inFlight(), 0u);
}

TEST_P(BlockReaderWith, ATruncatedFileIsAnErrorOfTheRequest) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 3);
  const Pages memory(8 * kPage);
  ASSERT_EQ(ftruncate(file.descriptor, 4 * kPage + 100), 0);
  ASSERT_TRUE(reader->submit({3 * kPage, 3 * kPage, memory.data, 1}).isOk());
  Result<BlockDone> done = reader->wait();
  ASSERT_TRUE(done) << done.status().message();
  EXPECT_EQ(done->id, 1u);
  EXPECT_EQ(done->status.code(), ErrorCode::Io);
  EXPECT_EQ(done->status.message(),
            "'" + file.path +
                "' is truncated: only 4196 of 12288 bytes could be read at "
                "offset 12288; restore the file");
  // The bytes before the new end of the file can still be read.
  ASSERT_TRUE(reader->submit({0, 4 * kPage + 100, memory.data, 2}).isOk());
  EXPECT_TRUE(reader->wait()->status.isOk());
  EXPECT_TRUE(std::equal(memory.data, memory.data + 4 * kPage + 100,
                         file.bytes.begin()));
}

TEST_P(BlockReaderWith, MemoryThatCannotBeWrittenIsAnErrorOfTheRequest) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 2);
  const Pages memory(2 * kPage);
  ASSERT_EQ(mprotect(memory.data, kPage, PROT_NONE), 0);
  ASSERT_TRUE(reader->submit({kPage, kPage, memory.data, 4}).isOk());
  Result<BlockDone> done = reader->wait();
  ASSERT_TRUE(done) << done.status().message();
  EXPECT_EQ(done->status.message(),
            "cannot read 4096 bytes at offset 4096 of '" + file.path +
                "': Bad address");
}

TEST_P(BlockReaderWith, AFileThatIsReplacedOrClosedStaysOpen) {
  RandomFile file(testing::TempDir(), 8 * kPage);
  OPEN_OR_SKIP(reader, file, 1);
  const Pages memory(8 * kPage);
  const std::string other = file.path + ".other";
  std::ofstream(other) << "other";
  ASSERT_EQ(std::rename(other.c_str(), file.path.c_str()), 0);
  close(file.descriptor);
  file.descriptor = -1;
  ASSERT_TRUE(reader->submit({0, 8 * kPage, memory.data, 0}).isOk());
  const BlockDone done = *reader->wait();
  EXPECT_TRUE(done.status.isOk()) << done.status.message();
  EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
}

TEST_P(BlockReaderWith, AFileThatIsDeletedCanBeOpened) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  std::remove(file.path.c_str());
  OPEN_OR_SKIP(reader, file, 1);
  const Pages memory(8 * kPage);
  ASSERT_TRUE(reader->submit({0, 8 * kPage, memory.data, 0}).isOk());
  EXPECT_TRUE(reader->wait()->status.isOk());
  EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
}

TEST_P(BlockReaderWith, TheCallersDescriptorKeepsItsFlags) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  const int before = fcntl(file.descriptor, F_GETFL);
  OPEN_OR_SKIP(reader, file, 1);
  EXPECT_EQ(fcntl(file.descriptor, F_GETFL), before);
}

TEST_P(BlockReaderWith, DestructionWaitsForWhatIsInFlight) {
  const RandomFile file(testing::TempDir(), 64 * kPage);
  for (int round = 0; round < 20; ++round) {
    const Pages memory(64 * kPage);
    {
      OPEN_OR_SKIP(reader, file, 4);
      for (uint64_t i = 0; i < 4; ++i) {
        ASSERT_TRUE(reader
                        ->submit({16 * i * kPage, 16 * kPage,
                                  memory.data + 16 * i * kPage, i})
                        .isOk());
      }
    }
    // If a read were still in flight, it would overwrite these bytes.
    std::fill(memory.data, memory.data + memory.bytes, uint8_t{1});
    std::this_thread::yield();
    EXPECT_TRUE(std::all_of(memory.data, memory.data + memory.bytes,
                            [](uint8_t byte) { return byte == 1; }));
  }
}

TEST_P(BlockReaderWith, SmallAndEmptyFiles) {
  for (size_t size : {size_t{1}, size_t{4095}, size_t{4097}}) {
    const RandomFile file(testing::TempDir(), size);
    OPEN_OR_SKIP(reader, file, 1);
    const Pages memory(2 * kPage);
    ASSERT_TRUE(reader->submit({0, size, memory.data, 0}).isOk());
    EXPECT_TRUE(reader->wait()->status.isOk());
    EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
  }
  const RandomFile empty(testing::TempDir(), 0);
  OPEN_OR_SKIP(reader, empty, 1);
  const Pages memory(kPage);
  ASSERT_TRUE(reader->submit({0, 1, memory.data, 0}).isOk());
  EXPECT_THAT(reader->wait()->status.message(), HasSubstr("is truncated"));
}

TEST_P(BlockReaderWith, TheDepthHasLimits) {
  const RandomFile file(testing::TempDir(), kPage);
  for (uint32_t depth : {0U, kMaxReaderDepth + 1}) {
    EXPECT_EQ(openBlockReader(file.descriptor, file.path, GetParam(), depth)
                  .status()
                  .code(),
              ErrorCode::Usage);
  }
  OPEN_OR_SKIP(reader, file, kMaxReaderDepth);
  EXPECT_EQ(reader->depth(), kMaxReaderDepth);
}

TEST_P(BlockReaderWith, OnlyRegularFilesAreRead) {
  const int folder = open("/", O_RDONLY | O_DIRECTORY);
  Result<std::unique_ptr<BlockReader>> reader =
      openBlockReader(folder, "/", GetParam(), 1);
  close(folder);
  EXPECT_EQ(reader.status().code(), ErrorCode::Corrupt);
  EXPECT_EQ(reader.status().message(), "'/' is not a regular file");
}

INSTANTIATE_TEST_SUITE_P(Methods, BlockReaderWith,
                         testing::Values(IoMethod::Uring, IoMethod::Pread,
                                         IoMethod::Buffered),
                         [](const auto &info) {
                           return std::string(ioMethodName(info.param));
                         });

TEST(PreadReader, WorksWithoutThreads) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  Result<BlockFile> opened =
      BlockFile::reopen(file.descriptor, file.path, IoMethod::Buffered);
  ASSERT_TRUE(opened) << opened.status().message();
  const std::unique_ptr<PreadReader> reader =
      PreadReader::create(*std::move(opened), IoMethod::Buffered, 2, 0);
  const Pages memory(8 * kPage);
  ASSERT_TRUE(reader->submit({0, 4 * kPage, memory.data, 0}).isOk());
  ASSERT_TRUE(reader->submit({4 * kPage, 4 * kPage, memory.data + 4 * kPage, 1})
                  .isOk());
  EXPECT_EQ(reader->wait()->id, 0u);
  EXPECT_EQ(reader->wait()->id, 1u);
  EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
}

TEST(BlockReader, BufferedReadsLeaveNothingInThePageCache) {
  const RandomFile file(testing::TempDir(), 512 * kPage);
  ASSERT_EQ(fsync(file.descriptor), 0);
  // The pages that were cached when the file was written must be dropped.
  ASSERT_EQ(posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
  Result<std::unique_ptr<BlockReader>> reader =
      openBlockReader(file.descriptor, file.path, IoMethod::Buffered, 1);
  ASSERT_TRUE(reader) << reader.status().message();
  const Pages memory(128 * kPage);
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE((*reader)
                    ->submit({128 * i * kPage, 128 * kPage, memory.data, i})
                    .isOk());
    ASSERT_TRUE((*reader)->wait()->status.isOk());
  }
  void *mapping =
      mmap(nullptr, 512 * kPage, PROT_READ, MAP_SHARED, file.descriptor, 0);
  ASSERT_NE(mapping, MAP_FAILED);
  std::vector<unsigned char> cached(512);
  ASSERT_EQ(mincore(mapping, 512 * kPage, cached.data()), 0);
  munmap(mapping, 512 * kPage);
  if (file.path.starts_with("/dev/shm")) {
    GTEST_SKIP() << "the file is on tmpfs, whose files lie in the page cache";
  }
  EXPECT_LT(std::count_if(cached.begin(), cached.end(),
                          [](unsigned char page) { return (page & 1) != 0; }),
            16);
}

TEST(BestReader, IsTheWantedOneIfPossible) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  Result<OpenedReader> opened =
      openBestReader(file.descriptor, file.path, IoMethod::Buffered, 1);
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_EQ(opened->reader->method(), IoMethod::Buffered);
  EXPECT_EQ(opened->note, "");
  opened = openBestReader(file.descriptor, file.path, IoMethod::Uring, 1);
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_EQ(opened->note.empty(), opened->reader->method() == IoMethod::Uring);
}

TEST(BestReader, WithoutIoUringThreadsRead) {
  const RandomFile file(testing::TempDir(), 8 * kPage);
  std::thread([&] {
    denyIoUring();
    Result<OpenedReader> opened =
        openBestReader(file.descriptor, file.path, IoMethod::Uring, 1);
    ASSERT_TRUE(opened) << opened.status().message();
    EXPECT_NE(opened->reader->method(), IoMethod::Uring);
    EXPECT_THAT(opened->note,
                HasSubstr("instead of uring: the system does not provide "
                          "io_uring: Operation not permitted"));
    const Pages memory(8 * kPage);
    ASSERT_TRUE(opened->reader->submit({0, 8 * kPage, memory.data, 0}).isOk());
    EXPECT_TRUE(opened->reader->wait()->status.isOk());
    EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
  }).join();
}

TEST(BestReader, WithoutDirectReadsThePageCacheIsUsed) {
  // The files in /proc are regular files that cannot be opened with O_DIRECT.
  const std::string path = "/proc/version";
  std::string expected;
  std::getline(std::ifstream(path), expected);
  const int descriptor = open(path.c_str(), O_RDONLY);
  ASSERT_GE(descriptor, 0);
  Result<OpenedReader> opened =
      openBestReader(descriptor, path, IoMethod::Uring, 1);
  close(descriptor);
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_EQ(opened->reader->method(), IoMethod::Buffered);
  EXPECT_EQ(opened->note,
            "'/proc/version' is read with the buffered method instead of "
            "uring: '/proc/version' cannot be opened with O_DIRECT: Invalid "
            "argument");
  const Pages memory(kPage);
  ASSERT_TRUE(
      opened->reader->submit({0, expected.size(), memory.data, 0}).isOk());
  EXPECT_TRUE(opened->reader->wait()->status.isOk());
  EXPECT_EQ(std::string(reinterpret_cast<char *>(memory.data), expected.size()),
            expected);
}

TEST(BestReader, FilesInMemoryAreRead) {
  if (access("/dev/shm", W_OK) != 0) {
    GTEST_SKIP() << "this machine has no /dev/shm";
  }
  // Whether tmpfs accepts O_DIRECT depends on the version of Linux. The file
  // must be readable in either case.
  const RandomFile file("/dev/shm/", 8 * kPage + 5);
  Result<OpenedReader> opened =
      openBestReader(file.descriptor, file.path, IoMethod::Uring, 2);
  ASSERT_TRUE(opened) << opened.status().message();
  const Pages memory(9 * kPage);
  ASSERT_TRUE(
      opened->reader->submit({0, file.bytes.size(), memory.data, 0}).isOk());
  EXPECT_TRUE(opened->reader->wait()->status.isOk());
  EXPECT_TRUE(std::equal(file.bytes.begin(), file.bytes.end(), memory.data));
}

} // namespace
