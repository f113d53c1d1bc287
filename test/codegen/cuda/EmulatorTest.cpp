//===- EmulatorTest.cpp - errors that the emulated GPU must detect --------===//
#include "test/codegen/cuda/emulator/Emulator.h"
#include "codegen/cuda/Intrinsics.h"
#include "formats/dtype/Half.h"

#include <gtest/gtest.h>
#include <string>

namespace air::emulator {
namespace {

/// Runs a kernel on `bindings`, with `threads` threads. `body` is the source of
/// the kernel's body.
Status runBody(const std::string &body, std::vector<void *> bindings,
               uint32_t threads = 32, bool reversed = false,
               std::span<uint8_t> dependent = {}) {
  const Result<std::string> intrinsics = hostIntrinsicsText();
  if (!intrinsics.isOk()) {
    return intrinsics.status();
  }
  const Result<Library> library = Library::compile(
      {std::string(codegen::cuda::commonText()) + *intrinsics +
       "AP_KERNEL(probe, 32, 1)(float *y, const float *x) {\n" + body +
       "\n}\n"});
  if (!library.isOk()) {
    return library.status();
  }
  EmulatedLaunch launch;
  launch.function = library->find("probe");
  launch.threads = threads;
  launch.sharedBytes = 4096;
  launch.reversed = reversed;
  launch.bindings = std::move(bindings);
  launch.dependent = {dependent};
  return run(launch);
}

TEST(Emulator, MmaMultipliesMatrices) {
  // a[i][k] = i + 16 k and b[k][j] = k - j are small integers, so sums are
  // exact.
  std::vector<float> d(16 * 8, 0);
  const Status status = runBody(R"(
    const u32 l = ap_thread(), g = l / 4, t = l % 4;
    u32 a[4], b[2];
    for (u32 i = 0; i < 4; ++i) {
      const u32 row = g + 8 * (i & 1), k = 2 * t + 8 * (i >> 1);
      a[i] = ap_half_of_float(row + 16.0f * k) | ap_half_of_float(row + 16.0f * (k + 1)) << 16;
    }
    for (u32 i = 0; i < 2; ++i) {
      const int k = 2 * t + 8 * i;
      b[i] = ap_half_of_float(k - (int)g) | ap_half_of_float(k + 1 - (int)g) << 16;
    }
    float c[4] = {1, 1, 1, 1};
    ap_mma_f16(c, a[0], a[1], a[2], a[3], b[0], b[1]);
    y[g * 8 + 2 * t] = c[0];
    y[g * 8 + 2 * t + 1] = c[1];
    y[(g + 8) * 8 + 2 * t] = c[2];
    y[(g + 8) * 8 + 2 * t + 1] = c[3];)",
                                {d.data()});
  ASSERT_TRUE(status.isOk()) << status.message();
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 8; ++j) {
      int sum = 1;
      for (int k = 0; k < 16; ++k) {
        sum += (i + 16 * k) * (k - j);
      }
      EXPECT_EQ(d[i * 8 + j], static_cast<float>(sum)) << i << ' ' << j;
    }
  }
}

// The source of a kernel body that multiplies A by B, with A[i][k] = i + k and
// B[k][j] = k - j. SECOND stands for the address of B.
constexpr const char *kWgmmaBody = R"(
    const u32 thread = ap_thread(), l = thread % 32, g = l / 4, t = l % 4;
    u16 *b = (u16 *)ap_shared();
    for (u32 i = thread; i < 16 * 16; i += 128) {
      const u32 k = i / 16, j = i % 16;
      b[(j / 8 * 512 + k / 8 * 128 + j % 8 * 16 + k % 8 * 2) / 2] =
          (u16)ap_half_of_float((float)k - (float)j);
    }
    ap_wgmma_publish();
    ap_barrier();
    u32 a[4];
    for (u32 i = 0; i < 4; ++i) {
      const u32 row = thread / 32 * 16 + g + 8 * (i & 1), k = 2 * t + 8 * (i >> 1);
      a[i] = ap_half_of_float(row + k) | ap_half_of_float(row + k + 1) << 16;
    }
    float c[2][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}};
    ap_wgmma_begin(c, a);
    ap_wgmma_f16(c, a[0], a[1], a[2], a[3], SECOND, 512);
    const float early = c[0][0];
    ap_wgmma_end(c);
    for (u32 i = 0; i < 8; ++i) {
      const u32 row = thread / 32 * 16 + g + i % 4 / 2 * 8;
      y[row * 16 + i / 4 * 8 + 2 * t + i % 2] = early == early ? early : c[i / 4][i % 4];
    })";

