//===- ProbeReportTest.cpp - what a probe measured, for people ------------===//
#include "tools/airrun/ProbeReport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

using namespace air;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(ProbeReport, HasRatesAndShares) {
  MachineProfile profile;
  profile.cores = 2;
  profile.memoryBytes = uint64_t{16} << 30;
  profile.memoryBandwidth = 50'000'000'000;
  profile.cpu = {
      .fmaF32 = 100'000'000'000,
      .byteDot = 400'000'000'000,
      .byteDotMixed = 200'000'000'000,
      .readBandwidth = 20'000'000'000,
      .streams = {{StreamLoads::Single, StreamHint::None, 0, 40'000'000'000},
                  {StreamLoads::Burst, StreamHint::T1, 4096, 45'500'000'000}},
      .tileNs = 850,
      .barrierNs = 1200,
      .l1dBytes = 49152,
      .l2Bytes = 2097152,
      .planesDecode = 4'560'000'000,
      .bf16Tile = 3'072'000'000'000};
  EXPECT_EQ(probeReport(profile, "a CPU\n"),
            "CPU        a CPU\\x0a, 2 cores\n"
            "caches     L1d 48.00 KiB, L2 2.00 MiB, L3 0 B\n"
            "memory     16.00 GiB\n"
            "\n"
            "arithmetic of one core       Gop/s   share\n"
            "  fma_f32                     100.0    0.25\n"
            "  byte_dot                    400.0    1.00\n"
            "  byte_dot_mixed              200.0    0.50\n"
            "  bf16_dot                        -       -\n"
            "  bf16_tile                  3072.0    7.68\n"
            "  byte_tile                       -       -\n"
            "\n"
            "decoding weights on one core  GB/s\n"
            "  planes                       4.56\n"
            "  zstd                            -\n"
            "\n"
            "reading memory                GB/s   share\n"
            "  all cores                    50.0    1.00\n"
            "  one core                     20.0    0.40\n"
            "\n"
            "streams of all cores, GB/s and share\n"
            "  prefetch                       single          burst    "
            "two_streams\n"
            "  none                       40.0  0.80        -     -        -   "
            "  -\n"
            "  t1, 4096 B ahead              -     -     45.5  0.91        -   "
            "  -\n"
            "\n"
            "a new tile 0.85 us, a barrier 1.20 us\n");
}

TEST(ProbeReport, HasLimitsThreadsAndTheDisk) {
  MachineProfile profile;
  profile.cores = 4;
  profile.memoryBytes = uint64_t{3} << 30;
  profile.memoryLimit = uint64_t{3} << 30;
  profile.memlockLimit = uint64_t{8} << 20;
  profile.memoryBandwidth = 40'000'000'000;
  profile.cpu.readBandwidth = 20'000'000'000;
  profile.memoryCurve = {{1, 20'000'000'000},
                         {2, 30'000'000'000},
                         {3, 38'000'000'000},
                         {4, 40'000'000'000}};
  profile.diskCurve = {{IoMethod::Uring, 1 << 20, 1, true, 1'500'000'000},
                       {IoMethod::Uring, 1 << 20, 2, true, 2'000'000'000},
                       {IoMethod::Uring, 2 << 20, 2, true, 2'010'000'000},
                       {IoMethod::Buffered, 1 << 18, 1, false, 750'000'000}};
  profile.diskRings = {{uint64_t{8} << 20, 2'100'000'000},
                       {uint64_t{64} << 20, 1'400'000'000}};
  profile.diskBandwidth = 2'000'000'000;
  profile.diskBeside = 1'200'000'000;
  profile.memoryBeside = 30'000'000'000;
  const std::string report = probeReport(profile, "a CPU");
  EXPECT_THAT(report, HasSubstr("memory     3.00 GiB, which a cgroup limits to "
                                "3.00 GiB, 8.00 MiB may be locked\n"));
  EXPECT_THAT(report,
              HasSubstr("  all cores                    40.0    1.00\n"
                        "  3 cores                      38.0    0.95\n"
                        "  2 cores                      30.0    0.75\n"
                        "  one core                     20.0    0.50\n"));
  EXPECT_THAT(
      report,
      EndsWith("\nreading the disk, GB/s              depth 1  depth 2\n"
               "  uring, 1.00 MiB, huge pages          1.50     2.00\n"
               "  uring, 2.00 MiB, huge pages             -     2.01\n"
               "  buffered, 256.00 KiB, 4 KiB pages     0.75        -\n"
               "chosen for models: uring, 1.00 MiB, huge pages, depth 2, 2.00 "
               "GB/s\n"
               "to a ring of 8.00 MiB: 2.10, 64.00 MiB: 1.40 GB/s\n"
               "while all cores read memory: disk 1.20 GB/s (share 0.60), "
               "memory 30.0 GB/s (share 0.75)\n"));
}

TEST(ProbeReport, MemoryMayBeWithoutLimits) {
  MachineProfile profile;
  profile.memoryBytes = uint64_t{3} << 30;
  profile.memlockLimit = INT64_MAX;
  EXPECT_THAT(probeReport(profile, "a CPU"),
              HasSubstr("memory     3.00 GiB, all of it may be locked\n"));
}

TEST(ProbeReport, HasATableForEachGpu) {
  EXPECT_EQ(gpuReport({}), "");
  rt::GpuProbeResult first;
  first.facts.name = "NVIDIA GeForce RTX 3060\n";
  first.facts.capability = 86;
  first.facts.multiprocessors = 28;
  first.facts.totalBytes = uint64_t{12} << 30;
  first.facts.freeBytes = uint64_t{11} << 30;
  first.bestBandwidth = 330'000'000'000;
  first.medianBandwidth = 328'400'000'000;
  first.copies = {
      {65536, 9'360'000'000, 8'000'000'000, 7'000, 8'200},
      {uint64_t{4} << 20, 25'000'000'000, 24'000'000'000, 168'000, 175'040}};
  rt::GpuProbeResult second;
  second.facts.ordinal = 1;
  second.facts.name = "Tesla V100";
  second.facts.capability = 70;
  EXPECT_THAT(
      gpuReport(std::vector{first, second}),
      HasSubstr(
          "\nGPU 0      NVIDIA GeForce RTX 3060\\x0a, compute capability 8.6, "
          "28 multiprocessors\n"
          "kernels    sm_86\n"
          "VRAM       12.00 GiB, 11.00 GiB of it free\n"
          "reading and writing VRAM: at best 330.0 GB/s, median 328.4 GB/s\n"
          "copies from and to page-locked RAM\n"
          "                   to the GPU               to RAM\n"
          "  each of          GB/s  one alone, us      GB/s  one alone, us\n"
          "  64.00 KiB        9.36            7.0      8.00            8.2\n"
          "  4.00 MiB        25.00          168.0     24.00          175.0\n"
          "\nGPU 1      Tesla V100, compute capability 7.0, 0 "
          "multiprocessors\n"
          "kernels    none\n"));
}
