//===- TileSharingTest.cpp - late, blocked and sleeping threads -----------===//
#include "runtime/hal/cpu/CpuDevice.h"

#include <atomic>
#include <csignal>
#include <ctime>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>

using namespace air;
using namespace air::rt;

#if defined(__SANITIZE_THREAD__)
#define AIR_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AIR_TEST_TSAN 1
#endif
#endif

namespace {

template <typename T> DeviceAddress addressOf(T *pointer) {
  return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
}

template <typename T> T &bound(const AirDispatch *dispatch, int index = 0) {
  return *static_cast<T *>(dispatch->bindings[index]);
}

/// Waits until `condition` returns true, but at most 20 seconds, so that a
/// failing test ends too. Returns whether it became true.
template <typename F> bool comesTrue(F condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return condition();
}

/// A device with programs whose dispatches the test adds one by one.
class TileSharing : public testing::Test {
protected:
  void make(uint32_t threads, std::span<const AirKernelFn> functions) {
    Result<std::unique_ptr<CpuDevice>> made = CpuDevice::create(threads);
    ASSERT_TRUE(made) << made.status().message();
    device = *std::move(made);
    executable = device->addFunctions(functions);
    batch.tokens = 1;
  }
  void add(uint32_t entry, uint64_t tiles, void *binding, bool barrier = true) {
    bindings.push_back(addressOf(binding));
    descs.push_back(
        {executable, entry, {tiles, 0, GridRows::Tokens}, {}, {}, 0, barrier});
  }
  uint32_t finish() {
    for (size_t i = 0; i < descs.size(); ++i) {
      descs[i].bindings = std::span(bindings).subspan(i, 1);
    }
    Result<uint32_t> program = device->addProgram(descs);
    EXPECT_TRUE(program) << program.status().message();
    count = static_cast<uint32_t>(descs.size());
    bindings.clear();
    descs.clear();
    return program ? *program : 0;
  }
  void run(uint32_t program) {
    ASSERT_TRUE(device->run(program, 0, count, batch).isOk());
  }

