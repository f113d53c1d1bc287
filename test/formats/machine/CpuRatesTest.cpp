//===- CpuRatesTest.cpp - the rates of a profile, and their JSON ----------===//
#include "formats/machine/MachineProfile.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using ::testing::HasSubstr;

namespace {

/// A profile of one core whose object "cpu" has the given contents.
std::string withCpu(const std::string &contents) {
  return R"({"name": "box", "arch": "x86_64", "cores": 1, "cpu": {)" +
         contents + "}}";
}

std::string withStreams(const std::string &streams) {
  return withCpu("\"streams\": [" + streams + "]");
}

} // namespace

// The times of each case are computed by hand.
TEST(PassTime, DiskAndCoresSlowEachOtherDown) {
  const KeptShares kept = {.disk = 0.5, .memory = 0.8};
  // While the cores are busy, the disk takes 20 / 0.5 = 40 units of time. In
  // this time, the cores do 40 * 0.8 = 32 of their 40 units of work, so they
  // need another 8.
  EXPECT_DOUBLE_EQ(passTime(40, 20, kept), 48);
  // While the disk is read, the cores take 16 / 0.8 = 20 units of time. In this
  // time, the disk does 20 * 0.5 = 10 of its 40 units of work, so it needs
  // another 30.
  EXPECT_DOUBLE_EQ(passTime(16, 40, kept), 50);
  // The cores take 32 / 0.8 and the disk takes 20 / 0.5 units of time. Both are
  // 40, so neither of the two ever runs alone.
  EXPECT_DOUBLE_EQ(passTime(32, 20, kept), 40);
  EXPECT_NEAR(passTime(32 + 1e-9, 20, kept), 40, 1e-8);
  EXPECT_NEAR(passTime(32 - 1e-9, 20, kept), 40, 1e-8);
  // If only one of the two has work, the cores or the disk, its rate is not
  // reduced.
  EXPECT_DOUBLE_EQ(passTime(7, 0, kept), 7);
  EXPECT_DOUBLE_EQ(passTime(0, 7, kept), 7);
  // If cores and disk do not slow each other down, the longer time counts.
  EXPECT_DOUBLE_EQ(passTime(7, 5, {.disk = 1, .memory = 1}), 7);
  EXPECT_DOUBLE_EQ(passTime(5, 7, {.disk = 1, .memory = 1}), 7);
}

// A model of 1.3 GB on two cores of Zen 4. Each pass reads 113 MB from the
// disk. A pass takes 35 ms if nothing is read from the disk, and the disk alone
// takes 32 ms. When both are busy, the disk reads 1.6 to 2.2 instead of 3.5
// GB/s, and the cores 26.9 instead of 34.5 GB/s. Passes took 52 to 57 ms.
TEST(PassTime, PredictsAMeasuredPass) {
  const KeptShares kept = {.disk = keptShare(1'900'000'000, 3'500'000'000),
                           .memory = keptShare(26'900'000'000, 34'500'000'000)};
  const double time = passTime(35, 32, kept);
  EXPECT_GT(time, 52);
  EXPECT_LT(time, 57);
}

TEST(PassTime, IsNeverShorterThanEither) {
  for (double disk : {0.1, 0.4, 5.0 / 6, 1.0}) {
    for (double memory : {0.1, 0.4, 5.0 / 6, 1.0}) {
      for (int cores = 0; cores <= 20; ++cores) {
        EXPECT_GE(passTime(cores, 10, {disk, memory}), std::max(cores, 10));
      }
    }
  }
}

TEST(PassTime, WithoutRatesAddsAFifthOfTheShorterTime) {
  EXPECT_DOUBLE_EQ(passTime(100, 200, KeptShares()), 220);
  EXPECT_DOUBLE_EQ(passTime(130, 120, KeptShares()), 154);
  EXPECT_DOUBLE_EQ(passTime(10, 10, KeptShares()), 12);
  const MachineProfile unknown;
  EXPECT_EQ(keptShares(unknown), KeptShares());
}

TEST(KeptShares, AreRatiosOfTheProfilesRates) {
  MachineProfile profile;
  profile.diskBandwidth = 3'000;
  profile.diskBeside = 1'500;
  profile.memoryBandwidth = 40'000;
  profile.memoryBeside = 30'000;
  EXPECT_EQ(keptShares(profile), (KeptShares{0.5, 0.75}));
  // If the full rate of the disk is unknown, the disk's share is 5/6, the
  // default in KeptShares. The share of memory does not depend on the disk.
  profile.diskBandwidth = 0;
  EXPECT_EQ(keptShares(profile), (KeptShares{5.0 / 6, 0.75}));
  EXPECT_DOUBLE_EQ(keptShare(0, 10), 5.0 / 6);
  EXPECT_DOUBLE_EQ(keptShare(11, 10), 1);
  EXPECT_DOUBLE_EQ(keptShare(1, 11), 0.1);
}

