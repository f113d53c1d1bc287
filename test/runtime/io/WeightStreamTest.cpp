//===- WeightStreamTest.cpp - every step sees the right weights -----------===//
//
// The file is a sequence of 64-bit words. Each contains its own offset, so that
// bytes from a wrong offset are recognised. A FakeBlockReader completes its
// requests in random order. The test plays the part of the executor.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/WeightStream.h"

#include "test/runtime/fake/FakeBlockReader.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

constexpr uint64_t kPage = SegmentArena::kPageBytes;

/// Returns a file in which each 64-bit word contains its own offset.
std::vector<uint8_t> wordsOf(uint64_t bytes) {
  std::vector<uint8_t> file(bytes);
  for (uint64_t i = 0; i < bytes; i += 8) {
    std::memcpy(file.data() + i, &i, 8);
  }
  return file;
}

/// Places the windows one after another in the ring. For each window, finds the
/// last step that needs the bytes that the window overwrites. Windows of the
/// second pass overwrite windows of the first.
void placeWindows(StreamSchedule &schedule,
                  const std::vector<uint32_t> &lastSteps) {
  uint64_t at = 0;
  auto steps = static_cast<int64_t>(schedule.steps);
  std::vector<int64_t> usedUntil(schedule.ringBytes / kPage, -1);
  for (int64_t pass = 0; pass < 2; ++pass) {
    at = 0;
    for (size_t i = 0; i < schedule.reads.size(); ++i) {
      ScheduledRead &read = schedule.reads[i];
      if (read.isResident) {
        continue;
      }
      read.ringOffset = at;
      int64_t after = -2 * steps;
      for (uint64_t page = 0; page < read.bytes / kPage; ++page) {
        int64_t &until = usedUntil[(at / kPage + page) % usedUntil.size()];
        after = std::max(after, until);
        until = pass * steps + lastSteps[i];
      }
      read.afterStep = after - pass * steps;
      at = (at + read.bytes) % schedule.ringBytes;
    }
  }
}

struct Shape {
  StreamSchedule schedule;
  std::vector<uint32_t> lastSteps; ///< the last step that needs each read
};

/// Chooses which parts of the segments stay resident. If `less` is true, no
/// part becomes resident that was not resident before.
void placeRandomly(std::mt19937 &random, Shape &shape, bool less) {
  StreamSchedule &schedule = shape.schedule;
  std::vector<ScheduledRead> before = std::move(schedule.reads);
  schedule.reads.clear();
  shape.lastSteps.clear();
  uint64_t largest = 0;
  for (uint32_t i = 0; i < schedule.segments.size(); ++i) {
    const StreamedSegment &segment = schedule.segments[i];
    uint64_t chunks = (segment.bytes - 1) / segment.chunkBytes + 1;
    uint64_t most = less ? 0 : chunks;
    for (const ScheduledRead &read : before) {
      if (read.segment == i && read.isResident) {
        most = (read.bytes - 1) / segment.chunkBytes + 1;
      }
    }
    uint64_t resident = random() % 4 == 0 ? most : random() % (most + 1);
    // The chunks that are not resident, if any, are divided into one or two
    // reads. Each read is first needed by a different step.
    uint64_t middle =
        std::min(chunks, resident + random() % (chunks - resident + 1));
    uint64_t ends[] = {resident, middle, chunks};
    uint64_t begin = 0;
    for (uint32_t part = 0; part < 3; ++part) {
      if (ends[part] == begin) {
        continue;
      }
      ScheduledRead read;
      read.segment = i;
      read.offset = begin * segment.chunkBytes;
      read.bytes = std::min(ends[part] * segment.chunkBytes, segment.bytes) -
                   read.offset;
      read.isResident = part == 0;
      read.beforeStep = 2 * i + (part == 2 ? 1 : 0);
      begin = ends[part];
      largest = std::max(largest, read.isResident ? 0 : read.bytes);
      schedule.reads.push_back(read);
      shape.lastSteps.push_back(
          std::min<uint32_t>(2 * i + 1 + random() % 2, schedule.steps - 1));
    }
  }
  // The ring must hold up to four reads at a time.
  schedule.ringBytes = std::max(4 * largest, kPage) + random() % 8 * kPage;
  placeWindows(schedule, shape.lastSteps);
}

