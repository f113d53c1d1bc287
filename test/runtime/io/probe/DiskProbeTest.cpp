//===- DiskProbeTest.cpp - a file is read in many ways --------------------===//
#include "runtime/io/probe/DiskProbe.h"

#include "formats/machine/MachineProfile.h"
#include "runtime/io/probe/ScratchFile.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <set>
#include <sys/vfs.h>
#include <unistd.h>

using namespace air;
using namespace air::rt;
using ::testing::HasSubstr;

namespace {

/// A file of `bytes` bytes, none of which has been written.
class SparseFile {
public:
  SparseFile(const std::string &folder, off_t bytes)
      : path(folder + "sparse-" + std::to_string(getpid())),
        descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    EXPECT_GE(descriptor, 0);
    EXPECT_EQ(ftruncate(descriptor, bytes), 0);
  }
  ~SparseFile() {
    close(descriptor);
    std::remove(path.c_str());
  }
  std::string path;
  int descriptor;
};

/// Pretends to read memory: at 8 GB/s in the first two calls of bytes(), which
/// are the sample without the disk, and then at 2 GB/s.
class FakeTraffic final : public MemoryTraffic {
public:
  Status start() override {
    EXPECT_FALSE(isReading);
    isReading = true;
    calls = 0;
    ++starts;
    return refusal;
  }
  uint64_t bytes() const override {
    EXPECT_TRUE(isReading);
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double seconds = static_cast<double>(now.tv_sec) +
                           1e-9 * static_cast<double>(now.tv_nsec);
    return static_cast<uint64_t>(seconds * (calls++ < 2 ? 8e9 : 2e9));
  }
  void stop() override { isReading = false; }

  Status refusal = Status::ok();
  int starts = 0;
  bool isReading = false;

private:
  mutable int calls = 0;
};

TEST(DiskProbe, MeasuresEveryMethod) {
  struct statfs system = {};
  ASSERT_EQ(statfs(testing::TempDir().c_str(), &system), 0);
  if (system.f_type == TMPFS_MAGIC) {
    GTEST_SKIP() << "the folder for tests is in memory";
  }
  Result<ScratchFile> file =
      ScratchFile::create(testing::TempDir(), kFewestProbeBytes, 60);
  ASSERT_TRUE(file) << file.status().message();
  // With a time budget of 0, the probe measures only a few combinations of
  // block size, depth and method, and takes one sample of each.
  for (double seconds : {0.0, 1.0}) {
    FakeTraffic traffic;
    Result<DiskProbeResult> probed =
        probeDisk(file->descriptor(), "scratch", seconds, &traffic);
    ASSERT_TRUE(probed) << probed.status().message();
    std::set<IoMethod> methods;
    for (const DiskRate &rate : probed->curve) {
      methods.insert(rate.method);
      // The bandwidth is in bytes per second. Even a slow hard disk exceeds the
      // lower bound, and not even the RAM of a large server reaches the upper
      // one.
      EXPECT_GT(rate.bandwidth, 1e5);
      EXPECT_LT(rate.bandwidth, 1e13);
    }
    EXPECT_TRUE(std::is_sorted(probed->curve.begin(), probed->curve.end(),
                               [](const DiskRate &a, const DiskRate &b) {
                                 return compareDiskRates(a, b) < 0;
                               }));
    if (probed->notes.empty()) {
      EXPECT_EQ(methods.size(), 3u);
      EXPECT_GE(probed->curve.size(), 9u);
      EXPECT_LE(probed->curve.size(), 3u * 4 * 3 * 2);
    }
    // The speed with a ring buffer of the usual size is always measured.
    EXPECT_EQ(std::count_if(
                  probed->rings.begin(), probed->rings.end(),
                  [](const RingRate &r) { return r.bytes == kUsualRingBytes; }),
              1);
    EXPECT_LE(probed->rings.size(), seconds == 0 ? 1u : 4u);
    for (const RingRate &ring : probed->rings) {
      EXPECT_GT(ring.bandwidth, 1e5);
      EXPECT_LT(ring.bandwidth, 1e13);
    }
    EXPECT_TRUE(std::is_sorted(probed->rings.begin(), probed->rings.end(),
                               [](const RingRate &a, const RingRate &b) {
                                 return a.bytes < b.bytes;
                               }));
    // FakeTraffic reads memory at a quarter of its full rate while the disk is
    // read. The bounds leave room for a thread that loses its CPU.
    ASSERT_TRUE(probed->kept);
    EXPECT_GT(probed->kept->memory, 0.1);
    EXPECT_LT(probed->kept->memory, 0.6);
    EXPECT_GT(probed->kept->disk, 0.01);
    EXPECT_LT(probed->kept->disk, 100);
    EXPECT_GE(traffic.starts, 1);
    EXPECT_FALSE(traffic.isReading);
    // A profile with these rates must be valid.
    MachineProfile profile = hostProfile();
    profile.diskCurve = probed->curve;
    profile.diskRings = probed->rings;
    Result<MachineProfile> back = parseProfile(toJson(profile), "host.json");
    ASSERT_TRUE(back) << back.status().message();
    EXPECT_EQ(back->diskCurve, probed->curve);
    EXPECT_EQ(back->diskRings, probed->rings);
  }
  Result<DiskProbeResult> alone = probeDisk(file->descriptor(), "scratch", 0);
  ASSERT_TRUE(alone) << alone.status().message();
  EXPECT_FALSE(alone->kept);
  FakeTraffic broken;
  broken.refusal = ioError("no thread");
  EXPECT_EQ(
      probeDisk(file->descriptor(), "scratch", 0, &broken).status().message(),
      "no thread");
}

TEST(DiskProbe, SmallFilesAreRefused) {
  const SparseFile file(testing::TempDir(), 4096);
  const Status status = probeDisk(file.descriptor, file.path, 0).status();
  EXPECT_THAT(status.message(),
              HasSubstr("' has 4096 bytes; measuring the disk takes a file of "
                        "at least 33554432"));
}

TEST(DiskProbe, HolesAreNotReadFromTheDisk) {
  const SparseFile file(testing::TempDir(), off_t{64} << 20);
  const Status status = probeDisk(file.descriptor, file.path, 0).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(), HasSubstr("has a hole at offset 0"));
}

TEST(DiskProbe, FilesInMemoryAreNotOnADisk) {
  struct statfs system = {};
  if (statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC ||
      access("/dev/shm", W_OK) != 0) {
    GTEST_SKIP() << "this machine has no /dev/shm";
  }
  const SparseFile file("/dev/shm/", off_t{64} << 20);
  const Status status = probeDisk(file.descriptor, file.path, 0).status();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(),
              HasSubstr("is in a file system in memory, not on a disk"));
  EXPECT_EQ(
      ScratchFile::create("/dev/shm", kFewestProbeBytes, 1).status().message(),
      "the folder '/dev/shm' is in a file system in memory, not on a disk");
}

TEST(DiskProbe, FoldersAreRefused) {
  const int folder = open("/", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(probeDisk(folder, "/", 0).status().code(), ErrorCode::Corrupt);
  close(folder);
}

} // namespace
