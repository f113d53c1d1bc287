//===- StreamReaders.cpp - ways of reading memory -------------------------===//
#include "runtime/hal/cpu/probe/StreamReaders.h"

namespace air::rt {
namespace {

constexpr uint64_t kLineBytes = 64;
constexpr uint64_t kPageLines = kStreamPageBytes / kLineBytes;
constexpr uint64_t kBurstLines = 8;
/// The number of independent running XORs of the cache lines. There are several
/// so that the latency of XOR does not limit the rate of the loads.
constexpr uint64_t kChains = 4;

using Vector16 = uint64_t __attribute__((vector_size(16)));
using Vector32 = uint64_t __attribute__((vector_size(32)));
using Vector64 = uint64_t __attribute__((vector_size(64)));

// The functions below are always inlined, so that each of them is compiled for
// the vector width of its caller.

/// Prefetches the line that is `distance` bytes after `line`. T1T0 also
/// prefetches the one that is nearDistance(distance) bytes after it.
template <StreamHint H>
[[gnu::always_inline]] inline void prefetch(const uint8_t *line,
                                            uint32_t distance) {
  const uint8_t *address = line + distance;
  // The last operand of the builtin is the temporal locality; on x86, 3 is
  // PREFETCHT0 and 0 is PREFETCHNTA.
  if constexpr (H == StreamHint::Nta) {
    __builtin_prefetch(address, 0, 0);
  } else if constexpr (H == StreamHint::T0) {
    __builtin_prefetch(address, 0, 3);
  } else if constexpr (H == StreamHint::T1) {
    __builtin_prefetch(address, 0, 2);
  } else if constexpr (H == StreamHint::T2) {
    __builtin_prefetch(address, 0, 1);
  } else if constexpr (H == StreamHint::T1T0) {
    __builtin_prefetch(address, 0, 2);
    __builtin_prefetch(line + nearDistance(distance), 0, 3);
  }
}

template <typename V>
[[gnu::always_inline]] inline void readLine(const uint8_t *line, V &sum) {
  for (uint64_t at = 0; at < kLineBytes; at += sizeof(V)) {
    sum ^= *reinterpret_cast<const V *>(line + at);
    // Keeps the compiler from changing the order of the loads.
    asm volatile("" ::: "memory");
  }
}

/// Imitates the work of a kernel on a burst of eight lines, with about as many
/// instructions as a kernel needs to decode and multiply 512 bytes of weights.
/// Every operation on `sums` is invertible, so `sums` still depends on every
/// bit that was read. Also prefetches what follows each line of the burst at
/// `lines` at the distance.
template <StreamHint H, typename V>
[[gnu::always_inline]] inline void
workOn(V (&sums)[kChains], const uint8_t *lines, uint32_t distance) {
  for (uint64_t step = 0; step < 4; ++step) {
    for (V &sum : sums) {
      sum ^= (sum >> 3) & 0x0f0f0f0f0f0f0f0fU;
    }
    // As in kernels, the prefetches are interleaved with the arithmetic.
    prefetch<H>(lines + (2 * step) * kLineBytes, distance);
    prefetch<H>(lines + (2 * step + 1) * kLineBytes, distance);
    asm volatile("" ::: "memory");
  }
}

template <typename V, StreamLoads L, StreamHint H>
[[gnu::always_inline]] inline uint64_t
readPages(const uint8_t *data, uint64_t pages, uint32_t distance) {
  V sums[kChains] = {};
  const uint8_t *end = data + pages * kStreamPageBytes;
  if constexpr (L == StreamLoads::Single) {
    for (; data != end; data += kChains * kLineBytes) {
      for (uint64_t i = 0; i < kChains; ++i) {
        prefetch<H>(data + i * kLineBytes, distance);
        readLine(data + i * kLineBytes, sums[i]);
      }
    }
  } else if constexpr (L == StreamLoads::Burst) {
    for (; data != end; data += kBurstLines * kLineBytes) {
      for (uint64_t i = 0; i < kBurstLines; ++i) {
        readLine(data + i * kLineBytes, sums[i % kChains]);
      }
      workOn<H>(sums, data, distance);
    }
  } else {
    constexpr uint64_t kHalf = kStreamPageBytes / 2;
    for (; data != end; data += kStreamPageBytes) {
      for (uint64_t line = 0; line < kPageLines / 2; line += kChains / 2) {
        for (uint64_t i = 0; i < kChains / 2; ++i) {
          const uint8_t *first = data + (line + i) * kLineBytes;
          prefetch<H>(first, distance);
          readLine(first, sums[2 * i]);
          prefetch<H>(first + kHalf, distance);
          readLine(first + kHalf, sums[2 * i + 1]);
        }
      }
    }
  }
  const V all = (sums[0] ^ sums[1]) ^ (sums[2] ^ sums[3]);
  uint64_t result = 0;
  for (uint64_t lane = 0; lane < sizeof(V) / sizeof(uint64_t); ++lane) {
    result ^= all[lane];
  }
  return result;
}

template <StreamLoads L, StreamHint H>
uint64_t readPlain(const uint8_t *data, uint64_t pages, uint32_t distance) {
  return readPages<Vector16, L, H>(data, pages, distance);
}

#if defined(__x86_64__)
template <StreamLoads L, StreamHint H>
[[gnu::target("avx2")]] uint64_t readAvx2(const uint8_t *data, uint64_t pages,
                                          uint32_t distance) {
  return readPages<Vector32, L, H>(data, pages, distance);
}

template <StreamLoads L, StreamHint H>
[[gnu::target("avx512f")]] uint64_t
readAvx512(const uint8_t *data, uint64_t pages, uint32_t distance) {
  return readPages<Vector64, L, H>(data, pages, distance);
}
#endif

template <StreamLoads L, StreamHint H> StreamReader widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    return readAvx512<L, H>;
  }
  if (__builtin_cpu_supports("avx2")) {
    return readAvx2<L, H>;
  }
#endif
  return readPlain<L, H>;
}

template <StreamLoads L> StreamReader withHint(StreamHint hint) {
  switch (hint) {
  case StreamHint::None:
    return widest<L, StreamHint::None>();
  case StreamHint::Nta:
    return widest<L, StreamHint::Nta>();
  case StreamHint::T0:
    return widest<L, StreamHint::T0>();
  case StreamHint::T1:
    return widest<L, StreamHint::T1>();
  case StreamHint::T2:
    return widest<L, StreamHint::T2>();
  case StreamHint::T1T0:
    return widest<L, StreamHint::T1T0>();
  }
  return nullptr;
}

} // namespace

StreamReader streamReader(StreamLoads loads, StreamHint hint) {
  switch (loads) {
  case StreamLoads::Single:
    return withHint<StreamLoads::Single>(hint);
  case StreamLoads::Burst:
    return withHint<StreamLoads::Burst>(hint);
  case StreamLoads::TwoStreams:
    return withHint<StreamLoads::TwoStreams>(hint);
  }
  return nullptr;
}

} // namespace air::rt