/// Segments of random sizes. The steps 2 i and 2 i + 1, and sometimes step 2 i
/// + 2, use segment i.
Shape randomShape(std::mt19937 &random) {
  Shape shape;
  StreamSchedule &schedule = shape.schedule;
  uint64_t file = 3 * kPage;
  uint32_t count = 2 + random() % 9;
  for (uint32_t i = 0; i < count; ++i) {
    StreamedSegment segment;
    segment.segment = 100 + i;
    segment.fileOffset = file;
    segment.chunkBytes = (1 + random() % 8) * kPage;
    segment.bytes = (1 + random() % 40) * kPage;
    file += segment.bytes;
    schedule.segments.push_back(segment);
  }
  schedule.steps = 2 * count;
  placeRandomly(random, shape, false);
  return shape;
}

/// The memory of a SegmentArena. After `showsBeforeFailure` more calls of
/// show() that succeed, one call fails. Later calls succeed again.
struct FailingMemory final : SegmentMemory {
  SegmentArena arena = *SegmentArena::create({}, {}, 0);
  std::atomic<int> showsBeforeFailure{INT_MAX};

  uint8_t *segment(uint32_t index) const override {
    return arena.segment(index);
  }
  std::span<uint8_t> ring() const override { return arena.ring(); }
  Status show(const RingWindow &window) override {
    return showsBeforeFailure-- == 0 ? doesNotFitError("no memory for tables")
                                     : arena.show(window);
  }
};

/// A stream, and a simple executor that runs passes with this stream. In every
/// third run, as few windows as possible are mapped at a time.
struct Executed {
  /// If `fails` is true, some read of the first pass fails.
  explicit Executed(uint32_t seed, bool fails = false)
      : random(seed), shape(randomShape(random)),
        reader(wordsOf(3 * kPage + fileBytes()), 4) {
    reader.next = [order = std::mt19937(seed)](size_t inFlight) mutable {
      return order() % inFlight;
    };
    if (fails) {
      failOnce();
    }
    Result<SegmentArena> made =
        SegmentArena::create(shape.schedule.segmentSizes(),
                             shape.schedule.windows(), shape.schedule.ringBytes,
                             seed % 3 == 0 ? SegmentArena::kLeastMappings
                                           : SegmentArena::kMostMappings);
    EXPECT_TRUE(made) << made.status().message();
    arena = *std::move(made);
    StreamInput input;
    input.reader = &reader;
    input.blockBytes = (1 + random() % 8) * kPage;
    input.readsIntoRing = seed % 2 == 0;
    input.verify = [this](uint32_t segment, uint64_t offset,
                          std::span<const uint8_t> bytes) {
      const StreamedSegment &known = shape.schedule.segments[segment - 100];
      uint64_t chunk = known.chunkBytes;
      EXPECT_EQ(offset % chunk, 0U);
      EXPECT_EQ(bytes.size(), std::min(chunk, known.bytes - offset));
      if (segment == changedSegment) {
        return verificationError("a digest is wrong");
      }
      EXPECT_TRUE(isRight(bytes, known.fileOffset + offset));
      verified += bytes.size();
      return Status::ok();
    };
    Result<std::unique_ptr<WeightStream>> started =
        WeightStream::start(shape.schedule, memory, std::move(input));
    EXPECT_TRUE(started) << started.status().message();
    stream = *std::move(started);
  }

  /// Picks a byte of the file at random. The next read that includes it fails,
  /// and later ones succeed. A failure that an earlier call has set up, but
  /// that has not happened yet, is cancelled.
  void failOnce() {
    reader.fail(failing, Status::ok(), 0);
    failing = 3 * kPage + random() % fileBytes();
    reader.fail(failing, ioError("the disk failed"), 1);
  }