TEST(CpuRates, JsonIsAsDocumented) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.cpu = {.fmaF32 = 1,
                 .byteDot = 2,
                 .byteDotMixed = 3,
                 .bf16Dot = 4,
                 .readBandwidth = 5,
                 .streams = {{StreamLoads::Burst, StreamHint::T0, 4096, 6}},
                 .tileNs = 7,
                 .barrierNs = 8,
                 .l1dBytes = 9,
                 .l2Bytes = 10,
                 .l3Bytes = 11,
                 .planesDecode = 12,
                 .zstdDecode = 13,
                 .bf16Tile = 14,
                 .byteTile = 15};
  const std::string json = toJson(profile);
  EXPECT_THAT(json, HasSubstr("  \"measured\": false,\n"
                              "  \"cpu\": {\n"
                              "    \"fma_f32\": 1,\n"
                              "    \"byte_dot\": 2,\n"
                              "    \"byte_dot_mixed\": 3,\n"
                              "    \"bf16_dot\": 4,\n"
                              "    \"read_bandwidth\": 5,\n"
                              "    \"streams\": [\n"
                              "      {\n"
                              "        \"loads\": \"burst\",\n"
                              "        \"hint\": \"t0\",\n"
                              "        \"distance_bytes\": 4096,\n"
                              "        \"bandwidth\": 6\n"
                              "      }\n"
                              "    ],\n"
                              "    \"tile_ns\": 7,\n"
                              "    \"barrier_ns\": 8,\n"
                              "    \"l1d_bytes\": 9,\n"
                              "    \"l2_bytes\": 10,\n"
                              "    \"l3_bytes\": 11,\n"
                              "    \"planes_decode\": 12,\n"
                              "    \"zstd_decode\": 13,\n"
                              "    \"bf16_tile\": 14,\n"
                              "    \"byte_tile\": 15\n"
                              "  }\n"
                              "}\n"));
  Result<MachineProfile> back = parseProfile(json, "box.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, profile);
}

TEST(CpuRates, UnknownRatesOfDecodingAndOfTilesAreNotWritten) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.cpu.zstdDecode = 13;
  profile.cpu.byteTile = 15;
  const std::string json = toJson(profile);
  EXPECT_THAT(json, HasSubstr("\"l3_bytes\": 0,\n    \"zstd_decode\": 13,\n"
                              "    \"byte_tile\": 15\n"));
  EXPECT_EQ(*parseProfile(json, "box.json"), profile);
}

TEST(CpuRates, NothingKnownIsNotWritten) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  EXPECT_THAT(toJson(profile), ::testing::Not(HasSubstr("cpu")));
  Result<MachineProfile> empty = parseProfile(withCpu(""), "box.json");
  ASSERT_TRUE(empty) << empty.status().message();
  EXPECT_EQ(empty->cpu, CpuRates{});
}

TEST(CpuRates, TheSecondPrefetchesAreNearer) {
  EXPECT_EQ(nearDistance(64), 0U);
  EXPECT_EQ(nearDistance(1024), 512U);
  EXPECT_EQ(nearDistance(4160), 2048U);
  EXPECT_EQ(nearDistance(9216), 4096U);
  EXPECT_EQ(streamHintOf("t1t0"), StreamHint::T1T0);
  EXPECT_EQ(streamHintName(kLastStreamHint), "t1t0");
  EXPECT_EQ(streamHintName(static_cast<StreamHint>(6)), "");
}

TEST(CpuRates, StreamsAreSorted) {
  const auto profile =
      parseProfile(withStreams(R"({"loads": "two_streams", "hint": "none",
                      "distance_bytes": 0, "bandwidth": 1},
                     {"loads": "single", "hint": "t2",
                      "distance_bytes": 8192, "bandwidth": 2},
                     {"loads": "single", "hint": "t2",
                      "distance_bytes": 1024, "bandwidth": 3},
                     {"loads": "single", "hint": "nta",
                      "distance_bytes": 1048576, "bandwidth": 4})"),
                   "box.json");
  ASSERT_TRUE(profile) << profile.status().message();
  const std::vector<StreamRate> sorted = {
      {StreamLoads::Single, StreamHint::Nta, 1048576, 4},
      {StreamLoads::Single, StreamHint::T2, 1024, 3},
      {StreamLoads::Single, StreamHint::T2, 8192, 2},
      {StreamLoads::TwoStreams, StreamHint::None, 0, 1}};
  EXPECT_EQ(profile->cpu.streams, sorted);
}

