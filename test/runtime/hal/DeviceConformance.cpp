//===- DeviceConformance.cpp - what every Device must do ------------------===//
#include "test/runtime/hal/DeviceConformance.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace air::rt {

DispatchDesc conformanceDispatch(uint32_t executable, uint32_t entry,
                                 std::span<const DeviceAddress> bindings) {
  DispatchDesc desc;
  desc.executable = executable;
  desc.entry = entry;
  desc.grid = {kElements, 0, GridRows::Tokens};
  desc.launch = {.gridX = kElements / 32, .threads = 32};
  desc.bindings = bindings;
  return desc;
}

void DeviceConformance::SetUp() {
  Result<std::unique_ptr<Device>> made = GetParam().make();
  ASSERT_TRUE(made.isOk()) << made.status().message();
  device = *std::move(made);
  batch.tokens = 1;
}

DeviceAddress DeviceConformance::allocate(uint64_t bytes) {
  const Result<DeviceAddress> memory = device->allocate(bytes, "test");
  EXPECT_TRUE(memory.isOk()) << memory.status().message();
  return memory.isOk() ? *memory : 0;
}

uint32_t DeviceConformance::load() {
  const Result<std::vector<uint8_t>> object = GetParam().kernels();
  EXPECT_TRUE(object.isOk()) << object.status().message();
  constexpr std::string_view kNames[] = {"addOne", "sumAll"};
  const Result<uint32_t> executable = device->loadExecutable(*object, kNames);
  EXPECT_TRUE(executable.isOk()) << executable.status().message();
  return executable.isOk() ? *executable : 0;
}

uint32_t DeviceConformance::program(std::span<const Kernel> kernels,
                                    std::span<const DeviceAddress> vectors) {
  const uint32_t executable = load();
  std::vector<DispatchDesc> dispatches;
  for (size_t i = 0; i < kernels.size(); ++i) {
    dispatches.push_back(
        conformanceDispatch(executable, kernels[i], vectors.subspan(i, 2)));
  }
  const Result<uint32_t> added = device->addProgram(dispatches);
  EXPECT_TRUE(added.isOk()) << added.status().message();
  return added.isOk() ? *added : 0;
}

void DeviceConformance::write(DeviceAddress to,
                              const std::vector<uint32_t> &values) {
  const Status status =
      device->write(to, {reinterpret_cast<const uint8_t *>(values.data()),
                         values.size() * 4});
  EXPECT_TRUE(status.isOk()) << status.message();
}

void DeviceConformance::run(uint32_t program, uint32_t first, uint32_t count) {
  const Status status = device->run(program, first, count, batch);
  EXPECT_TRUE(status.isOk()) << status.message();
}

std::span<uint8_t> DeviceConformance::allocateHost() {
  const Result<std::span<uint8_t>> memory =
      device->allocateHost(kVectorBytes, "source");
  EXPECT_TRUE(memory.isOk()) << memory.status().message();
  return memory.isOk() ? *memory : std::span<uint8_t>();
}

void DeviceConformance::upload(DeviceAddress to, std::span<uint8_t> from,
                               const std::vector<uint32_t> &values) {
  std::memcpy(from.data(), values.data(), kVectorBytes);
  const Status status = device->upload(to, from);
  EXPECT_TRUE(status.isOk()) << status.message();
}

uint32_t DeviceConformance::addEvent() {
  const Result<uint32_t> event = device->addEvent();
  EXPECT_TRUE(event.isOk()) << event.status().message();
  return event.isOk() ? *event : 0;
}

void DeviceConformance::signal(Queue queue, uint32_t event) {
  const Status status = device->signal(queue, event);
  EXPECT_TRUE(status.isOk()) << status.message();
}

void DeviceConformance::wait(Queue queue, uint32_t event) {
  const Status status = device->wait(queue, event);
  EXPECT_TRUE(status.isOk()) << status.message();
}

std::vector<uint32_t> DeviceConformance::read(DeviceAddress from) {
  const Status status = device->synchronise();
  EXPECT_TRUE(status.isOk()) << status.message();
  const Result<const void *> bytes = device->read(from, kVectorBytes);
  EXPECT_TRUE(bytes.isOk()) << bytes.status().message();
  std::vector<uint32_t> values(kElements);
  if (bytes.isOk()) {
    std::memcpy(values.data(), *bytes, kVectorBytes);
  }
  return values;
}