  static bool isRight(std::span<const uint8_t> bytes, uint64_t offset) {
    for (uint64_t i = 0; i < bytes.size(); i += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, 8);
      if (word != offset + i) {
        return false;
      }
    }
    return true;
  }

  /// Runs the steps [first, steps) of a pass that was announced to have
  /// `announced` steps. All bytes that a step needs must be right, except
  /// streamed ones whose read belongs to a step before `first`.
  Status pass(uint32_t steps, uint32_t announced, uint32_t first = 0) {
    stream->beginPass(announced);
    if (first != 0) {
      stream->release(first - 1);
    }
    Status status;
    for (uint32_t step = first; step < steps && status.isOk(); ++step) {
      status = stream->require(step);
      for (size_t i = 0; i < shape.lastSteps.size() && status.isOk(); ++i) {
        const ScheduledRead &read = shape.schedule.reads[i];
        const StreamedSegment &segment = shape.schedule.segments[read.segment];
        if (read.beforeStep <= step && shape.lastSteps[i] >= step &&
            (read.beforeStep >= first || read.isResident)) {
          EXPECT_TRUE(
              isRight({arena.segment(read.segment) + read.offset, read.bytes},
                      segment.fileOffset + read.offset));
        }
      }
      if (status.isOk()) {
        stream->release(step);
      }
    }
    stream->endPass();
    return status;
  }
  Status pass() { return pass(shape.schedule.steps, shape.schedule.steps); }

  uint64_t fileBytes() const {
    uint64_t sum = 0;
    for (const StreamedSegment &segment : shape.schedule.segments) {
      sum += segment.bytes;
    }
    return sum;
  }

  /// For each segment, the bytes that stay in memory.
  std::vector<uint64_t> residentBytes() const {
    std::vector<uint64_t> bytes(shape.schedule.segments.size());
    for (const ScheduledRead &read : shape.schedule.reads) {
      bytes[read.segment] += read.isResident ? read.bytes : 0;
    }
    return bytes;
  }

  std::mt19937 random;
  Shape shape;
  FakeBlockReader reader;
  uint64_t failing = 0; ///< the offset that failOnce() has chosen
  FailingMemory memory;
  SegmentArena &arena = memory.arena;
  uint32_t changedSegment = 0;
  std::atomic<uint64_t> verified{0};
  std::unique_ptr<WeightStream> stream;
};

class WeightStreamOf : public testing::TestWithParam<uint32_t> {};

TEST_P(WeightStreamOf, EveryPassReadsEachByteOnce) {
  Executed run(GetParam());
  constexpr uint64_t kPasses = 6;
  for (uint64_t pass = 0; pass < kPasses; ++pass) {
    Status status = run.pass();
    ASSERT_TRUE(status.isOk()) << status.message();
  }
  run.stream->pause();
  uint64_t streamed = run.shape.schedule.bytesPerPass();
  uint64_t expected = run.fileBytes() + (kPasses - 1) * streamed;
  EXPECT_GE(run.reader.bytesRead(), expected);
  // The stream has read ahead for the next pass, at most as much as the ring
  // holds.
  EXPECT_LE(run.reader.bytesRead(),
            expected + std::min(run.shape.schedule.ringBytes, streamed));
  EXPECT_EQ(run.verified, run.fileBytes());
}

// Half of the streams read into the mapping of the whole ring, and the others
// into the windows of the segments (StreamInput::readsIntoRing).
TEST_P(WeightStreamOf, OnlyWhatDoesNotStayIsReadIntoTheRing) {
  Executed run(GetParam());
  ASSERT_TRUE(run.pass().isOk());
  ASSERT_TRUE(run.pass().isOk());
  run.stream->pause();
  const std::span<uint8_t> ring = run.arena.ring();
  uint64_t bytesToRing = 0;
  for (const BlockRequest &request : run.reader.submitted) {
    const bool isInRing =
        request.to >= ring.data() &&
        request.to + request.bytes <= ring.data() + ring.size();
    bytesToRing += isInRing ? request.bytes : 0;
  }
  if (GetParam() % 2 != 0) {
    EXPECT_EQ(bytesToRing, 0U);
  } else {
    uint64_t resident = 0;
    for (uint64_t bytes : run.residentBytes()) {
      resident += bytes;
    }
    EXPECT_EQ(bytesToRing, run.reader.bytesRead() - resident);
  }
}

TEST_P(WeightStreamOf, StepsThatDoNotRunAreNotRead) {
  Executed run(GetParam());
  uint32_t steps = run.shape.schedule.steps;
  for (uint32_t pass = 0; pass < 8; ++pass) {
    uint32_t announced = pass % 3 == 2 ? steps : steps - 1;
    Status status = run.pass(announced, announced);
    ASSERT_TRUE(status.isOk()) << status.message();
  }
}

TEST_P(WeightStreamOf, APassThatEndsEarlyDisturbsNoOther) {
  Executed run(GetParam());
  uint32_t steps = run.shape.schedule.steps;
  for (uint32_t pass = 0; pass < 12; ++pass) {
    Status status =
        run.pass(pass % 2 == 0 ? run.random() % steps : steps, steps);
    ASSERT_TRUE(status.isOk()) << status.message();
  }
}