TEST(CpuRates, BadFilesNameTheField) {
  const std::string good = R"({"loads": "burst", "hint": "t0",
                               "distance_bytes": 64, "bandwidth": 1})";
  std::string many = good;
  for (int i = 0; i < 256; ++i) {
    many += "," + good;
  }
  const struct {
    std::string json;
    const char *message;
  } cases[] = {
      {R"({"arch": "x86_64", "cores": 1, "cpu": 3})",
       "field 'cpu' is 3; it must be an object"},
      {R"({"arch": "x86_64", "cores": 1, "cpu": []})",
       "field 'cpu' is an array; it must be an object"},
      {withCpu(R"("fma_f23": 1)"),
       "field 'cpu.fma_f23' is not known; the fields of the object are "
       "fma_f32, byte_dot, "
       "byte_dot_mixed, bf16_dot, read_bandwidth, streams, tile_ns, "
       "barrier_ns, l1d_bytes, l2_bytes, l3_bytes, planes_decode, "
       "zstd_decode, bf16_tile and byte_tile"},
      {withCpu(R"("byte_dot": -1)"), "field 'cpu.byte_dot' is -1"},
      {withCpu(R"("byte_dot": 1.5)"), "field 'cpu.byte_dot' is 1.5"},
      {withCpu(R"("bf16_tile": -1)"), "field 'cpu.bf16_tile' is -1"},
      {withCpu(R"("l3_bytes": 9223372036854775808)"),
       "it must be a whole number from 0 to 9223372036854775807"},
      {withCpu(R"("tile_ns": 1, "tile_ns": 2)"),
       "field 'tile_ns' appears twice"},
      {withCpu(R"("streams": {})"),
       "field 'cpu.streams' is an object; it must be an array"},
      {withStreams("7"), "field 'cpu.streams[0]' is 7; it must be an object"},
      {withStreams(good + ", []"),
       "field 'cpu.streams[1]' is an array; it must be an object"},
      {withStreams(R"({"loads": "burst", "hint": "t0",
                       "distance_bytes": 64})"),
       "field 'cpu.streams[0].bandwidth' is missing"},
      {withStreams(R"({"loads": "burst", "hint": "t0", "hint": "t0",
                       "distance_bytes": 64, "bandwidth": 1})"),
       "field 'hint' appears twice"},
      {withStreams(R"({"loads": "burst", "hint": "t0", "distance_bytes": 64,
                       "bandwidth": 1, "rate": 1})"),
       "field 'cpu.streams[0].rate' is not known; the fields of a stream are "
       "loads"},
      {withStreams(R"({"loads": "bursts", "hint": "t0",
                       "distance_bytes": 64, "bandwidth": 1})"),
       "field 'cpu.streams[0].loads' is \"bursts\"; it must be single, burst "
       "or two_streams"},
      {withStreams(R"({"loads": "burst", "hint": 0, "distance_bytes": 64,
                       "bandwidth": 1})"),
       "field 'cpu.streams[0].hint' is 0; it must be a string"},
      {withStreams(R"({"loads": "burst", "hint": "t3",
                       "distance_bytes": 64, "bandwidth": 1})"),
       "field 'cpu.streams[0].hint' is \"t3\"; it must be none, nta, t0, t1, "
       "t2 "
       "or t1t0"},
      {withStreams(R"({"loads": "burst", "hint": "none",
                       "distance_bytes": 64, "bandwidth": 1})"),
       "field 'cpu.streams[0].distance_bytes' is 64; it must be a whole number "
       "from 0 to 0"},
      {withStreams(R"({"loads": "burst", "hint": "t0",
                       "distance_bytes": 0, "bandwidth": 1})"),
       "it must be a whole number from 1 to 1048576"},
      {withStreams(good + "," + good),
       "field 'cpu.streams' has two streams with the loads 'burst', the hint "
       "'t0' and the distance 64"},
      {withStreams(many),
       "field 'cpu.streams' has 257 streams; at most 256 are allowed"},
  };
  for (const auto &bad : cases) {
    const Status status = parseProfile(bad.json, "m.json").status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << bad.json;
    EXPECT_THAT(status.message(), HasSubstr("'m.json'"));
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
  // A key that appears in two different objects does not count as repeated.
  EXPECT_TRUE(parseProfile(withStreams(good + R"(, {"loads": "single",
                  "hint": "t0", "distance_bytes": 64, "bandwidth": 1})"),
                           "m.json"));
}