namespace {

std::vector<uint32_t> numbersFrom(uint32_t first) {
  std::vector<uint32_t> values(kElements);
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::vector<uint32_t> allOf(uint32_t value) {
  return std::vector<uint32_t>(kElements, value);
}

TEST_P(DeviceConformance, MemoryIsAlignedZeroedAndNotShared) {
  std::vector<std::pair<DeviceAddress, uint64_t>> taken;
  for (const uint64_t bytes :
       {uint64_t{1}, uint64_t{5000}, uint64_t{5} << 20, uint64_t{0}}) {
    const DeviceAddress memory = allocate(bytes);
    EXPECT_EQ(memory % AIR_BINDING_ALIGNMENT, 0U);
    EXPECT_NE(memory, 0U);
    for (const auto &[start, size] : taken) {
      EXPECT_TRUE(memory + bytes <= start || start + size <= memory);
    }
    taken.emplace_back(memory, bytes);
    ASSERT_TRUE(device->synchronise().isOk());
    const Result<const void *> view = device->read(memory, bytes);
    ASSERT_TRUE(view.isOk()) << view.status().message();
    const auto *begin = static_cast<const uint8_t *>(*view);
    EXPECT_EQ(std::count(begin, begin + bytes, 0), static_cast<int64_t>(bytes));
    const std::vector<uint8_t> ones(bytes, 0xff);
    ASSERT_TRUE(device->write(memory, ones).isOk());
  }
}

TEST_P(DeviceConformance, TooMuchMemoryIsRefusedWithItsNameAndSize) {
  for (const uint64_t bytes : {uint64_t{1} << 60, UINT64_MAX}) {
    const Result<DeviceAddress> memory = device->allocate(bytes, "kv");
    ASSERT_FALSE(memory.isOk());
    EXPECT_EQ(memory.status().code(), ErrorCode::DoesNotFit);
    EXPECT_EQ(memory.status().message().find("kv: "), 0U);
    EXPECT_NE(memory.status().message().find(std::to_string(bytes)),
              std::string::npos);
  }
  // The device remains usable after the refusals.
  const DeviceAddress vector = allocate(kVectorBytes);
  write(vector, numbersFrom(3));
  EXPECT_EQ(read(vector), numbersFrom(3));
}

TEST_P(DeviceConformance, TheSourceOfAWriteMayChangeAfterIt) {
  // The data is larger than any staging memory, and not a multiple of its size.
  const uint64_t bytes = (uint64_t{19} << 20) + 13;
  const DeviceAddress memory = allocate(bytes + 1);
  std::vector<uint8_t> source(bytes);
  uint32_t state = 1;
  for (uint8_t &byte : source) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  const std::vector<uint8_t> expected = source;
  ASSERT_TRUE(device->write(memory, source).isOk());
  std::fill(source.begin(), source.end(), 0xee);
  // Small writes at odd offsets overwrite only their own bytes.
  std::vector<uint8_t> small = {1, 2, 3};
  ASSERT_TRUE(device->write(memory + 77, small).isOk());
  small = {4, 5, 6};
  ASSERT_TRUE(device->write(memory + 1000001, small).isOk());
  ASSERT_TRUE(device->write(memory, {}).isOk());
  ASSERT_TRUE(device->synchronise().isOk());
  const Result<const void *> view = device->read(memory, bytes + 1);
  ASSERT_TRUE(view.isOk()) << view.status().message();
  const auto *found = static_cast<const uint8_t *>(*view);
  uint64_t different = 0;
  for (uint64_t i = 0; i < bytes; ++i) {
    different += found[i] != expected[i] ? 1 : 0;
  }
  EXPECT_LE(different, 6U);
  EXPECT_EQ(std::memcmp(found + 77, "\1\2\3", 3), 0);
  EXPECT_EQ(std::memcmp(found + 1000001, "\4\5\6", 3), 0);
  EXPECT_EQ(found[bytes], 0);
}

TEST_P(DeviceConformance, ReadsAreValidUntilTheNextRun) {
  const DeviceAddress small = allocate(kVectorBytes);
  const DeviceAddress large = allocate(uint64_t{3} << 20);
  write(small, numbersFrom(5));
  write(large, allOf(9));
  ASSERT_TRUE(device->synchronise().isOk());
  const Result<const void *> first = device->read(small, kVectorBytes);
  const Result<const void *> second = device->read(large, uint64_t{3} << 20);
  const Result<const void *> third = device->read(small, kVectorBytes);
  ASSERT_TRUE(first.isOk() && second.isOk() && third.isOk());
  EXPECT_EQ(std::memcmp(*first, numbersFrom(5).data(), kVectorBytes), 0);
  EXPECT_EQ(std::memcmp(*second, allOf(9).data(), kVectorBytes), 0);
  EXPECT_EQ(std::memcmp(*third, numbersFrom(5).data(), kVectorBytes), 0);
}

TEST_P(DeviceConformance, RunsAnyRangeOfAProgramInOrder) {
  const DeviceAddress a = allocate(kVectorBytes);
  const DeviceAddress b = allocate(kVectorBytes);
  const DeviceAddress c = allocate(kVectorBytes);
  const Kernel kernels[] = {AddOne, SumAll, AddOne};
  const DeviceAddress vectors[] = {a, b, c, a};
  const uint32_t added = program(kernels, vectors);
  for (uint32_t round = 0; round < 5; ++round) {
    write(a, allOf(round));
    run(added, 0, 3);
    const uint32_t sum = kElements * (round + 1);
    EXPECT_EQ(read(b), allOf(round + 1));
    EXPECT_EQ(read(c), allOf(sum));
    EXPECT_EQ(read(a), allOf(sum + 1));
    run(added, 0, 1);
    EXPECT_EQ(read(b), allOf(sum + 2));
    EXPECT_EQ(read(c), allOf(sum));
    write(c, allOf(7));
    run(added, 2, 1);
    EXPECT_EQ(read(a), allOf(8));
    run(added, 1, 0);
    EXPECT_EQ(read(c), allOf(7));
  }
  EXPECT_EQ(device->run(added, 2, 2, batch).code(), ErrorCode::Internal);
  EXPECT_EQ(device->run(added, 4, 0, batch).code(), ErrorCode::Internal);
}

// Even without a synchronise() in between, each call sees the effects of the
// calls before it.
TEST_P(DeviceConformance, WritesRunsAndCopiesAreDoneInTheOrderOfTheCalls) {
  const DeviceAddress a = allocate(kVectorBytes);
  const DeviceAddress b = allocate(kVectorBytes);
  const DeviceAddress c = allocate(kVectorBytes);
  const DeviceAddress d = allocate(kVectorBytes);
  const Kernel kernel[] = {AddOne};
  const DeviceAddress first[] = {a, b};
  const DeviceAddress second[] = {c, d};
  const uint32_t one = program(kernel, first);
  const uint32_t two = program(kernel, second);
  std::vector<uint32_t> values = numbersFrom(10);
  write(a, values);
  run(one, 0, 1); // b is 11, 12, ...
  values = numbersFrom(100);
  write(a, values);
  ASSERT_TRUE(device->copy(c, b, kVectorBytes).isOk()); // c is 11, 12, ...
  run(two, 0, 1);                                       // d is 12, 13, ...
  run(one, 0, 1);                                       // b is 101, 102, ...
  ASSERT_TRUE(device->copy(c, a, kVectorBytes / 2).isOk());
  ASSERT_TRUE(device->copy(c, b, 0).isOk());
  values = numbersFrom(1000);
  write(a, values);
  EXPECT_EQ(read(d), numbersFrom(12));
  EXPECT_EQ(read(b), numbersFrom(101));
  EXPECT_EQ(read(a), numbersFrom(1000));
  std::vector<uint32_t> half = numbersFrom(11);
  std::iota(half.begin(), half.begin() + kElements / 2, 100);
  EXPECT_EQ(read(c), half);
}

TEST_P(DeviceConformance, HostMemoryIsZeroed) {
  const std::span<uint8_t> memory = allocateHost();
  ASSERT_EQ(memory.size(), kVectorBytes);
  EXPECT_EQ(std::count(memory.begin(), memory.end(), 0),
            static_cast<int64_t>(kVectorBytes));
  ASSERT_TRUE(device->allocateHost(0, "nothing").isOk());
}

// Six vectors go through a ring with room for two. Each one is uploaded from
// host memory of its own. A kernel must wait for the upload that it reads, and
// an upload must wait for the kernel that reads what it overwrites.
TEST_P(DeviceConformance, EventsOrderUploadsAndRuns) {
  constexpr uint32_t kRounds = 6;
  const DeviceAddress ring[] = {allocate(kVectorBytes), allocate(kVectorBytes)};
  const Kernel kernel[] = {AddOne};
  const uint32_t arrived[] = {addEvent(), addEvent()};
  const uint32_t used[] = {addEvent(), addEvent()};
  std::vector<DeviceAddress> results;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint32_t slot = round % 2;
    results.push_back(allocate(kVectorBytes));
    const DeviceAddress vectors[] = {ring[slot], results.back()};
    const uint32_t added = program(kernel, vectors);
    // Before its first signal, an event counts as complete.
    wait(Queue::Upload, used[slot]);
    upload(ring[slot], allocateHost(), numbersFrom(100 * round));
    signal(Queue::Upload, arrived[slot]);
    wait(Queue::Compute, arrived[slot]);
    run(added, 0, 1);
    signal(Queue::Compute, used[slot]);
  }
  for (uint32_t round = 0; round < kRounds; ++round) {
    EXPECT_EQ(read(results[round]), numbersFrom(100 * round + 1)) << round;
  }
}

TEST_P(DeviceConformance, SynchronisingWaitsForUploadsToo) {
  const DeviceAddress to = allocate(kVectorBytes);
  const std::span<uint8_t> from = allocateHost();
  upload(to, from, numbersFrom(4));
  ASSERT_TRUE(device->upload(to, {}).isOk());
  ASSERT_TRUE(device->synchronise().isOk());
  std::fill(from.begin(), from.end(), 0xee);
  EXPECT_EQ(read(to), numbersFrom(4));
}

// An upload reads host memory. The host may change that memory as soon as
// finish() has returned for an event that was signalled after the upload.
TEST_P(DeviceConformance, TheHostWaitsForEvents) {
  const DeviceAddress to = allocate(kVectorBytes);
  const std::span<uint8_t> from = allocateHost();
  const uint32_t arrived = addEvent();
  // Before its first signal, an event counts as complete.
  EXPECT_TRUE(*device->isComplete(arrived));
  EXPECT_TRUE(device->finish(arrived).isOk());
  for (const uint32_t round : {1, 2}) {
    upload(to, from, numbersFrom(round));
    signal(Queue::Upload, arrived);
    ASSERT_TRUE(device->finish(arrived).isOk());
    EXPECT_TRUE(*device->isComplete(arrived));
    std::fill(from.begin(), from.end(), 0xee);
    EXPECT_EQ(read(to), numbersFrom(round));
  }
}

// The host waits only for an event that was signalled directly after the
// download. Kernels that were enqueued later must not change the bytes that the
// download copies.
TEST_P(DeviceConformance, DownloadsAreDoneInTheOrderOfTheCalls) {
  const DeviceAddress a = allocate(kVectorBytes);
  const DeviceAddress b = allocate(kVectorBytes);
  const Kernel kernels[] = {AddOne, AddOne};
  const DeviceAddress vectors[] = {a, b, a};
  const uint32_t added = program(kernels, vectors);
  const std::span<uint8_t> to = allocateHost();
  const uint32_t arrived = addEvent();
  write(a, numbersFrom(10));
  for (uint32_t round = 0; round < 3; ++round) {
    run(added, 0, 2);
    ASSERT_TRUE(device->download(to, a).isOk());
    signal(Queue::Compute, arrived);
    run(added, 0, 2);
    ASSERT_TRUE(device->download({}, b).isOk());
    ASSERT_TRUE(device->finish(arrived).isOk());
    const std::vector<uint32_t> expected = numbersFrom(12 + 4 * round);
    EXPECT_EQ(std::memcmp(to.data(), expected.data(), kVectorBytes), 0)
        << round;
  }
  EXPECT_EQ(read(a), numbersFrom(22));
}

TEST_P(DeviceConformance, UnknownEventsAreRefused) {
  const uint32_t event = addEvent();
  for (const Queue queue : {Queue::Compute, Queue::Upload}) {
    EXPECT_EQ(device->signal(queue, event + 1).code(), ErrorCode::Internal);
    EXPECT_EQ(device->wait(queue, event + 1).code(), ErrorCode::Internal);
  }
  EXPECT_EQ(device->isComplete(event + 1).status().code(), ErrorCode::Internal);
  EXPECT_EQ(device->finish(event + 1).code(), ErrorCode::Internal);
}

TEST_P(DeviceConformance, ImportedMemoryIsReadByKernelsOrRefused) {
  alignas(AIR_BINDING_ALIGNMENT) uint32_t values[kElements] = {};
  std::iota(values, values + kElements, 20);
  const std::span<const uint8_t> bytes(
      reinterpret_cast<const uint8_t *>(values), kVectorBytes);
  const Result<DeviceAddress> imported = device->importHost(bytes);
  if (!imported.isOk()) {
    EXPECT_EQ(imported.status().code(), ErrorCode::Unsupported);
    EXPECT_NE(imported.status().message().find("256 bytes"), std::string::npos)
        << imported.status().message();
    return;
  }
  const DeviceAddress out = allocate(kVectorBytes);
  const Kernel kernel[] = {AddOne};
  const DeviceAddress vectors[] = {*imported, out};
  run(program(kernel, vectors), 0, 1);
  EXPECT_EQ(read(out), numbersFrom(21));
}

TEST_P(DeviceConformance, RefusesWhatIsNoExecutableOrLacksAnEntry) {
  const std::vector<uint8_t> object = *GetParam().kernels();
  const uint8_t noise[64] = {1, 2, 3};
  const std::span<const uint8_t> half(object.data(), object.size() / 2);
  for (const std::span<const uint8_t> bytes :
       {std::span<const uint8_t>(), std::span<const uint8_t>(noise), half}) {
    const Status status = device->loadExecutable(bytes, {}).status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << status.message();
  }
  constexpr std::string_view kNames[] = {"addOne", "addTwo"};
  const Status status = device->loadExecutable(object, kNames).status();
  EXPECT_EQ(status.code(), ErrorCode::Corrupt);
  EXPECT_NE(status.message().find("addTwo"), std::string::npos)
      << status.message();
}

TEST_P(DeviceConformance, RefusesDispatchesOfUnknownEntries) {
  const DeviceAddress vectors[] = {allocate(kVectorBytes),
                                   allocate(kVectorBytes)};
  const uint32_t executable = load();
  for (const auto &[number, entry] :
       {std::pair{executable, 2U}, std::pair{executable + 1, 0U}}) {
    const DispatchDesc desc = conformanceDispatch(number, entry, vectors);
    EXPECT_EQ(device->addProgram({&desc, 1}).status().code(),
              ErrorCode::Internal);
  }
}

TEST_P(LateUploads, AreMissedByAKernelThatDoesNotWait) {
  const DeviceAddress from = allocate(kVectorBytes);
  const DeviceAddress to = allocate(kVectorBytes);
  const Kernel kernel[] = {AddOne};
  const DeviceAddress vectors[] = {from, to};
  const uint32_t added = program(kernel, vectors);
  write(from, numbersFrom(1));
  upload(from, allocateHost(), numbersFrom(50));
  const uint32_t arrived = addEvent();
  signal(Queue::Upload, arrived);
  EXPECT_FALSE(*device->isComplete(arrived));
  run(added, 0, 1);
  EXPECT_EQ(read(to), numbersFrom(2));
  EXPECT_EQ(read(from), numbersFrom(50));
}

TEST_P(EarlyUploads, OverwriteWhatAKernelStillReads) {
  const DeviceAddress from = allocate(kVectorBytes);
  const DeviceAddress to = allocate(kVectorBytes);
  const Kernel kernels[] = {AddOne};
  const DeviceAddress vectors[] = {from, to};
  const uint32_t added = program(kernels, vectors);
  const uint32_t before = addEvent();
  write(from, numbersFrom(1));
  signal(Queue::Compute, before);
  run(added, 0, 1);
  // This is wrong on purpose: the upload should wait for an event that is
  // signalled after the run, not before it.
  wait(Queue::Upload, before);
  upload(from, allocateHost(), numbersFrom(50));
  EXPECT_EQ(read(to), numbersFrom(51));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LateUploads);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EarlyUploads);

} // namespace

} // namespace air::rt