TEST_P(WeightStreamOf, APassThatBeginsLateReadsOnlyWhatItNeeds) {
  Executed run(GetParam());
  uint32_t steps = run.shape.schedule.steps;
  ASSERT_TRUE(run.pass().isOk());
  uint64_t needed = 0;
  uint64_t whole = 0;
  for (uint32_t pass = 0; pass < 24; ++pass) {
    // Up to three passes in a row leave out some of the first steps.
    uint32_t first = pass % 4 == 0 ? 0 : run.random() % steps;
    Status status = run.pass(steps, steps, first);
    ASSERT_TRUE(status.isOk()) << status.message();
    for (const ScheduledRead &read : run.shape.schedule.reads) {
      uint64_t bytes = read.isResident ? 0 : read.bytes;
      needed += read.beforeStep >= first ? bytes : 0;
      whole += bytes;
    }
  }
  run.stream->pause();
  EXPECT_GE(run.reader.bytesRead(), run.fileBytes() + needed);
  // If a step is left out, the stream drops what it has read ahead for this
  // step and for later ones.
  EXPECT_LE(run.reader.bytesRead(),
            run.fileBytes() + whole + 25 * run.shape.schedule.ringBytes);
}

TEST_P(WeightStreamOf, AFailedReadEndsOnePassOnly) {
  Executed run(GetParam(), true);
  uint32_t failures = 0;
  for (uint32_t pass = 0; pass < 12; ++pass) {
    if (pass != 0 && pass % 3 == 0) {
      run.failOnce();
    }
    Status status = run.pass();
    if (!status.isOk()) {
      EXPECT_EQ(status.code(), ErrorCode::Io);
      EXPECT_EQ(status.message(), "the disk failed");
      ++failures;
    }
  }
  // The first pass always fails, because it reads every byte. Later passes
  // succeed if the byte whose read would fail is resident.
  EXPECT_GE(failures, 1U);
  EXPECT_LE(failures, 4U);
  run.reader.fail(run.failing, Status::ok(), 0);
  (void)run.pass();
  EXPECT_TRUE(run.pass().isOk());
}

TEST_P(WeightStreamOf, AWindowThatCannotBeMappedEndsOnePassOnly) {
  Executed run(GetParam());
  for (int pass = 0; pass < 12; ++pass) {
    run.memory.showsBeforeFailure = static_cast<int>(run.random() % 8);
    // The window that cannot be mapped may belong to this pass, or to a later
    // one for which the stream reads ahead. So this pass may also succeed.
    const Status status = run.pass();
    EXPECT_TRUE(status.isOk() || status.code() == ErrorCode::DoesNotFit)
        << status.message();
  }
  run.memory.showsBeforeFailure = INT_MAX;
  // The last failure may have concerned a window of this pass, for which the
  // stream has read ahead. So this pass may fail, but not the next one.
  (void)run.pass();
  const Status status = run.pass();
  EXPECT_TRUE(status.isOk()) << status.message();
}

TEST_P(WeightStreamOf, AnErrorInMidPassEndsThePassThatNeedsTheBytes) {
  Executed run(GetParam());
  ASSERT_TRUE(run.pass().isOk());
  const ScheduledRead *failing = nullptr;
  for (const ScheduledRead &read : run.shape.schedule.reads) {
    if (!read.isResident && (failing == nullptr || run.random() % 2 == 0)) {
      failing = &read;
    }
  }
  if (failing == nullptr) {
    GTEST_SKIP() << "nothing is read after the first pass";
  }
  const uint64_t offset =
      run.shape.schedule.segments[failing->segment].fileOffset +
      failing->offset + run.random() % failing->bytes;
  run.reader.fail(offset, ioError("Input/output error"), 1);
  // The failure ends the first or the second of the passes below, because the
  // stream reads ahead for at most one pass.
  uint32_t failures = 0;
  for (int pass = 0; pass < 5; ++pass) {
    Status status = run.pass();
    if (!status.isOk()) {
      EXPECT_EQ(status.message(), "Input/output error");
      EXPECT_LE(pass, 1);
      ++failures;
    }
  }
  EXPECT_EQ(failures, 1U);
}

