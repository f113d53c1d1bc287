//===- DecodeRate.cpp - how fast all cores decode weights -----------------===//
#include "runtime/hal/cpu/probe/DecodeRate.h"

#include "formats/support/MonotonicClock.h"

#include <atomic>
#include <bit>
#include <random>
#include <utility>

namespace air::rt {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{256} << 10;
constexpr uint64_t kChunks = 16;
/// The least duration of a sample. It is long compared with the time that
/// threads take to wake up, and short enough for many samples.
constexpr double kSampleSeconds = 2e-3;
/// The largest number of turns of a sample. In a turn, each thread decodes all
/// chunks once. A sample that is shorter than kSampleSeconds is repeated with
/// twice as many turns, up to this number.
constexpr uint64_t kMostTurns = 1024;

/// Returns the bytes of a chunk of bfloat16 numbers whose distribution is
/// nearly normal: each is computed from a sum of twelve uniformly distributed
/// numbers. Unlike std::normal_distribution, this gives the same numbers with
/// every standard library.
std::vector<uint8_t> numbers(std::mt19937 &random) {
  std::vector<uint8_t> bytes(kChunkBytes);
  for (uint64_t i = 0; i < kChunkBytes; i += 2) {
    float sum = 0;
    for (int k = 0; k < 3; ++k) {
      const uint32_t bits = random();
      for (unsigned shift = 0; shift < 32; shift += 8) {
        sum += static_cast<float>(bits >> shift & 0xffU);
      }
    }
    const float value = (sum / 256 - 6) * 0.02F;
    const auto bits = std::bit_cast<uint32_t>(value);
    bytes[i] = static_cast<uint8_t>(bits >> 16);
    bytes[i + 1] = static_cast<uint8_t>(bits >> 24);
  }
  return bytes;
}

} // namespace

struct DecodeRate::Job {
  DecodeRate &rate;
  std::atomic<bool> hasFailed = false;

  static void run(void *context, uint32_t thread) {
    auto &job = *static_cast<Job *>(context);
    Slot &slot = job.rate.slots[thread];
    for (uint64_t turn = 0; turn < job.rate.turns; ++turn) {
      for (uint64_t i = 0; i < kChunks; ++i) {
        if (!decodeChunk(job.rate.codec, job.rate.chunks[i], slot.raw,
                         slot.scratch)
                 .isOk()) {
          job.hasFailed = true;
        }
      }
    }
  }
};

DecodeRate::DecodeRate(ThreadPool &threads, uint32_t threadCount,
                       ChunkCodec wanted)
    : pool(&threads), codec(wanted), slots(threadCount) {
  for (Slot &slot : slots) {
    slot.raw.resize(kChunkBytes);
  }
}

Result<DecodeRate> DecodeRate::create(ThreadPool &pool, uint32_t threadCount,
                                      ChunkCodec codec) {
  DecodeRate made(pool, threadCount, codec);
  std::mt19937 random(1);
  for (uint64_t i = 0; i < kChunks; ++i) {
    AIR_ASSIGN_OR_RETURN(std::vector<uint8_t> chunk,
                         encodeChunk(codec, numbers(random)));
    made.chunks.push_back(std::move(chunk));
  }
  return made;
}

Result<double> DecodeRate::sample() {
  while (true) {
    Job job{*this};
    const double start = monotonicSeconds();
    pool->run(Job::run, &job);
    const double seconds = monotonicSeconds() - start;
    if (job.hasFailed) {
      return internalError(
          "the speed of decoding cannot be measured, because the weights that "
          "were compressed for the test cannot be decoded");
    }
    if (seconds >= kSampleSeconds || turns >= kMostTurns) {
      return static_cast<double>(turns * kChunks * kChunkBytes * slots.size()) /
             seconds;
    }
    turns *= 2;
  }
}

} // namespace air::rt