  std::unique_ptr<CpuDevice> device;
  uint32_t executable = 0;
  uint32_t count = 0;
  AirBatch batch = {};
  std::vector<DeviceAddress> bindings;
  std::vector<DispatchDesc> descs;
};

// ---- a blocked tile ---------------------------------------------------------

struct Blocked {
  static constexpr uint64_t kTiles = 256;
  static constexpr uint64_t kHeld = kTiles / 2 / TileQueue::kChunkDivisor;
  std::atomic<uint64_t> done{0};
  std::atomic<bool> wentOn{false};
};

/// In this kernel, tile 0 ends only when all tiles outside its chunk have run.
void blockInTheFirst(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                     void *) {
  auto &state = bound<Blocked>(dispatch);
  for (uint64_t tile = begin; tile < end; ++tile) {
    if (tile == 0) {
      state.wentOn = comesTrue([&] {
        return state.done.load() >= Blocked::kTiles - Blocked::kHeld;
      });
    }
    ++state.done;
  }
}

TEST_F(TileSharing, ABlockedTileHoldsNoMoreThanItsChunk) {
  AirKernelFn function = blockInTheFirst;
  make(2, {&function, 1});
  Blocked state;
  add(0, Blocked::kTiles, &state);
  run(finish());
  EXPECT_TRUE(state.wentOn);
  EXPECT_EQ(state.done, Blocked::kTiles);
}

// ---- a thread that gets no CPU ----------------------------------------------

// ThreadSanitizer delays signals, so the following test does not run with it.
#ifndef AIR_TEST_TSAN
struct Handles {
  std::mutex mutex;
  std::set<pthread_t> seen;
  std::atomic<uint64_t> tiles{0};
};

void rememberThread(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                    void *) {
  auto &state = bound<Handles>(dispatch);
  {
    std::lock_guard<std::mutex> lock(state.mutex);
    state.seen.insert(pthread_self());
  }
  // 200 microseconds are long enough for a sleeping thread to wake up and take
  // part.
  std::this_thread::sleep_for(std::chrono::microseconds(200));
  state.tiles += end - begin;
}

void countTiles(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                void *) {
  bound<std::atomic<uint64_t>>(dispatch) += end - begin;
}

std::atomic<bool> isStopped{false};
std::atomic<bool> mayGoOn{false};

extern "C" void stopHere(int) {
  isStopped = true;
  while (!mayGoOn.load()) {
    timespec pause = {0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

TEST_F(TileSharing, AStoppedThreadIsNotWaitedForAndCatchesUp) {
  AirKernelFn functions[] = {rememberThread, countTiles};
  make(2, functions);
  Handles handles;
  add(0, 64, &handles);
  uint32_t remember = finish();
  auto workerTookPart = [&] {
    handles.seen.clear();
    for (int i = 0; i < 1000 && handles.seen.size() < 2; ++i) {
      run(remember);
    }
    return handles.seen.size() == 2;
  };
  ASSERT_TRUE(workerTookPart());
  handles.seen.erase(pthread_self());
  pthread_t worker = *handles.seen.begin();

  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = stopHere;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  ASSERT_EQ(pthread_kill(worker, SIGUSR1), 0);
  ASSERT_TRUE(comesTrue([] { return isStopped.load(); }));

  // Another thread lets the stopped thread go on after a while, so that the
  // test ends even if it fails.
  std::atomic<bool> isDone{false};
  std::atomic<bool> wasWaitedFor{false};
  std::thread guard([&] {
    wasWaitedFor = !comesTrue([&] { return isDone.load(); });
    mayGoOn = true;
  });
  std::atomic<uint64_t> tiles{0};
  for (uint64_t i = 0; i < 10; ++i) {
    add(1, 5 + i, &tiles, i % 3 != 0);
  }
  uint32_t program = finish();
  for (int round = 0; round < 100; ++round) {
    run(program);
  }
  EXPECT_EQ(tiles, 100U * 95);
  isDone = true;
  guard.join();
  EXPECT_FALSE(wasWaitedFor);

  // Once the stopped thread is released, it runs tiles again.
  count = 1;
  EXPECT_TRUE(workerTookPart());
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}
#endif

// ---- ranges -----------------------------------------------------------------

struct Cover {
  std::atomic<uint64_t> sum{0};
  std::atomic<uint64_t> calls{0};
};

uint64_t hashOf(uint64_t value) {
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

/// Adds hash(end) - hash(begin) to the sum. If the ranges cover [0, n) once,
/// the sum is hash(n) - hash(0).
void cover(const AirDispatch *dispatch, uint64_t begin, uint64_t end, void *) {
  auto &state = bound<Cover>(dispatch);
  state.sum += hashOf(end) - hashOf(begin);
  ++state.calls;
}

class TileSharingOf : public TileSharing,
                      public testing::WithParamInterface<uint32_t> {};

TEST_P(TileSharingOf, RangesCoverEveryDispatchOfAPhaseOnce) {
  AirKernelFn function = cover;
  make(GetParam(), {&function, 1});
  const uint64_t sizes[] = {1, 0, 100, 3, (uint64_t{1} << 40) + 12345, 7};
  Cover covers[std::size(sizes)];
  for (size_t i = 0; i < std::size(sizes); ++i) {
    add(0, sizes[i], &covers[i], i == 2);
  }
  run(finish());
  for (size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_EQ(covers[i].sum, hashOf(sizes[i]) - hashOf(0)) << i;
    // The kernel is called once per chunk, so there must be few chunks. Their
    // number is estimated as follows. The range of a thread has fewer than 2^31
    // units, and each theft takes half of those that are left, so at most 31
    // parts are stolen from the range. A part is run in chunks of
    // 1 / kChunkDivisor of the units that are left of it. After kChunkDivisor
    // chunks, at most half of the units are left, so a part has at most
    // 31 * kChunkDivisor chunks. This is only an estimate, because other
    // threads may in turn steal from a stolen part.
    constexpr uint64_t kHalvings = 31;
    constexpr uint64_t kMostCalls =
        kHalvings * kHalvings * TileQueue::kChunkDivisor;
    EXPECT_LE(covers[i].calls, GetParam() * kMostCalls) << i;
    EXPECT_EQ(covers[i].calls == 0, sizes[i] == 0) << i;
  }
}

// ---- everything at once -----------------------------------------------------

struct Stage {
  static constexpr uint64_t kTiles = 9;
  const Stage *before = nullptr;
  uint64_t values[kTiles] = {};
};

/// Sets values[tile] to 1 + the sum of two values of the stage `before`, if
/// there is one. These come from other tiles, which other threads may have run.
/// Sometimes the kernel sleeps.
void addUp(const AirDispatch *dispatch, uint64_t begin, uint64_t end, void *) {
  auto &stage = bound<Stage>(dispatch);
  for (uint64_t tile = begin; tile < end; ++tile) {
    uint64_t value = 1;
    if (stage.before != nullptr) {
      value += stage.before->values[(tile + 3) % Stage::kTiles] +
               stage.before->values[(tile + 8) % Stage::kTiles];
    }
    stage.values[tile] = value & 0xffffffff;
    if (hashOf(value ^ addressOf(&stage) ^ tile) % 256 == 0) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(hashOf(value) % 500));
    }
  }
}

TEST_P(TileSharingOf, TinyDispatchesSeeTheResultsOfEarlierOnes) {
  constexpr size_t kStages = 40;
  constexpr int kRounds = 50;
  AirKernelFn function = addUp;
  make(GetParam(), {&function, 1});
  // Stage i reads the values of stage i - 2, so the stages with even numbers
  // form one chain, and those with odd numbers another. A barrier after each
  // stage with an odd number suffices: one of them is always between stage
  // i - 2 and stage i.
  std::vector<Stage> stages(2 * kStages);
  for (size_t i = 0; i < stages.size(); ++i) {
    stages[i].before = i < 2 ? nullptr : &stages[i - 2];
    add(0, Stage::kTiles, &stages[i], i % 2 == 1);
  }
  uint32_t program = finish();
  for (int round = 0; round < kRounds; ++round) {
    for (Stage &stage : stages) {
      std::fill(std::begin(stage.values), std::end(stage.values), 0);
    }
    run(program);
    uint64_t expected = 1;
    for (size_t i = 0; i < stages.size(); ++i) {
      if (i >= 2 && i % 2 == 0) {
        expected = (1 + 2 * expected) & 0xffffffff;
      }
      for (uint64_t value : stages[i].values) {
        ASSERT_EQ(value, expected) << "round " << round << " stage " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, TileSharingOf,
                         testing::Values(1, 2, 3, 7, 16));

} // namespace
