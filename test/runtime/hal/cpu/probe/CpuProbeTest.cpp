//===- CpuProbeTest.cpp - the measured rates make a profile ---------------===//
#include "runtime/hal/cpu/probe/CpuProbe.h"

#include "formats/machine/MachineProfile.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace air;
using namespace air::rt;

TEST(CpuProbe, MeasuresWhatTheHostHas) {
  MachineProfile host = hostProfile();
  CpuProbeOptions options;
  options.threads = 5;
  options.memoryBytes = host.memoryBytes;
  options.features = host.features;
  options.seconds = 0;
  Result<CpuProbeResult> probed = probeCpu(options);
  ASSERT_TRUE(probed) << probed.status().message();
  const CpuRates &rates = probed->rates;
  // Rates are operations or bytes per second. CPUs of the 1990s reached 1e7,
  // and 1e13 is about ten times the highest rate of a current core.
  const auto isRate = [](uint64_t rate) { return rate > 1e7 && rate < 1e13; };
  EXPECT_TRUE(isRate(rates.fmaF32)) << rates.fmaF32;
  EXPECT_TRUE(isRate(rates.byteDot)) << rates.byteDot;
  EXPECT_TRUE(isRate(rates.byteDotMixed)) << rates.byteDotMixed;
  EXPECT_TRUE(isRate(rates.planesDecode)) << rates.planesDecode;
  EXPECT_TRUE(isRate(rates.zstdDecode)) << rates.zstdDecode;
  EXPECT_TRUE(isRate(rates.readBandwidth)) << rates.readBandwidth;
  EXPECT_TRUE(isRate(probed->memoryBandwidth)) << probed->memoryBandwidth;
  // Tile registers multiply up to 32 times as fast as vectors.
  const auto has = [&](const char *feature) {
    return std::ranges::count(host.features, feature) != 0;
  };
  EXPECT_EQ(rates.bf16Tile != 0, has("amx-bf16"));
  EXPECT_EQ(rates.byteTile != 0, has("amx-int8"));
  EXPECT_LT(rates.bf16Tile, 100'000'000'000'000u);
  EXPECT_LT(rates.byteTile, 100'000'000'000'000u);
  EXPECT_TRUE(rates.bf16Tile == 0 || rates.bf16Tile > rates.bf16Dot)
      << rates.bf16Tile << " " << rates.bf16Dot;
  EXPECT_TRUE(rates.byteTile == 0 || rates.byteTile > rates.byteDot)
      << rates.byteTile << " " << rates.byteDot;
  EXPECT_LT(rates.tileNs, 1'000'000u);
  EXPECT_LT(rates.barrierNs, 1'000'000'000u);
  // Loads in three orders are measured, each order without prefetches and with
  // each of five prefetch hints at each of four distances.
  EXPECT_EQ(rates.streams.size(), 3u * (1 + 5 * 4));
  for (const StreamRate &stream : rates.streams) {
    EXPECT_TRUE(isRate(stream.bandwidth))
        << streamLoadsName(stream.loads) << streamHintName(stream.hint);
  }
  ASSERT_EQ(probed->memoryCurve.size(), 5u);
  const uint32_t counts[] = {1, 2, 3, 4, 5};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(probed->memoryCurve[i].threads, counts[i]);
    EXPECT_TRUE(isRate(probed->memoryCurve[i].bandwidth));
  }
  EXPECT_EQ(probed->memoryCurve.front().bandwidth, rates.readBandwidth);
  EXPECT_EQ(probed->memoryCurve.back().bandwidth, probed->memoryBandwidth);
  // The parser refuses invalid rates and sorts the streams. The profile must be
  // valid and already sorted, so the parser must return it unchanged.
  host.cpu = rates;
  host.cores = 5;
  host.memoryCurve = probed->memoryCurve;
  Result<MachineProfile> back = parseProfile(toJson(host), "host.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, host);
}

TEST(CpuProbe, RefusesAMachineThatIsTooSmall) {
  CpuProbeOptions options;
  options.memoryBytes = 1 << 20;
  const Status status = probeCpu(options).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
}