TEST(Emulator, WgmmaMultipliesMatricesWhenItsWarpgroupWaits) {
  std::vector<float> d(64 * 16, 0);
  std::string body = kWgmmaBody;
  body.replace(body.find("SECOND"), 6, "(const u8 *)b");
  const Status status = runBody(body, {d.data()}, 128);
  ASSERT_TRUE(status.isOk()) << status.message();
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 16; ++j) {
      int sum = 1;
      for (int k = 0; k < 16; ++k) {
        sum += (i + k) * (k - j);
      }
      EXPECT_EQ(d[i * 16 + j], static_cast<float>(sum)) << i << ' ' << j;
    }
  }
}

TEST(Emulator, WarpgroupsThatDoNotAgreeAreAnError) {
  std::vector<float> d(64 * 16, 0);
  std::string body = kWgmmaBody;
  body.replace(body.find("SECOND"), 6,
               "(const u8 *)b + (thread < 32 ? 1024 : 0)");
  EXPECT_EQ(runBody(body, {d.data()}, 128).code(),
            ErrorCode::VerificationFailed);
  // No thread waits for this wgmma.
  EXPECT_FALSE(runBody("float c[1][4] = {}; ap_wgmma_f16(c, 0, 0, 0, 0, "
                       "ap_shared(), 256);",
                       {d.data()}, 128)
                   .isOk());
}

TEST(Emulator, DivergentCollectivesAreAnError) {
  float y = 0;
  const Status shuffle =
      runBody("if (ap_thread() < 7) { ap_shuffle_xor(1, 1); }", {&y});
  EXPECT_EQ(shuffle.code(), ErrorCode::VerificationFailed);
  EXPECT_NE(shuffle.message().find("divergence"), std::string::npos);
  const Status barrier = runBody(
      "if (ap_thread() < 32) { ap_barrier(); } else { ap_warp_barrier(); }",
      {&y}, 64);
  EXPECT_NE(barrier.message().find("divergence"), std::string::npos);
  EXPECT_TRUE(runBody("ap_barrier(); ap_shuffle_xor(1, 1);", {&y}, 64).isOk());
}

TEST(Emulator, SharedMemoryIsNaNUntilWritten) {
  float y = 0;
  ASSERT_TRUE(runBody("y[0] = ((float *)ap_shared())[5];", {&y}).isOk());
  EXPECT_NE(y, y);
}

TEST(Emulator, AMissingBarrierChangesWithTheOrderOfThreads) {
  const char *body = R"(
    float *shared = (float *)ap_shared();
    shared[ap_thread()] = ap_thread();
    y[ap_thread()] = shared[ap_thread() ^ 1];)";
  std::vector<float> forward(32);
  std::vector<float> backward(32);
  ASSERT_TRUE(runBody(body, {forward.data()}).isOk());
  ASSERT_TRUE(runBody(body, {backward.data()}, 32, true).isOk());
  EXPECT_NE(std::string(reinterpret_cast<char *>(forward.data()), 128),
            std::string(reinterpret_cast<char *>(backward.data()), 128));
}

TEST(Emulator, CopiesArriveWhenSomebodyWaits) {
  alignas(16) float x[4] = {3, 4, 5, 6};
  float y[2] = {};
  ASSERT_TRUE(runBody(R"(
    if (ap_thread() == 0) {
      float *to = (float *)ap_shared();
      ap_async_copy16(to, x);
      ap_async_commit();
      y[0] = to[2];
      ap_async_wait<0>();
      y[1] = to[2];
    })",
                      {y, x})
                  .isOk());
  EXPECT_NE(y[0], y[0]) << "before the wait";
  EXPECT_EQ(y[1], 5);
  ASSERT_TRUE(runBody(R"(
    float *to = (float *)ap_shared();
    u64 *barrier = (u64 *)(ap_shared() + 1024);
    if (ap_thread() == 0) {
      ap_transfer_init(barrier);
      ap_transfer(to, x, 16, barrier);
      y[0] = to[1];
    }
    ap_warp_barrier();
    ap_transfer_wait(barrier, 0);
    if (ap_thread() == 9) {
      y[1] = to[1];
    })",
                      {y, x})
                  .isOk());
  EXPECT_NE(y[0], y[0]);
  EXPECT_EQ(y[1], 4);
}