TEST_P(WeightStreamOf, AFileThatIsShorterForAWhileFailsForAWhile) {
  Executed run(GetParam());
  ASSERT_TRUE(run.pass().isOk());
  if (run.shape.schedule.bytesPerPass() == 0) {
    GTEST_SKIP() << "nothing is read after the first pass";
  }
  const std::vector<uint8_t> whole = run.reader.file;
  run.stream->pause();
  run.reader.file.resize(0);
  ASSERT_TRUE(run.stream->resume(run.shape.schedule).isOk());
  for (int pass = 0; pass < 3; ++pass) {
    Status status = run.pass();
    EXPECT_EQ(status.code(), ErrorCode::Io);
    EXPECT_EQ(status.message(), "the file is truncated: it has 0 bytes");
  }
  run.stream->pause();
  run.reader.file = whole;
  ASSERT_TRUE(run.stream->resume(run.shape.schedule).isOk());
  for (int pass = 0; pass < 3; ++pass) {
    Status status = run.pass();
    EXPECT_TRUE(status.isOk()) << status.message();
  }
}

TEST_P(WeightStreamOf, ABrokenReaderEndsEveryPass) {
  Executed run(GetParam());
  run.reader.breakDown(ioError("the reader is broken"));
  // The bytes that were read ahead may be enough for the first two passes, but
  // not for all four.
  Status status;
  for (int pass = 0; pass < 4; ++pass) {
    status = run.pass();
  }
  if (run.shape.schedule.bytesPerPass() == 0 && status.isOk()) {
    GTEST_SKIP() << "everything was in memory before the reader broke";
  }
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_EQ(run.pass().code(), ErrorCode::Io);
  run.stream->pause();
  EXPECT_EQ(run.stream->resume(run.shape.schedule).code(), ErrorCode::Io);
}

TEST_P(WeightStreamOf, AWrongDigestIsReportedEachTime) {
  Executed run(GetParam());
  run.stream->pause();
  run.changedSegment = 100 + run.shape.schedule.steps / 4;
  ASSERT_TRUE(run.stream->resume(run.shape.schedule).isOk());
  for (int pass = 0; pass < 3; ++pass) {
    Status status = run.pass();
    // If the stream had verified all bytes before `changedSegment` was set, it
    // verifies none of them again, so the passes succeed.
    if (run.verified != run.fileBytes()) {
      EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
    }
  }
}

// The first three of four pages stay in memory, and each chunk has two pages.
// So the digest of the second chunk is verified only when step 1 needs the last
// page. When the third page is read for the first time, a bit of it is wrong.
TEST(WeightStream, BytesThatStayAreReadAgainIfTheyWereWrong) {
  for (const bool resumes : {false, true}) {
    StreamSchedule schedule;
    schedule.steps = 2;
    schedule.ringBytes = kPage;
    schedule.segments = {{100, 0, 4 * kPage, 2 * kPage}};
    schedule.reads = {{0, 0, 3 * kPage, true, 0, 0, 0},
                      {0, 3 * kPage, kPage, false, 1, -1, 0}};
    FakeBlockReader reader(wordsOf(4 * kPage), 4);
    reader.file[2 * kPage] ^= 1;
    Result<SegmentArena> arena = SegmentArena::create(
        schedule.segmentSizes(), schedule.windows(), schedule.ringBytes);
    ASSERT_TRUE(arena) << arena.status().message();
    StreamInput input;
    input.reader = &reader;
    input.verify = [&](uint32_t, uint64_t offset,
                       std::span<const uint8_t> bytes) {
      if (Executed::isRight(bytes, offset)) {
        return Status::ok();
      }
      // The thread that verifies is the one that reads.
      reader.file[2 * kPage] &= 0xfe;
      return verificationError("a digest is wrong");
    };
    Result<std::unique_ptr<WeightStream>> stream =
        WeightStream::start(schedule, *arena, std::move(input));
    ASSERT_TRUE(stream) << stream.status().message();
    for (int pass = 0; pass < 4; ++pass) {
      (*stream)->beginPass(2);
      ASSERT_TRUE((*stream)->require(0).isOk()) << pass;
      const bool isRight = Executed::isRight({arena->segment(0), 3 * kPage}, 0);
      EXPECT_EQ(isRight, pass != 0);
      (*stream)->release(0);
      const Status status = (*stream)->require(1);
      EXPECT_EQ(status.isOk(), pass != 0) << pass << status.message();
      if (status.isOk()) {
        (*stream)->release(1);
      }
      (*stream)->endPass();
      if (resumes && pass == 0) {
        (*stream)->pause();
        ASSERT_TRUE((*stream)->resume(schedule).isOk());
      }
    }
    (*stream)->pause();
    // Of the first three pages, only the third is read again.
    EXPECT_EQ(std::ranges::count(reader.submitted, 0U, &BlockRequest::offset),
              1);
  }
}

