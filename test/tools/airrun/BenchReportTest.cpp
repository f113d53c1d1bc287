//===- BenchReportTest.cpp - rates, and the bound on them -----------------===//
#include "tools/airrun/BenchReport.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace air;

namespace {

BenchMeasurement example() {
  BenchMeasurement measured;
  measured.threads = 4;
  measured.rounds = 3;
  measured.prefillTokens = 100;
  measured.prefillSeconds = 0.5;
  measured.prefillFlops = 2e9;
  measured.decodeTokens = 10;
  measured.decodeSeconds = 2;
  measured.tokenSeconds = {0.1, 0.2, 0.2, 0.5};
  measured.links = {{"dram", 4e9, 5e9, 40e9, 32e9}};
  measured.peakRssBytes = 123;
  measured.firstTokenSeconds = 0.75;
  measured.firstTokenWarmSeconds = 0.25;
  return measured;
}

TEST(BenchReport, RatesAreWhatTheyAreDefinedAs) {
  Result<BenchReport> report = evaluate(example());
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_DOUBLE_EQ(report->prefillRate, 200);
  EXPECT_DOUBLE_EQ(report->decodeRate, 5);
  EXPECT_DOUBLE_EQ(report->boundRate, 10);
  EXPECT_DOUBLE_EQ(report->predictedRate, 0) << "the plan predicts nothing";
  EXPECT_DOUBLE_EQ(report->beta, 0.8);
  EXPECT_DOUBLE_EQ(report->eta, 0.5);
  EXPECT_DOUBLE_EQ(report->links[0].rate, 25e9);
  EXPECT_DOUBLE_EQ(report->links[0].share, 0.625);
}

TEST(BenchReport, TheSlowestLinkSetsThePrediction) {
  BenchMeasurement measured = example();
  // The limit of memory allows 10 tokens/s, and the limit of the disk allows 8.
  measured.links.push_back({"disk", 0.25e9, 0.25e9, 2e9});
  measured.streaming.emplace();
  measured.streaming->method = "uring";
  measured.streaming->bytesPerPass = 250'000'000;
  measured.planRate = 7;
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_EQ(report->limitedBy, "disk");
  EXPECT_DOUBLE_EQ(report->boundRate, 8);
  EXPECT_DOUBLE_EQ(report->eta, 0.625);
  EXPECT_DOUBLE_EQ(report->beta, 0.8);
  EXPECT_DOUBLE_EQ(report->links[1].share, 0.625);
  nlohmann::json json =
      nlohmann::json::parse(benchJson(measured, *report), nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << benchJson(measured, *report);
  EXPECT_EQ(json["decode"]["limited_by"], "disk");
  EXPECT_EQ(json["decode"]["plan_predicted_tok_s"], 7);
  EXPECT_EQ(json["links"][1]["name"], "disk");
  EXPECT_EQ(json["streaming"]["io"], "uring");
  EXPECT_EQ(json["streaming"]["bytes_per_pass"], 250'000'000);
  // A rate above the limit of the disk is an error, as it is for memory.
  measured.links[1].limitPerSecond = 1e9;
  EXPECT_EQ(evaluate(measured).status().code(), ErrorCode::Internal);
}

TEST(BenchReport, ThePlansPredictionAtTheMeasuredRates) {
  BenchMeasurement measured = example();
  measured.links[0].usualPerSecond = 40e9;
  measured.links[0].limitPerSecond = 44e9;
  measured.links.push_back({"disk", 0.25e9, 0.25e9, 2.5e9, 2e9});
  // The prediction uses the usual rates, not the limits. Reading 8 GB at 40
  // GB/s takes 200 ms. A quarter of the 50 ms of arithmetic is not hidden, so
  // the cores take 212.5 ms. The disk takes 150 ms for 0.3 GB at 2 GB/s. A
  // fifth of the shorter time is added to the longer one.
  measured.planLinks = {{"dram", 8e9, 50e9, 0},
                        {"cpu", 0.5e9, 5e9, 10e9},
                        {"disk", 0.3e9, 3e9, 0}};
  rateFromLinks(measured);
  EXPECT_DOUBLE_EQ(measured.planLinks[0].measuredRate, 40e9);
  EXPECT_DOUBLE_EQ(measured.planLinks[1].measuredRate, 10e9);
  EXPECT_DOUBLE_EQ(measured.planLinks[2].measuredRate, 2e9);
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_DOUBLE_EQ(report->predictedRate, 1 / 0.2425);
  const nlohmann::json json =
      nlohmann::json::parse(benchJson(measured, *report, "\"more\": 1,\n "));
  EXPECT_NEAR(json["decode"]["predicted_tok_s"], 1 / 0.2425, 1e-4);
  EXPECT_EQ(json["prediction"][1]["name"], "cpu");
  EXPECT_EQ(json["prediction"][1]["plan_gb_s"], 5);
  EXPECT_EQ(json["prediction"][1]["measured_gb_s"], 10);
  EXPECT_EQ(json["more"], 1);
  EXPECT_NE(benchText(measured, *report).find("4.12 tok/s predicted"),
            std::string::npos);
  // At 1 GB/s, the disk takes 300 ms, which is now the longer time. A fifth of
  // the 212.5 ms of the cores is added to it.
  measured.planLinks[2].measuredRate = 1e9;
  EXPECT_DOUBLE_EQ(evaluate(measured)->predictedRate, 1 / 0.3425);
  measured.planLinks[1].measuredRate = 0;
  EXPECT_DOUBLE_EQ(evaluate(measured)->predictedRate, 0);
}

// jointRate is computed from the links' minimalBytesPerToken and
// usualPerSecond. The latter is a median of measured rates, so the rate of
// decoding can exceed jointRate.
TEST(BenchReport, TheSpeedOfDiskAndCoresTogether) {
  BenchMeasurement measured = example();
  EXPECT_EQ(evaluate(measured)->jointRate, 0) << "nothing is streamed";
  EXPECT_EQ(benchJson(measured, *evaluate(measured)).find("joint"),
            std::string::npos);
  // Alone, memory takes 100 ms and the disk takes 125 ms.
  measured.links.push_back({"disk", 0.25e9, 0.5e9, 4e9});
  measured.links[0].usualPerSecond = 40e9;
  measured.links[1].limitPerSecond = 2.5e9;
  measured.links[1].usualPerSecond = 2.5e9;
  measured.links[1].minimalBytesPerToken = 2.5e9 * 0.125;
  measured.kept = {.disk = 0.5, .memory = 0.8};
  measured.planLinks = {{"dram", 4e9, 50e9, 0}, {"disk", 0.375e9, 3e9, 0}};
  rateFromLinks(measured);
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_EQ(report->limitedBy, "disk");
  EXPECT_DOUBLE_EQ(report->boundRate, 8);
  EXPECT_DOUBLE_EQ(report->eta, 5.0 / 8);
  // Memory keeps 0.8 of its rate while the disk is read, so it takes 100 / 0.8
  // = 125 ms. In this time, the disk keeps half of its rate and reads half of
  // its bytes. At its full rate, it reads the other half in 62.5 ms.
  EXPECT_DOUBLE_EQ(report->jointRate, 1 / 0.1875);
  EXPECT_DOUBLE_EQ(report->jointEta, 5 * 0.1875);
  // According to the plan, a token needs 375 MB from the disk. While memory is
  // read for 125 ms, the disk reads 156.25 MB at half of its rate, 1.25 GB/s.
  // It then reads the other 218.75 MB at 2.5 GB/s, which takes 87.5 ms.
  EXPECT_DOUBLE_EQ(report->predictedRate, 1 / 0.2125);
  const nlohmann::json json =
      nlohmann::json::parse(benchJson(measured, *report));
  EXPECT_NEAR(json["decode"]["joint_tok_s"], 1 / 0.1875, 1e-4);
  EXPECT_NEAR(json["decode"]["joint_eta"], 0.9375, 1e-4);
  EXPECT_EQ(json["decode"]["disk_keeps"], 0.5);
  EXPECT_EQ(json["decode"]["memory_keeps"], 0.8);
  EXPECT_NE(
      benchText(measured, *report)
          .find("of 5.33 tok/s that disk and cores reach together (joint "
                "eta 0.94); while both are read, the disk keeps 0.50 of its "
                "rate and memory 0.80 (from the plan)\n"),
      std::string::npos)
      << benchText(measured, *report);
  measured.isKeptMeasured = true;
  EXPECT_NE(benchText(measured, *report).find("memory 0.80 (measured)\n"),
            std::string::npos);
  measured.kept = {.disk = 0.1, .memory = 0.1};
  EXPECT_GT(evaluate(measured)->jointEta, 1.1);
  // Without the rate of memory, the joint rate of memory and disk is not known.
  measured.links.erase(measured.links.begin());
  EXPECT_EQ(evaluate(measured)->jointRate, 0);
}

// Copies to a GPU overlap with everything else, but can limit the rate by
// themselves.
TEST(BenchReport, CopiesToAGpuAreALink) {
  BenchMeasurement measured = example();
  measured.gpu = "rtx3060";
  measured.links = {{"vram", 4e9, 4e9, 40e9, 40e9},
                    {"pcie", 2e9, 2e9, 12e9, 12e9}};
  measured.planLinks = {{"vram", 4e9, 50e9, 0}, {"pcie", 2e9, 25e9, 0}};
  rateFromLinks(measured);
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_EQ(report->limitedBy, "pcie");
  EXPECT_DOUBLE_EQ(report->boundRate, 6);
  EXPECT_DOUBLE_EQ(report->predictedRate, 6);
  const std::string text = benchText(measured, *report);
  EXPECT_NE(text.find("pcie     2000.0 MB per token, 10.00 GB/s of 12.00 GB/s"),
            std::string::npos)
      << text;
  measured.planLinks[1].bytesPerPass = 1e9;
  EXPECT_DOUBLE_EQ(evaluate(measured)->predictedRate, 10);
  // 3 GB are copied for each token, so 5 tokens per second copy 15 GB/s.
  measured.links[1].bytesPerToken = 3e9;
  report = evaluate(measured);
  ASSERT_FALSE(report);
  EXPECT_NE(report.status().message().find("read 15.00 GB/s from pcie"),
            std::string::npos)
      << report.status().message();
}

// The measured time of a token is 200 ms. At the measured limits, a token would
// take 150 ms: the GPU reads for 100 ms, and then the CPU reads for 50 ms.
TEST(BenchReport, ACpuAndAGpuReadInTurn) {
  BenchMeasurement measured = example();
  measured.gpu = "rtx3060";
  measured.links = {{"gpu-cache", 3e9, 3e9, 30e9, 30e9, 3e9, true},
                    {"dram", 2e9, 2e9, 40e9, 40e9, 2e9, true}};
  measured.planLinks = {
      {"vram", 3e9, 50e9, 0}, {"dram", 2e9, 50e9, 0}, {"cpu", 2e9, 5e9, 10e9}};
  rateFromLinks(measured);
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_EQ(report->limitedBy, "gpu-cache+dram");
  EXPECT_DOUBLE_EQ(report->boundRate, 1 / 0.15);
  EXPECT_DOUBLE_EQ(report->eta, 0.75);
  EXPECT_DOUBLE_EQ(report->links[0].share, 0.5);
  EXPECT_DOUBLE_EQ(report->links[1].share, 0.25);
  // If weights are read from the disk as well, no joint rate of RAM and disk is
  // reported, because it would not include the time of the GPU.
  BenchMeasurement streamed = measured;
  streamed.links.push_back({"disk", 0.25e9, 0.25e9, 4e9, 4e9});
  EXPECT_EQ(evaluate(streamed)->jointRate, 0);
  EXPECT_EQ(benchJson(streamed, *evaluate(streamed)).find("joint"),
            std::string::npos);
  // The CPU computes for 200 ms, and a quarter of the 50 ms of reading is not
  // hidden. The 100 ms of the GPU follow.
  EXPECT_DOUBLE_EQ(report->predictedRate, 1 / 0.3125);
  const std::string text = benchText(measured, *report);
  for (const char *part : {"of 6.67 that gpu-cache+dram allows (eta 0.75",
                           "GPU rtx3060 and 4 threads, 3 rounds"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  // Of the 2 GB that are copied for each token, the ring takes 0.5 GB while the
  // CPU works. The other 1.5 GB are copied after that. This takes 150 ms, which
  // is longer than the 100 ms of the GPU.
  measured.links.push_back({"pcie", 2e9, 2e9, 10e9, 10e9, 2e9});
  measured.planLinks.push_back({"pcie", 2e9, 25e9, 0});
  measured.gpuRingBytes = 0.5e9;
  rateFromLinks(measured);
  report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  EXPECT_EQ(report->limitedBy, "pcie");
  EXPECT_DOUBLE_EQ(report->boundRate, 5);
  EXPECT_DOUBLE_EQ(report->predictedRate, 1 / 0.3625);
  // 0.8 GB of the copied bytes are read from the disk: 0.2 GB of those that the
  // ring in VRAM takes while the CPU works, and 0.6 GB of the others. The ring
  // in RAM takes 0.08 GB of the latter in this time. Reading the remaining 0.52
  // GB takes 260 ms, which is longer than the copies.
  BenchMeasurement read = measured;
  read.planLinks.push_back({"disk", 0.8e9, 3e9, 2e9});
  read.ramRingBytes = 0.08e9;
  EXPECT_DOUBLE_EQ(evaluate(read)->predictedRate, 1 / 0.4725);
  // Both rings together hold all bytes that a token needs. It still takes 480
  // ms to read 0.96 GB, which is longer than the 312.5 ms of both devices.
  read.planLinks.back().bytesPerPass = 0.96e9;
  read.gpuRingBytes = 2e9;
  EXPECT_DOUBLE_EQ(evaluate(read)->predictedRate, 1 / 0.48);
  // A token now takes 140 ms. This is enough for each link by itself, but not
  // for both, which take 100 + 50 ms one after the other.
  measured.links.pop_back();
  measured.decodeSeconds = 1.4;
  const Status status = evaluate(measured).status();
  EXPECT_EQ(status.code(), ErrorCode::Internal);
  EXPECT_NE(status.message().find("decode took 140 ms per token, but the CPU "
                                  "and the GPU read in turn, and need 150 ms"),
            std::string::npos)
      << status.message();
  raiseLimits(measured, [](size_t link) { return link == 1 ? 60e9 : 0; });
  EXPECT_EQ(measured.links[1].limitPerSecond, 60e9);
  EXPECT_TRUE(evaluate(measured));
}

TEST(BenchReport, ARateAboveTheBoundIsAnErrorWithBothNumbers) {
  BenchMeasurement measured = example();
  // With this time, decoding reads 41.5 GB/s. That is more than the limit of 40
  // GB/s, but within the tolerance of 5 %.
  measured.decodeSeconds = 10 / 8.3;
  EXPECT_TRUE(evaluate(measured));
  // With this time, decoding reads 42.5 GB/s, which exceeds the limit by more
  // than the tolerance.
  measured.decodeSeconds = 10 / 8.5;
  Result<BenchReport> report = evaluate(measured);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.status().code(), ErrorCode::Internal);
  EXPECT_NE(report.status().message().find("42.50 GB/s"), std::string::npos)
      << report.status().message();
  EXPECT_NE(report.status().message().find("40.00 GB/s"), std::string::npos);
}

TEST(BenchReport, ALimitBelowTheRateIsMeasuredAgain) {
  // Decoding reads 25 GB/s, and the limit is 40 GB/s, so nothing is measured
  // again.
  BenchMeasurement measured = example();
  uint32_t calls = 0;
  auto growing = [&](size_t) { return 1e9 * (10 + 4 * ++calls); };
  raiseLimits(measured, growing);
  EXPECT_EQ(calls, 0U);

  measured.links[0].limitPerSecond = 20e9;
  // Four measurements find 14, 18, 22 and 26 GB/s. Only the last one is above
  // the 25 GB/s at which decoding reads.
  raiseLimits(measured, growing);
  EXPECT_EQ(calls, 4U);
  EXPECT_EQ(measured.links[0].limitPerSecond, 26e9);
  EXPECT_TRUE(evaluate(measured));

  measured.links[0].limitPerSecond = 20e9;
  calls = 0;
  raiseLimits(measured, [&](size_t) {
    ++calls;
    return 15e9;
  });
  EXPECT_EQ(calls, kMostLimitRetries);
  EXPECT_EQ(measured.links[0].limitPerSecond, 20e9) << "a limit never sinks";
  EXPECT_FALSE(evaluate(measured));
}

TEST(BenchReport, NothingMeasuredIsAnError) {
  BenchMeasurement measured = example();
  measured.links[0].limitPerSecond = 0;
  EXPECT_FALSE(evaluate(measured));
}

TEST(BenchReport, JsonHoldsTheSameNumbers) {
  BenchMeasurement measured = example();
  measured.steps = {{"Attn", {0.25, 0.125}}};
  Result<BenchReport> report = evaluate(measured);
  ASSERT_TRUE(report) << report.status().message();
  nlohmann::json json =
      nlohmann::json::parse(benchJson(measured, *report), nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << benchJson(measured, *report);
  EXPECT_EQ(json["prefill"]["tok_s"], 200);
  EXPECT_EQ(json["prefill"]["gflop_s"], 4);
  EXPECT_EQ(json["decode"]["tok_s"], 5);
  EXPECT_EQ(json["decode"]["bound_tok_s"], 10);
  EXPECT_EQ(json["decode"]["beta"], 0.8);
  EXPECT_EQ(json["decode"]["eta"], 0.5);
  EXPECT_EQ(json["decode"]["p50_ms"], 200);
  EXPECT_EQ(json["decode"]["p99_ms"], 500);
  EXPECT_EQ(json["links"][0]["name"], "dram");
  EXPECT_EQ(json["links"][0]["bytes_per_token"], 5e9);
  EXPECT_EQ(json["links"][0]["gb_s"], 25);
  EXPECT_EQ(json["links"][0]["limit_gb_s"], 40);
  EXPECT_EQ(json["links"][0]["usual_gb_s"], 32);
  EXPECT_EQ(json["links"][0]["share"], 0.625);
  EXPECT_EQ(json["steps"][0]["decode_s"], 0.125);
  EXPECT_EQ(json["peak_rss_bytes"], 123);
  EXPECT_EQ(json["first_token_s"], 0.75);
  EXPECT_EQ(json["first_token_warm_s"], 0.25);
}

TEST(BenchReport, TheLinkFollowsWeightsAndKv) {
  // With a small model and a long context, a pass reads 1.2 MB of weights and
  // 68 MB of KV cache.
  rt::RunCounters counters;
  counters.weightBytes = 4 * 1'200'000;
  counters.kvBytes = 4 * 68'000'000;
  double bytes = bytesOfPass(counters, 4);
  EXPECT_EQ(bytes, 69.2e6);
  constexpr uint64_t kCache = 32 << 20;
  EXPECT_STREQ(linkOf(bytes, kCache), "dram");
  EXPECT_STREQ(linkOf(1.2e6, kCache), "cache");
  EXPECT_STREQ(linkOf(1.2e6, 0), "dram") << "no cache is known";
}

TEST(BenchReport, APhaseThatWasNotRunIsNotReported) {
  BenchMeasurement decodeOnly = example();
  decodeOnly.prefillTokens = 0;
  decodeOnly.prefillSeconds = 0;
  decodeOnly.prefillFlops = 0;
  Result<BenchReport> report = evaluate(decodeOnly);
  ASSERT_TRUE(report) << report.status().message();
  nlohmann::json json =
      nlohmann::json::parse(benchJson(decodeOnly, *report), nullptr, false);
  EXPECT_FALSE(json.contains("prefill"));
  EXPECT_EQ(json["decode"]["tok_s"], 5);
  EXPECT_EQ(benchText(decodeOnly, *report).find("prefill"), std::string::npos);

  BenchMeasurement prefillOnly = example();
  prefillOnly.decodeTokens = 0;
  prefillOnly.decodeSeconds = 0;
  prefillOnly.links.clear();
  prefillOnly.tokenSeconds.clear();
  report = evaluate(prefillOnly);
  ASSERT_TRUE(report) << report.status().message();
  json = nlohmann::json::parse(benchJson(prefillOnly, *report), nullptr, false);
  EXPECT_FALSE(json.contains("decode"));
  EXPECT_FALSE(json.contains("links"));
  EXPECT_EQ(json["prefill"]["tok_s"], 200);
  EXPECT_EQ(benchText(prefillOnly, *report).find("decode"), std::string::npos);
  raiseLimits(prefillOnly, [](size_t) {
    ADD_FAILURE() << "there is no limit to measure";
    return 1.0;
  });
}

// If a GPU computes all layers with weights from its own memory, the only limit
// is the bandwidth of this memory, or of the L2 cache if all bytes that a pass
// reads fit in that cache.
TEST(BenchReport, TheLimitOfAGpuIsThatOfItsMemory) {
  for (const char *link : {"vram", "cache"}) {
    BenchMeasurement measured = example();
    measured.threads = 0;
    measured.gpu = "rtx3060";
    measured.links = {{link, 4e9, 5e9, 40e9, 40e9}};
    measured.uploadPerSecond = 12.5e9;
    measured.planLinks = {{"vram", 4e9, 360e9, 0}};
    measured.planRate = 90;
    rateFromLinks(measured);
    EXPECT_EQ(measured.planLinks[0].measuredRate, 40e9) << link;
    Result<BenchReport> report = evaluate(measured);
    ASSERT_TRUE(report) << report.status().message();
    EXPECT_DOUBLE_EQ(report->predictedRate, 10);
    nlohmann::json json =
        nlohmann::json::parse(benchJson(measured, *report), nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << benchJson(measured, *report);
    EXPECT_EQ(json["gpu"], "rtx3060");
    EXPECT_EQ(json["decode"]["bound_tok_s"], 10);
    EXPECT_EQ(json["decode"]["eta"], 0.5);
    EXPECT_EQ(json["decode"]["limited_by"], link);
    EXPECT_EQ(json["links"][0]["limit_gb_s"], 40);
    EXPECT_EQ(json["links"][0]["share"], 0.625);
    EXPECT_EQ(json["upload_gb_s"], 12.5);
    const std::string text = benchText(measured, *report);
    for (const std::string &part :
         {std::string("5.00 tok/s  of 10.00 that ") + link,
          std::string("25.00 GB/s of 40.00 GB/s: share 0.62"),
          std::string("upload   12.50 GB/s from pinned memory to the GPU"),
          std::string("40.00 GB/s measured, 360.00 GB/s in the plan"),
          std::string("GPU rtx3060, 3 rounds")}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
    }
  }
}

} // namespace