TEST(Emulator, CopiesThatNobodyCanWaitForAreErrors) {
  alignas(16) float x[4] = {};
  float y = 0;
  EXPECT_FALSE(
      runBody("ap_transfer_wait((u64 *)ap_shared(), 0);", {&y, x}).isOk());
  EXPECT_FALSE(runBody("u64 *b = (u64 *)ap_shared(); if (ap_thread() == 0) "
                       "ap_transfer_init(b); ap_warp_barrier(); "
                       "ap_transfer_wait(b, 0);",
                       {&y, x})
                   .isOk());
  EXPECT_FALSE(runBody("ap_async_copy16(ap_shared() + 16 * ap_thread(), x); "
                       "ap_async_commit();",
                       {&y, x})
                   .isOk());
  const Status uncommitted =
      runBody("ap_async_copy16(ap_shared() + 16 * ap_thread(), x);", {&y, x});
  EXPECT_NE(uncommitted.message().find("without having committed"),
            std::string::npos)
      << uncommitted.message();
  EXPECT_FALSE(runBody("u64 *b = (u64 *)ap_shared(); if (ap_thread() == 0) { "
                       "ap_transfer_init(b); ap_transfer(ap_shared() + 8, x, "
                       "16, b); }",
                       {&y, x})
                   .isOk())
      << "a bulk copy needs an alignment of 16 bytes";
}

TEST(Emulator, WhatThePreviousKernelWritesIsNaNUntilTheWait) {
  float x = 7;
  float y[2] = {};
  ASSERT_TRUE(runBody("if (ap_thread() == 0) { y[0] = x[0]; "
                      "ap_wait_for_previous(); y[1] = x[0]; }",
                      {y, &x}, 32, false,
                      {reinterpret_cast<uint8_t *>(&x), sizeof x})
                  .isOk());
  EXPECT_NE(y[0], y[0]);
  EXPECT_EQ(y[1], 7);
}

/// Compiles kernels named probe0, probe1 and so on, with these bodies.
Result<Library> compileBodies(const std::vector<std::string> &bodies) {
  AIR_ASSIGN_OR_RETURN(const std::string intrinsics, hostIntrinsicsText());
  std::vector<std::string> texts;
  for (size_t i = 0; i < bodies.size(); ++i) {
    texts.push_back(std::string(codegen::cuda::commonText()) + intrinsics +
                    "AP_KERNEL(probe" + std::to_string(i) +
                    ", 128, 1)(float *y, const float *x, u32 *counter) {\n"
                    "const u32 t = ap_thread(), block = ap_block_x();\n"
                    "float *s = (float *)ap_shared();\n"
                    "u64 *barrier = (u64 *)(ap_shared() + 2048);\n" +
                    bodies[i] + "\n}\n");
  }
  return Library::compile(texts);
}

/// Runs a kernel of compileBodies() in both orders of threads, and looks for
/// races.
Status findRaces(const Library &library, size_t index, uint32_t threads,
                 uint32_t blocks) {
  alignas(16) float x[64] = {};
  alignas(16) float y[64] = {};
  uint32_t counter = 0;
  EmulatedLaunch launch;
  launch.function = library.find("probe" + std::to_string(index));
  launch.threads = threads;
  launch.gridX = blocks;
  launch.sharedBytes = 4096;
  launch.bindings = {y, x, &counter};
  launch.names = {"y", "x", "counter"};
  launch.findRaces = true;
  Status status = run(launch);
  launch.reversed = true;
  counter = 0;
  const Status other = run(launch);
  return status.code() == other.code()
             ? status
             : internalError("only one order of the threads shows a race: '" +
                             status.message() + other.message() + "'");
}

