//===- ProbeReportTest.cpp - what a probe measured, for people ------------===//
#include "tools/airrun/ProbeReport.h"

#include <gtest/gtest.h>

using namespace air;

TEST(ProbeReport, HasRatesAndShares) {
  MachineProfile profile;
  profile.cores = 2;
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
      .l2Bytes = 2097152};
  EXPECT_EQ(probeReport(profile, "a CPU\n"),
            "CPU        a CPU\\x0a, 2 cores\n"
            "caches     L1d 48.00 KiB, L2 2.00 MiB, L3 0 B\n"
            "\n"
            "arithmetic of one core       Gop/s   share\n"
            "  fma_f32                     100.0    0.25\n"
            "  byte_dot                    400.0    1.00\n"
            "  byte_dot_mixed              200.0    0.50\n"
            "  bf16_dot                        -       -\n"
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