TEST_P(WeightStreamOf, AnotherPlacementInMidRunChangesNoBytes) {
  Executed run(GetParam());
  ASSERT_TRUE(run.pass().isOk());
  for (int round = 0; round < 4; ++round) {
    run.stream->pause();
    std::vector<uint64_t> before = run.residentBytes();
    // In the first two rounds, no further bytes become resident. In later
    // rounds, they may.
    placeRandomly(run.random, run.shape, round < 2);
    std::vector<uint64_t> after = run.residentBytes();
    uint64_t added = 0;
    for (size_t i = 0; i < after.size(); ++i) {
      added += after[i] - std::min(before[i], after[i]);
    }
    uint64_t read = run.reader.bytesRead();
    const StreamSchedule &schedule = run.shape.schedule;
    Status status = run.arena.remap(schedule.windows(), schedule.ringBytes);
    ASSERT_TRUE(status.isOk()) << status.message();
    ASSERT_TRUE(run.stream->resume(schedule).isOk());
    for (int pass = 0; pass < 3; ++pass) {
      status = run.pass();
      ASSERT_TRUE(status.isOk()) << status.message();
    }
    // Bytes that stay resident are not read again, and bytes that become
    // resident are read once.
    run.stream->pause();
    uint64_t streamed = schedule.bytesPerPass();
    EXPECT_GE(run.reader.bytesRead() - read, added + 3 * streamed);
    EXPECT_LE(run.reader.bytesRead() - read,
              added + 3 * streamed + std::min(schedule.ringBytes, streamed));
  }
}

// Whoever overwrites the ring while the stream is paused disturbs no pass.
TEST_P(WeightStreamOf, WhatWasInTheRingIsReadAgainAfterAPause) {
  Executed run(GetParam());
  for (int round = 0; round < 3; ++round) {
    Status status = run.pass();
    ASSERT_TRUE(status.isOk()) << status.message();
    run.stream->waitUntilIdle();
    run.stream->pause();
    const std::span<uint8_t> ring = run.arena.ring();
    ASSERT_EQ(ring.size(), run.shape.schedule.ringBytes);
    std::fill(ring.begin(), ring.end(), uint8_t{0xEE});
    status = run.stream->resume();
    ASSERT_TRUE(status.isOk()) << status.message();
  }
  const uint64_t before = run.reader.bytesRead();
  Status status = run.pass();
  ASSERT_TRUE(status.isOk()) << status.message();
  run.stream->pause();
  // What stays in memory is not read again.
  const uint64_t streamed = run.shape.schedule.bytesPerPass();
  EXPECT_LE(run.reader.bytesRead() - before, 2 * streamed);
  EXPECT_EQ(run.verified, run.fileBytes());
}

TEST_P(WeightStreamOf, CanBeDroppedAtAnyTime) {
  for (int round = 0; round < 10; ++round) {
    Executed run(GetParam() + static_cast<uint32_t>(round));
    if (round % 2 != 0) {
      EXPECT_TRUE(run.pass().isOk());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WeightStreamOf, testing::Range(0U, 40U));

TEST(WeightStream, RefusesAScheduleThatCannotEnd) {
  StreamSchedule schedule;
  schedule.steps = 2;
  schedule.ringBytes = 2 * kPage;
  schedule.segments = {{0, 0, 2 * kPage, kPage},
                       {1, 2 * kPage, 2 * kPage, kPage}};
  schedule.reads = {{0, 0, 2 * kPage, false, 0, -1, 0},
                    {1, 0, 2 * kPage, false, 1, 1, 0}};
  SegmentArena arena = *SegmentArena::create(
      schedule.segmentSizes(), schedule.windows(), schedule.ringBytes);
  FakeBlockReader reader(wordsOf(4 * kPage), 4);
  StreamInput input;
  input.reader = &reader;
  EXPECT_EQ(WeightStream::start(schedule, arena, input).status().code(),
            ErrorCode::Internal);
  schedule.reads[1].afterStep = 0;
  schedule.ringBytes = kPage;
  EXPECT_EQ(WeightStream::start(schedule, arena, input).status().code(),
            ErrorCode::Internal);
}

} // namespace