struct Racy {
  const char *name;
  uint32_t threads;
  uint32_t blocks;
  const char *bad;  ///< with a race
  const char *good; ///< the same with what was missing
  const char *where;
};

const Racy kRacy[] = {
    {"Barrier", 64, 1, "s[t] = t; y[t] = s[t ^ 32];",
     "s[t] = t; ap_barrier(); y[t] = s[t ^ 32];", "of shared memory"},
    {"BarrierBeforeTheNextWrite", 64, 1,
     "s[t] = t; ap_barrier(); y[t] = s[t ^ 32]; s[t] = 1;",
     "s[t] = t; ap_barrier(); y[t] = s[t ^ 32]; ap_barrier(); s[t] = 1;",
     "of shared memory"},
    {"WarpBarrier", 32, 1, "s[t] = t; y[t] = s[t ^ 1];",
     "s[t] = t; ap_warp_barrier(); y[t] = s[t ^ 1];", "of shared memory"},
    {"AShuffleIsNoBarrier", 32, 1,
     "s[t] = t; ap_shuffle_xor(t, 1); y[t] = s[t ^ 1];",
     "s[t] = t; ap_shuffle_xor(t, 1); ap_warp_barrier(); y[t] = s[t ^ 1];",
     "of shared memory"},
    {"AWarpBarrierDoesNotOrderWarps", 64, 1,
     "s[t] = t; ap_warp_barrier(); y[t] = s[t ^ 32];",
     "s[t] = t; ap_barrier(); y[t] = s[t ^ 32];", "of shared memory"},
    {"OneByteOfAWord", 64, 1,
     "((u8 *)s)[t] = t; ap_warp_barrier(); if (t == 7) { ((u16 *)s)[30] = 1; }"
     " if (t == 33) { ((u8 *)s)[61] = 1; }",
     "((u8 *)s)[t] = t; ap_warp_barrier(); if (t == 7) { ((u16 *)s)[15] = 1; }"
     " if (t == 33) { ((u8 *)s)[61] = 1; }",
     "of shared memory"},
    {"GlobalMemory", 64, 1, "y[t] = 1; y[t ^ 32] += 1;",
     "y[t] = 1; ap_barrier(); y[t ^ 32] += 1;", "of 'y'"},
    {"WaitForAnAsynchronousCopy", 32, 1,
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); y[t] = s[4 * t]; "
     "ap_async_wait<0>();",
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); ap_async_wait<0>(); "
     "y[t] = s[4 * t];",
     "of shared memory"},
    {"WaitForTheRightGroup", 32, 1,
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); "
     "ap_async_copy16(s + 128 + 4 * t, x); ap_async_commit(); "
     "ap_async_wait<1>(); y[t] = s[128 + 4 * t]; ap_async_wait<0>();",
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); "
     "ap_async_copy16(s + 128 + 4 * t, x); ap_async_commit(); "
     "ap_async_wait<1>(); y[t] = s[4 * t]; ap_async_wait<0>();",
     "of shared memory"},
    {"AWaitIsOnlyForItsThread", 32, 1,
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); ap_async_wait<0>(); "
     "y[t] = s[4 * (t ^ 1)];",
     "ap_async_copy16(s + 4 * t, x); ap_async_commit(); ap_async_wait<0>(); "
     "ap_warp_barrier(); y[t] = s[4 * (t ^ 1)];",
     "of shared memory"},
    {"ACopyToWhatIsStillRead", 32, 1,
     "y[t] = s[4 * (t ^ 1)]; ap_async_copy16(s + 4 * t, x); "
     "ap_async_commit(); ap_async_wait<0>();",
     "y[t] = s[4 * (t ^ 1)]; ap_warp_barrier(); ap_async_copy16(s + 4 * t, x);"
     " ap_async_commit(); ap_async_wait<0>();",
     "of shared memory"},
    {"WaitForABulkCopy", 32, 1,
     "if (t == 0) { ap_transfer_init(barrier); ap_transfer_publish(); "
     "ap_transfer(s, x, 128, barrier); } ap_warp_barrier(); "
     "if (t < 16) { ap_transfer_wait(barrier, 0); } y[t] = s[t];",
     "if (t == 0) { ap_transfer_init(barrier); ap_transfer_publish(); "
     "ap_transfer(s, x, 128, barrier); } ap_warp_barrier(); "
     "if (t < 16) { ap_transfer_wait(barrier, 0); } ap_warp_barrier(); "
     "y[t] = s[t];",
     "of shared memory"},
    {"ABulkCopyToWhatIsStillRead", 32, 1,
     "if (t == 0) { ap_transfer_init(barrier); } ap_warp_barrier(); "
     "y[t] = s[t]; if (t == 0) { ap_transfer(s, x, 128, barrier); } "
     "ap_transfer_wait(barrier, 0);",
     "if (t == 0) { ap_transfer_init(barrier); } ap_warp_barrier(); "
     "y[t] = s[t]; ap_warp_barrier(); "
     "if (t == 0) { ap_transfer(s, x, 128, barrier); } "
     "ap_transfer_wait(barrier, 0);",
     "of shared memory"},
    {"AMemoryBarrierBeforeItIsInitialised", 64, 1,
     "if (t == 0) { ap_transfer_init(barrier); "
     "ap_transfer(s, x, 128, barrier); } ap_warp_barrier(); "
     "ap_shuffle_xor(t, 1); ap_transfer_wait(barrier, 0);",
     "if (t == 0) { ap_transfer_init(barrier); "
     "ap_transfer(s, x, 128, barrier); } ap_barrier(); "
     "ap_transfer_wait(barrier, 0);",
     "of shared memory"},
    {"OutputOfTwoBlocks", 32, 2, "y[t + 31 * block] = t;",
     "y[t + 32 * block] = t;", "of 'y'"},
    {"OneBlockReadsWhatAnotherWrites", 32, 2,
     "if (block == 0) { y[t] = t; } else { y[32 + t] = y[t]; }",
     "if (block == 0) { y[t] = t; } else { y[32 + t] = x[t]; }", "of 'y'"},
    {"AnAtomicAndAnOrdinaryWrite", 32, 2,
     "if (t == 0) { if (block == 0) { *counter = 1; } else { "
     "ap_atomic_add(counter, 1); } }",
     "if (t == 0) { ap_atomic_add(counter, 1); }", "of 'counter'"},
    // The right operand of a wgmma is read until its warpgroup has waited.
    {"AWriteDuringAWgmma", 128, 1,
     "if (t < 64) { s[t] = 0; } ap_barrier(); u32 a[4] = {}; "
     "float c[1][4] = {}; ap_wgmma_begin(c, a); "
     "ap_wgmma_f16(c, 0, 0, 0, 0, ap_shared(), 256); "
     "if (t == 3) { s[9] = 1; } ap_wgmma_end(c);",
     "if (t < 64) { s[t] = 0; } ap_barrier(); u32 a[4] = {}; "
     "float c[1][4] = {}; ap_wgmma_begin(c, a); "
     "ap_wgmma_f16(c, 0, 0, 0, 0, ap_shared(), 256); ap_wgmma_end(c); "
     "ap_barrier(); if (t == 3) { s[9] = 1; }",
     "of shared memory"},
    {"AWriteAfterAWgmma", 128, 1,
     "if (t < 64) { s[t] = 0; } ap_barrier(); u32 a[4] = {}; "
     "float c[1][4] = {}; ap_wgmma_begin(c, a); "
     "ap_wgmma_f16(c, 0, 0, 0, 0, ap_shared(), 256); ap_wgmma_end(c); "
     "if (t == 3) { s[9] = 1; }",
     "if (t < 64) { s[t] = 0; } ap_barrier(); u32 a[4] = {}; "
     "float c[1][4] = {}; ap_wgmma_begin(c, a); "
     "ap_wgmma_f16(c, 0, 0, 0, 0, ap_shared(), 256); ap_wgmma_end(c); "
     "if (t == 3) { y[9] = 1; }",
     "of shared memory"},
    // The last block to reach the counter adds what both have written.
    {"FenceBeforeTheCounter", 64, 2,
     "y[32 * block + t % 32] = t % 32; ap_barrier(); "
     "if (t == 0 && ap_atomic_add(counter, 1) == 1) { ap_fence(); "
     "y[0] = y[5] + y[32]; }",
     "if (t < 32) { y[32 * block + t] = t; } ap_fence(); ap_barrier(); "
     "if (t == 0 && ap_atomic_add(counter, 1) == 1) { ap_fence(); "
     "y[0] = y[5] + y[32]; *counter = 0; }",
     "of 'y'"},
    {"FenceAfterTheCounter", 64, 2,
     "if (t < 32) { y[32 * block + t] = t; } ap_fence(); ap_barrier(); "
     "if (t == 0) { s[0] = ap_atomic_add(counter, 1); } ap_barrier(); "
     "if (s[0] == 1 && t == 9) { y[0] = y[5] + y[32]; }",
     "if (t < 32) { y[32 * block + t] = t; } ap_fence(); ap_barrier(); "
     "if (t == 0) { s[0] = ap_atomic_add(counter, 1); } ap_barrier(); "
     "ap_fence(); if (s[0] == 1 && t == 9) { y[0] = y[5] + y[32]; }",
     "of 'y'"},
    // In the bad kernel, the second counter is in shared memory. Each block
    // thus has its own, which does not order the two blocks' accesses to `y`.
    {"CountersOfTwoBlocksInSharedMemory", 32, 2,
     "if (t == 0) { if (ap_atomic_add(counter, 1) == 0) { y[0] = 1; "
     "ap_fence(); ap_atomic_add((u32 *)s, 1); } else { "
     "ap_atomic_add((u32 *)s, 1); ap_fence(); y[1] = y[0]; } }",
     "if (t == 0) { if (ap_atomic_add(counter, 1) == 0) { y[0] = 1; "
     "ap_fence(); ap_atomic_add(counter, 1); } else { "
     "ap_atomic_add(counter, 1); ap_fence(); y[1] = y[0]; } }",
     "of 'y'"},
};

