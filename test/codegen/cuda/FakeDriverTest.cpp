//===- FakeDriverTest.cpp - mistakes that the fake driver must detect -----===//
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "runtime/hal/cuda/CudaFunctions.h"

#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace air::rt {
namespace {

// These are values of CUresult.
constexpr int kOk = 0;
constexpr int kInvalidValue = 1;
constexpr int kInvalidContext = 201;
constexpr int kInvalidHandle = 400;
constexpr int kNotReady = 600;
constexpr int kCaptureUnsupported = 900;

constexpr uint64_t kBytes = 64;

class FakeDriver : public testing::Test {
protected:
  void SetUp() override {
    fakeCuda = {};
    ASSERT_EQ(cuda.missing(), nullptr) << cuda.missing();
    ASSERT_EQ(cuda.init.pointer(0), kOk);
    ASSERT_EQ(cuda.deviceGet.pointer(&gpu, 0), kOk);
    ASSERT_EQ(cuda.contextRetain.pointer(&context, gpu), kOk);
    ASSERT_EQ(cuda.contextSetCurrent.pointer(context), kOk);
    ASSERT_EQ(cuda.streamCreate.pointer(&stream, 1), kOk);
    void *host = nullptr;
    ASSERT_EQ(cuda.hostAllocate.pointer(&host, kBytes, 0), kOk);
    pinned = static_cast<uint8_t *>(host);
    ASSERT_EQ(cuda.memoryAllocate.pointer(&memory, kBytes), kOk);
  }
  void TearDown() override {
    EXPECT_EQ(cuda.memoryFree.pointer(memory), kOk);
    EXPECT_EQ(cuda.hostFree.pointer(pinned), kOk);
    EXPECT_EQ(cuda.streamDestroy.pointer(stream), kOk);
    EXPECT_EQ(cuda.contextRelease.pointer(gpu), kOk);
    EXPECT_EQ(fakeCudaLiveObjects(), 0);
  }
  int upload(const void *from) {
    return cuda.copyToDevice.pointer(memory, from, kBytes, stream);
  }
  uint8_t firstByte() {
    uint8_t bytes[kBytes] = {};
    EXPECT_EQ(cuda.copyToHost.pointer(bytes, memory, kBytes, stream), kOk);
    return bytes[0];
  }