TEST(Emulator, FindsRaces) {
  std::vector<std::string> bodies;
  for (const Racy &one : kRacy) {
    bodies.emplace_back(one.bad);
    bodies.emplace_back(one.good);
  }
  const Result<Library> library = compileBodies(bodies);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  size_t next = 0;
  for (const Racy &one : kRacy) {
    SCOPED_TRACE(one.name);
    const Status bad = findRaces(*library, next++, one.threads, one.blocks);
    EXPECT_EQ(bad.code(), ErrorCode::VerificationFailed) << bad.message();
    EXPECT_NE(bad.message().find("race in kernel probe"), std::string::npos)
        << bad.message();
    EXPECT_NE(bad.message().find(one.where), std::string::npos)
        << bad.message();
    const Status good = findRaces(*library, next++, one.threads, one.blocks);
    EXPECT_TRUE(good.isOk()) << good.message();
  }
}

TEST(Emulator, ARaceIsNamed) {
  const Result<Library> library =
      compileBodies({"if (t == 40) { s[2] = 1; } ap_warp_barrier(); "
                     "if (t == 5) { y[0] = s[2]; }",
                     "if (t == 3 + block) { y[2] = 1; }"});
  ASSERT_TRUE(library.isOk()) << library.status().message();
  EXPECT_EQ(findRaces(*library, 0, 64, 1).message(),
            "block (0, 0), thread 5: race in kernel probe0, byte 8 of shared "
            "memory: it reads what thread 40 has written, and nothing orders "
            "the two accesses");
  EXPECT_EQ(findRaces(*library, 1, 32, 2).message(),
            "block (1, 0), thread 4: race in kernel probe1, byte 8 of 'y': it "
            "writes what thread 3 of block (0, 0) has written, and nothing "
            "orders the two accesses");
}

TEST(Emulator, ABlockMayNotEndDuringABulkCopy) {
  alignas(16) float x[4] = {};
  float y = 0;
  const Status status =
      runBody("u64 *b = (u64 *)ap_shared(); if (ap_thread() == 0) { "
              "ap_transfer_init(b); ap_transfer(ap_shared() + 64, x, 16, b); }",
              {&y, x});
  EXPECT_EQ(status.code(), ErrorCode::VerificationFailed);
  EXPECT_NE(status.message().find("while a bulk copy is in flight, to byte 64"),
            std::string::npos)
      << status.message();
}

} // namespace
} // namespace air::emulator