  CudaFunctions cuda{DynamicLibrary::open("libcuda.so.1")};
  int gpu = 0;
  void *context = nullptr;
  void *stream = nullptr;
  uint8_t *pinned = nullptr;
  uint64_t memory = 0;
};

TEST_F(FakeDriver, ReadsPinnedMemoryAsLateAsPossible) {
  EXPECT_EQ(firstByte(), 0xff);
  std::memset(pinned, 1, kBytes);
  ASSERT_EQ(upload(pinned), kOk);
  std::memset(pinned, 2, kBytes);
  EXPECT_EQ(firstByte(), 2);
  // The driver copies unpinned memory before it returns.
  std::vector<uint8_t> pageable(kBytes, 3);
  ASSERT_EQ(upload(pageable.data()), kOk);
  pageable.assign(kBytes, 4);
  EXPECT_EQ(firstByte(), 3);
}

TEST_F(FakeDriver, WaitingForAnEventDoesOnlyWhatPrecedesIt) {
  void *begin = nullptr;
  void *end = nullptr;
  ASSERT_EQ(cuda.eventCreate.pointer(&begin, 0), kOk);
  ASSERT_EQ(cuda.eventCreate.pointer(&end, 0), kOk);
  std::memset(pinned, 1, kBytes);
  ASSERT_EQ(upload(pinned), kOk);
  ASSERT_EQ(cuda.eventRecord.pointer(begin, stream), kOk);
  ASSERT_EQ(cuda.copyToHost.pointer(pinned + kBytes / 2, memory, 1, stream),
            kOk);
  ASSERT_EQ(cuda.eventRecord.pointer(end, stream), kOk);
  ASSERT_EQ(cuda.eventSynchronize.pointer(begin), kOk);
  float milliseconds = -1;
  EXPECT_EQ(cuda.eventElapsed.pointer(&milliseconds, begin, end), kNotReady);
  pinned[kBytes / 2] = 7;
  EXPECT_EQ(cuda.eventQuery.pointer(begin), kOk);
  EXPECT_EQ(cuda.eventQuery.pointer(end), kNotReady);
  EXPECT_EQ(cuda.eventSynchronize.pointer(begin), kOk);
  EXPECT_EQ(pinned[kBytes / 2], 7);
  EXPECT_EQ(cuda.eventSynchronize.pointer(end), kOk);
  EXPECT_EQ(pinned[kBytes / 2], 1);
  EXPECT_EQ(cuda.eventQuery.pointer(end), kOk);
  EXPECT_EQ(cuda.eventElapsed.pointer(&milliseconds, begin, end), kOk);
  // On the fake GPU, any copy of up to 10000 bytes takes one microsecond.
  EXPECT_FLOAT_EQ(milliseconds, 0.001F);
  EXPECT_EQ(cuda.eventDestroy.pointer(begin), kOk);
  EXPECT_EQ(cuda.eventDestroy.pointer(end), kOk);
}

// The new stream probably has the address of the destroyed one. What waited for
// that one must not wait for the new one.
TEST_F(FakeDriver, NothingWaitsForADestroyedStream) {
  void *event = nullptr;
  void *first = nullptr;
  void *second = nullptr;
  ASSERT_EQ(cuda.eventCreate.pointer(&event, 0), kOk);
  ASSERT_EQ(cuda.streamCreate.pointer(&first, 1), kOk);
  ASSERT_EQ(cuda.eventRecord.pointer(event, first), kOk);
  ASSERT_EQ(cuda.streamWaitEvent.pointer(stream, event, 0), kOk);
  ASSERT_EQ(cuda.streamDestroy.pointer(first), kOk);
  ASSERT_EQ(cuda.streamCreate.pointer(&second, 1), kOk);
  std::memset(pinned, 1, kBytes);
  ASSERT_EQ(cuda.copyToDevice.pointer(memory, pinned, kBytes, second), kOk);
  EXPECT_EQ(cuda.streamSynchronize.pointer(stream), kOk);
  EXPECT_EQ(firstByte(), 0xff);
  EXPECT_EQ(cuda.streamDestroy.pointer(second), kOk);
  EXPECT_EQ(firstByte(), 1);
  EXPECT_EQ(cuda.eventDestroy.pointer(event), kOk);
}

TEST_F(FakeDriver, RefusesAddressesOutsideOfAllocations) {
  for (const uint64_t address : {memory - 1, memory + 1, uint64_t{0}}) {
    EXPECT_EQ(cuda.copyToDevice.pointer(address, pinned, kBytes, stream),
              kInvalidValue);
    EXPECT_EQ(cuda.copyToHost.pointer(pinned, address, kBytes, stream),
              kInvalidValue);
    EXPECT_EQ(cuda.copyOnDevice.pointer(memory, address, kBytes, stream),
              kInvalidValue);
    EXPECT_EQ(cuda.copyOnDevice.pointer(address, memory, kBytes, stream),
              kInvalidValue);
    EXPECT_EQ(cuda.fill.pointer(address, 0, kBytes, stream), kInvalidValue);
    EXPECT_EQ(cuda.memoryFree.pointer(address), kInvalidValue);
  }
}

TEST_F(FakeDriver, RefusesUnknownHandles) {
  int none = 0;
  EXPECT_EQ(cuda.streamSynchronize.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.eventSynchronize.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.eventQuery.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.eventDestroy.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.moduleUnload.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.graphLaunch.pointer(&none, stream), kInvalidHandle);
  EXPECT_EQ(cuda.graphDestroy.pointer(&none), kInvalidHandle);
  EXPECT_EQ(cuda.graphExecDestroy.pointer(&none), kInvalidHandle);
  CudaLaunchConfig config = {1, 1, 1, 32, 1, 1, 0, stream, nullptr, 0};
  EXPECT_EQ(cuda.launchKernel.pointer(&config, &none, nullptr, nullptr),
            kInvalidHandle);
}

TEST_F(FakeDriver, AThreadWithoutTheContextCanDoNothing) {
  std::thread([&] {
    EXPECT_EQ(upload(pinned), kInvalidContext);
    EXPECT_EQ(cuda.contextSetCurrent.pointer(context), kOk);
    EXPECT_EQ(upload(pinned), kOk);
  }).join();
}

TEST_F(FakeDriver, OnlyLaunchesMayBeCaptured) {
  ASSERT_EQ(cuda.beginCapture.pointer(stream, 1), kOk);
  EXPECT_EQ(upload(pinned), kCaptureUnsupported);
  EXPECT_EQ(cuda.streamSynchronize.pointer(stream), kCaptureUnsupported);
  void *graph = nullptr;
  ASSERT_EQ(cuda.endCapture.pointer(stream, &graph), kOk);
  EXPECT_EQ(cuda.graphDestroy.pointer(graph), kOk);
}

} // namespace
} // namespace air::rt
