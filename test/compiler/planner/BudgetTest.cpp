//===- BudgetTest.cpp - how much RAM a plan takes -------------------------===//
#include "compiler/planner/Budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::compiler {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

RamDemand demand() {
  RamDemand demand;
  demand.activations = 8 * kMiB;
  demand.scratchPerThread = kMiB;
  demand.threads = 4;
  demand.kernels = kMiB / 2;
  demand.process = kMiB / 2;
  demand.kvPageBytes = 2 * kMiB;
  demand.kvPageTokens = 64;
  demand.context = 1000; // needs 16 pages of 64 tokens
  demand.slots = 2;
  return demand;
}

/// A single step needs all of the 100 MiB of weights.
WeightProblem weights() {
  WeightProblem problem;
  problem.weights = {{100 * kMiB, 0, 0}};
  problem.steps = 1;
  return problem;
}

/// Makes placements that do not use the disk.
Result<std::vector<BudgetedPlacement>>
plan(const RamDemand &demand, uint64_t bytes,
     const WeightProblem &problem = weights()) {
  return planPlacements(problem, demand,
                        {bytes, "target 'small' has", /*streams=*/false});
}

TEST(Budget, ItemisesAndSums) {
  const auto placements = plan(demand(), 0);
  ASSERT_TRUE(placements.isOk());
  ASSERT_EQ(placements->size(), 1U);
  EXPECT_EQ(placements->front().budget, 0U);
  const std::pair<const char *, uint64_t> expected[] = {
      {"weights", 100 * kMiB},
      // Each of the 2 slots takes 16 pages of 2 MiB.
      {"kv", 2 * 16 * 2 * kMiB},
      {"activations", 8 * kMiB},
      {"scratch", 4 * kMiB},
      {"kernels", kMiB / 2},
      {"process", kMiB / 2}};
  const std::vector<LedgerItem> &items = placements->front().items;
  ASSERT_EQ(items.size(), std::size(expected));
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].name, expected[i].first);
    EXPECT_EQ(items[i].bytes, expected[i].second) << items[i].name;
  }
}

TEST(Budget, FitsExactlyOrSaysWhatToDo) {
  EXPECT_TRUE(plan(demand(), 177 * kMiB).isOk());
  const auto budget = plan(demand(), 177 * kMiB - 1);
  ASSERT_EQ(budget.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(budget.status().message(), HasSubstr("needs 177.00 MiB"));
  EXPECT_THAT(budget.status().message(), HasSubstr("'small' has 176.99 MiB"));
  // The machine has one byte less than 177 MiB. Everything but the KV cache
  // takes 113 MiB, so 31 KV pages of 2 MiB fit. The requested context needs 16
  // pages per sequence: one such sequence fits, but two fit only with 15 pages
  // (960 tokens) each.
  EXPECT_THAT(budget.status().message(),
              HasSubstr("choose --slots 1 or less, or --ctx 960 or less"));
}

/// The advice that the error message gives for a machine with `capacity` MiB of
/// RAM.
std::string adviceFor(const RamDemand &demand, uint64_t capacity) {
  Status status = plan(demand, capacity * kMiB).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  return status.message().substr(status.message().rfind("; ") + 2);
}

TEST(Budget, TheAdviceNamesWhatIsAtFault) {
  // The KV cache of a sequence takes 32 MiB. Everything else takes 113 MiB, so
  // a machine with 113 + 100 MiB has 100 MiB left for the KV cache. They are
  // enough for 3 sequences, or for 20 sequences of 2 pages (128 tokens) each.
  RamDemand many = demand();
  many.slots = 65536;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --slots 3 or less");
  many.slots = 20;
  EXPECT_EQ(adviceFor(many, 113 + 100),
            "choose --slots 3 or less, or --ctx 128 or less");
  // The KV cache of a sequence of 6400 tokens takes 200 MiB.
  many.context = 6400;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --ctx 128 or less");
  many.slots = 65536;
  EXPECT_EQ(adviceFor(many, 113 + 100),
            "choose --slots 1 and --ctx 3200 or less");
  many.slots = 1;
  EXPECT_EQ(adviceFor(many, 113 + 100), "choose --ctx 3200 or less");
  EXPECT_THAT(adviceFor(many, 114), HasSubstr("not even one KV page of 2.00 "
                                              "MiB"));
  EXPECT_THAT(adviceFor(many, 113), HasSubstr("even without a KV cache"));
}

TEST(Budget, WhatIsAdvisedFits) {
  RamDemand smaller = demand();
  smaller.context = 960;
  EXPECT_TRUE(plan(smaller, 177 * kMiB - 1).isOk());
  smaller = demand();
  smaller.slots = 1;
  EXPECT_TRUE(plan(smaller, 177 * kMiB - 1).isOk());
  smaller.slots = 3;
  EXPECT_TRUE(plan(smaller, 213 * kMiB).isOk());
  smaller.slots = 4;
  EXPECT_FALSE(plan(smaller, 213 * kMiB).isOk());
}

TEST(Budget, WeightsAloneTooLarge) {
  const auto budget = plan(demand(), 50 * kMiB);
  ASSERT_EQ(budget.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(budget.status().message(), HasSubstr("smaller quantisation"));
}

TEST(Budget, OverflowDoesNotFit) {
  RamDemand huge = demand();
  huge.context = ~uint64_t{0};
  EXPECT_EQ(plan(huge, 0).status().code(), ErrorCode::DoesNotFit);
  huge = demand();
  huge.activations = ~uint64_t{0};
  EXPECT_EQ(plan(huge, 0).status().code(), ErrorCode::DoesNotFit);
  huge = demand();
  huge.scratchPerThread = ~uint64_t{0};
  EXPECT_EQ(plan(huge, 0).status().code(), ErrorCode::DoesNotFit);
}

/// 16 segments of 64 MiB, one for each of 16 steps.
WeightProblem manyWeights() {
  WeightProblem problem;
  for (uint32_t step = 0; step < 16; ++step) {
    problem.weights.push_back({64 * kMiB, step, step});
  }
  problem.steps = 16;
  return problem;
}

uint64_t sumOf(const BudgetedPlacement &placement) {
  uint64_t sum = 0;
  for (const LedgerItem &item : placement.items) {
    sum += item.bytes;
  }
  return sum;
}

// Everything but the weights takes 77 MiB.
TEST(Budget, AlternatesStreamWhatDoesNotFit) {
  const RamLimit limit{1200 * kMiB, "target 'small' has"};
  const auto placements = planPlacements(manyWeights(), demand(), limit);
  ASSERT_TRUE(placements.isOk()) << placements.status().message();
  ASSERT_EQ(placements->size(), 4U);
  const uint64_t percent[] = {100, 90, 75, 50};
  for (size_t i = 0; i < 4; ++i) {
    const BudgetedPlacement &placement = (*placements)[i];
    EXPECT_EQ(placement.budget, limit.bytes / 100 * percent[i]);
    EXPECT_LE(sumOf(placement), placement.budget);
    // The weights and everything else take 1024 + 77 = 1101 MiB. That fits in
    // 1200 MiB, but not in 90 % of it.
    EXPECT_EQ(placement.weights.reads.empty(), i == 0);
    const Status verdict = verifyWeights(manyWeights(), placement.weights,
                                         placement.budget - 77 * kMiB);
    EXPECT_TRUE(verdict.isOk()) << verdict.message();
  }
  EXPECT_EQ((*placements)[0].items[1].name, "kv");
  EXPECT_EQ((*placements)[1].items[1].name, "ring");
  EXPECT_EQ((*placements)[1].items[1].bytes,
            (*placements)[1].weights.ringBytes);
}

// The first placement is for the whole limit. Weights and everything else take
// 1024 + 77 = 1101 MiB. The smaller budgets have no influence: half of the
// limit is always too small here.
TEST(Budget, WeightsMayBeStreamedIfTheLimitIsTooSmall) {
  for (const uint64_t bytes : {1100 * kMiB, 1101 * kMiB, 1200 * kMiB}) {
    const RamLimit given{bytes, "target 'large' has"};
    const auto placements = planPlacements(manyWeights(), demand(), given);
    ASSERT_TRUE(placements.isOk()) << placements.status().message();
    EXPECT_FALSE(placements->back().weights.reads.empty());
    const bool streams = bytes == 1100 * kMiB;
    EXPECT_EQ(!placements->front().weights.reads.empty(), streams);
    EXPECT_EQ(mayStream(1024 * kMiB, 77 * kMiB, given), streams);
  }
  const RamLimit limit{1000, "target 'small' has"};
  EXPECT_FALSE(mayStream(999, 1, limit));
  EXPECT_TRUE(mayStream(999, 2, limit));
  EXPECT_TRUE(mayStream(~uint64_t{0}, 1, limit));
  RamLimit other = limit;
  other.streams = false;
  EXPECT_FALSE(mayStream(4096 * kMiB, 0, other));
  other.bytes = 0;
  other.streams = true;
  EXPECT_FALSE(mayStream(~uint64_t{0}, 0, other));
  other.pinned = 100;
  EXPECT_FALSE(mayStream(~uint64_t{0}, 0, other));
  other.pinned = 99;
  EXPECT_TRUE(mayStream(0, 0, other));
}

TEST(Budget, AlternatesThatAreEqualOrDoNotFitAreLeftOut) {
  const RamLimit large{4096 * kMiB, "target 'large' has"};
  EXPECT_EQ(planPlacements(manyWeights(), demand(), large)->size(), 1U);
  // Placements are made for 100, 90, 75 and 50 % of the limit. The ring takes
  // at least 68 MiB, and everything but the weights takes 77 MiB. Their sum
  // fits in 160 MiB, but not in 90 % of it.
  const RamLimit small{160 * kMiB, "target 'small' has"};
  const auto placements = planPlacements(manyWeights(), demand(), small);
  ASSERT_TRUE(placements.isOk()) << placements.status().message();
  EXPECT_EQ(placements->size(), 1U);
  EXPECT_FALSE(placements->front().weights.reads.empty());
}

TEST(Budget, TooLittleForStreamingSaysWhatToDo) {
  const RamLimit limit{140 * kMiB, "--ram gives"};
  const Status status = planPlacements(manyWeights(), demand(), limit).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  // The smallest ring takes 68 MiB, the KV cache 64 MiB, and everything else 13
  // MiB. Without the KV cache, the plan needs 68 + 13 = 81 MiB, so 29 KV pages
  // of 2 MiB fit in 140 MiB. They are enough for one slot of 16 pages, or for
  // two slots of 14 pages (896 tokens) each.
  EXPECT_EQ(status.message(),
            "the plan needs 145.00 MiB of RAM even if weights are read from "
            "the disk in every pass (weights 68.00 MiB, KV cache 64.00 MiB, "
            "activations 8.00 MiB, scratch 4.00 MiB, kernels 512.00 KiB, "
            "process 512.00 KiB), but --ram gives 140.00 MiB; choose --slots 1 "
            "or less, or --ctx 896 or less");
}

TEST(Budget, APinnedShareHasOnePlacement) {
  RamLimit limit{2048 * kMiB, "--ram gives"};
  limit.pinned = 50;
  const auto placements = planPlacements(manyWeights(), demand(), limit);
  ASSERT_TRUE(placements.isOk()) << placements.status().message();
  ASSERT_EQ(placements->size(), 1U);
  EXPECT_EQ(placements->front().budget, limit.bytes);
  // Each segment has 64 MiB, and half of it stays in RAM.
  EXPECT_EQ(placements->front().weights.weights,
            std::vector<uint64_t>(16, 32 * kMiB));
  EXPECT_EQ(placements->front().weights.streamedBytes(), 512 * kMiB);
}

TEST(Budget, APinnedShareThatDoesNotFitSaysWhichDoes) {
  // Everything but the weights and the ring takes 77 MiB. With --pin 50, 512
  // MiB of weights stay in RAM, and each pass reads the other 512 MiB through a
  // ring of at least 36 MiB: 32 MiB for a step and 4 MiB more. A pass must fill
  // the ring a whole number of times, so the ring has 512 / 14 MiB, which is
  // 36.574 MiB in whole pages. The sum of 625.574 MiB, which the message rounds
  // up, is too much. With --pin 47, 481.28 MiB stay in RAM, and the ring takes
  // 542.72 / 14 = 38.77 MiB, so everything fits in 600 MiB.
  RamLimit limit{600 * kMiB, "--ram gives"};
  limit.pinned = 50;
  const Status status = planPlacements(manyWeights(), demand(), limit).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(
      status.message(),
      "--pin 50 needs 625.58 MiB of RAM (weights with a ring buffer "
      "548.57 MiB, KV cache "
      "64.00 MiB, activations 8.00 MiB, scratch 4.00 MiB, kernels 512.00 "
      "KiB, process 512.00 KiB), but --ram gives 600.00 MiB; choose --pin "
      "47 or less, or provide more RAM");
  // With --pin 0, a pass reads 1024 MiB. The ring must have at least 68 MiB
  // (one step and 4 MiB more), and a pass must fill it a whole number of times.
  // The smallest such ring has 1024 / 15 = 68.27 MiB, which does not fit beside
  // the other 77 MiB. Without --pin, the plan would fit: if RAM is so small, a
  // pass need not fill the ring a whole number of times, so 68 MiB suffice.
  limit.bytes = 145 * kMiB + 4096;
  EXPECT_THAT(planPlacements(manyWeights(), demand(), limit).status().message(),
              HasSubstr("no smaller --pin fits either"));
}

TEST(Budget, WithoutDiskTheWeightsMustFit) {
  const Status status = plan(demand(), 1000 * kMiB, manyWeights()).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), HasSubstr("leave out --disk 0"));
}

TEST(Budget, TheProcessGrowsWithTheVocabulary) {
  // By measurement, airrun took 12 MiB of private memory with a vocabulary of
  // 2400 KiB, and 4 MiB with one of 100 KiB. The budget must exceed the first
  // number by more than 8 MiB, and the second by less than 16 MiB.
  EXPECT_GT(processBytes(2400 * 1024), 12 * kMiB + 8 * kMiB);
  EXPECT_LT(processBytes(100 * 1024), 20 * kMiB);
  EXPECT_EQ(processBytes(UINT64_MAX), UINT64_MAX);
}

VramDemand vramDemand() {
  VramDemand demand;
  demand.weights = 1000 * kMiB;
  demand.kernels = kMiB;
  demand.activations = 2 * kMiB;
  demand.kvPageBytes = 2 * kMiB;
  demand.kvPageTokens = 64;
  demand.context = 1000; // needs 16 pages of 64 tokens
  demand.slots = 2;
  demand.tokens = 8;
  demand.outputs = 17;
  return demand;
}

TEST(VramBudget, ItemisesAndSums) {
  const Result<VramLedger> ledger = planVram(vramDemand(), {});
  ASSERT_TRUE(ledger.isOk());
  EXPECT_EQ(ledger->budget, 0U);
  const std::pair<const char *, uint64_t> expected[] = {
      {"weights", 1000 * kMiB},
      // Each of the 2 slots takes 16 pages, and padding tokens take one more.
      {"kv", 33 * 2 * kMiB},
      {"activations", 2 * kMiB},
      // Each array begins at a multiple of 64 bytes. Three arrays hold one
      // count each, and 8 records of 48 bytes follow one of these counts. Four
      // arrays hold a number for each of 8 tokens, another holds 8 tiles of 12
      // bytes, and another the row indices of 17 outputs. The block table holds
      // 16 page indices of 4 bytes for each token.
      {"batch", 3 * 64 + 8 * 48 + 4 * 64 + 128 + 128 + 8 * 16 * 4},
      {"kernels", kMiB}};
  ASSERT_EQ(ledger->items.size(), std::size(expected));
  for (size_t i = 0; i < ledger->items.size(); ++i) {
    EXPECT_EQ(ledger->items[i].name, expected[i].first);
    EXPECT_EQ(ledger->items[i].bytes, expected[i].second);
  }
}

TEST(VramBudget, TheDriverTakesItsShare) {
  // Everything takes 1069 MiB and 1600 bytes.
  const Result<VramLedger> fits =
      planVram(vramDemand(), {kDriverBytes + 1070 * kMiB, "target 'x' has"});
  ASSERT_TRUE(fits.isOk()) << fits.status().message();
  EXPECT_EQ(fits->budget, 1070 * kMiB);
  const Status status =
      planVram(vramDemand(), {kDriverBytes + 1069 * kMiB, "target 'x' has"})
          .status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(
      status.message(),
      HasSubstr("needs 1.05 GiB of VRAM (weights 1000.00 MiB, KV cache 66.00 "
                "MiB, activations 2.00 MiB, batch tables 1.56 KiB, kernels "
                "1.00 MiB), but target 'x' has 2.04 GiB, of which the driver "
                "takes 1.00 GiB and leaves 1.04 GiB"));
  // The VRAM has room for 32 pages, one of which is for padding. The other 31
  // give each of two sequences 15 pages of 64 tokens.
  EXPECT_THAT(status.message(), HasSubstr("or --ctx 960 or less"));
}

TEST(VramBudget, TheAdviceCountsTheBlockTablesOfTheContextThatItNames) {
  // Without KV pages, the plan takes 1003 MiB and 1088 bytes. The page for
  // padding takes 2 MiB. Every page of the context takes 2 MiB and 32 bytes: 4
  // bytes in the block table of each of 8 tokens.
  VramDemand demand = vramDemand();
  demand.slots = 1;
  demand.context = UINT32_MAX; // The block tables take 2 GiB.
  const uint64_t room = 1000 * (2 * kMiB + 32);
  const VramLimit limit = {kDriverBytes + 1005 * kMiB + 1088 + room,
                           "target 'x' has"};
  EXPECT_THAT(planVram(demand, limit).status().message(),
              HasSubstr("choose --ctx 64000 or less"));
  demand.context = 64000;
  EXPECT_TRUE(planVram(demand, limit).isOk());
  demand.context = 64001;
  EXPECT_FALSE(planVram(demand, limit).isOk());
}

TEST(VramBudget, WhatNeverFitsIsRefused) {
  for (const uint64_t bytes : {kMiB, kDriverBytes, kDriverBytes + kMiB}) {
    const Status status =
        planVram(vramDemand(), {bytes, "--vram gives"}).status();
    EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
    EXPECT_THAT(
        status.message(),
        HasSubstr("the plan would not fit even without a KV cache, so choose "
                  "a smaller quantisation of the model or provide more "
                  "VRAM"));
  }
  VramDemand large = vramDemand();
  large.slots = UINT64_MAX;
  EXPECT_EQ(planVram(large, {}).status().code(), ErrorCode::DoesNotFit);
  large = vramDemand();
  large.weights = UINT64_MAX;
  EXPECT_EQ(planVram(large, {UINT64_MAX, ""}).status().code(),
            ErrorCode::DoesNotFit);
}

/// Five segments of 1 MiB that each pass copies to the GPU, each for a
/// different step.
struct Copied {
  Copied() {
    for (uint32_t step = 0; step < 5; ++step) {
      segments.weights.push_back({kMiB, step, step});
    }
    segments.steps = 5;
    device.isCopied.assign(5, true);
  }
  WeightProblem segments;
  DevicePlacement device;
};

TEST(VramBudget, TheHostNeedsRamForItselfAndForCopies) {
  const auto host = [](const RamLimit &limit) {
    return planGpuHost(20 * kMiB, kMiB, {}, {}, limit);
  };
  const auto ledger = host({0, ""});
  ASSERT_TRUE(ledger.isOk());
  ASSERT_EQ(ledger->items.size(), 2U);
  EXPECT_EQ(ledger->items[0].bytes, 20 * kMiB);
  EXPECT_EQ(ledger->items[1].bytes, 17 * kMiB);
  EXPECT_TRUE(host({37 * kMiB, ""}).isOk());
  const Status status = host({37 * kMiB - 1, "--ram gives"}).status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              HasSubstr("process 20.00 MiB, transfer buffers 17.00 MiB"));
  const Copied of;
  for (const uint64_t limit : {uint64_t{0}, 42 * kMiB}) {
    const auto copied =
        planGpuHost(20 * kMiB, kMiB, of.segments, of.device, {limit, ""});
    ASSERT_TRUE(copied.isOk());
    EXPECT_EQ(copied->items.back().name, "weights");
    EXPECT_EQ(copied->items.back().bytes, 5 * kMiB);
    EXPECT_TRUE(copied->placement.reads.empty());
  }
}

// The process and the transfer buffers take 37 MiB. The layers on the CPU take
// 8 MiB for weights and 2 MiB for their KV cache. The item "weights" is the sum
// of these 8 MiB and the weights in RAM that each pass copies to the GPU, which
// are at most 5 MiB.
TEST(VramBudget, LayersOnTheCpuTakeRam) {
  const Copied of;
  const auto with = [&](uint64_t bytes) {
    return planGpuHost(20 * kMiB, kMiB, of.segments, of.device,
                       {bytes, "--ram gives"},
                       {{"weights", 8 * kMiB}, {"kv", 2 * kMiB}});
  };
  for (const uint64_t limit : {uint64_t{0}, 52 * kMiB}) {
    const auto ledger = with(limit);
    ASSERT_TRUE(ledger.isOk()) << ledger.status().message();
    ASSERT_EQ(ledger->items.size(), 4U);
    EXPECT_EQ(ledger->items[2].name, "weights");
    EXPECT_EQ(ledger->items[2].bytes, 13 * kMiB);
    EXPECT_EQ(ledger->items[3].bytes, 2 * kMiB);
  }
  // Now 51 - 37 - 8 - 2 = 4 MiB are left for the five segments of 1 MiB that
  // are copied to the GPU. A ring takes 1 MiB, so three of the segments stay in
  // RAM, and each pass reads the other two from the disk through the ring.
  const auto ledger = with(51 * kMiB);
  ASSERT_TRUE(ledger.isOk()) << ledger.status().message();
  EXPECT_EQ(ledger->items[2].bytes, 11 * kMiB);
  EXPECT_EQ(ledger->placement.reads.size(), 2U);
  EXPECT_THAT(with(48 * kMiB - 1).status().message(),
              HasSubstr("weights 9.00 MiB, KV cache 2.00 MiB), but --ram gives "
                        "47.99 MiB; give a larger --ram or --vram, or a "
                        "smaller --cpu-layers, or choose a target"));
}

// The process and the transfer buffers take 37 MiB of the 41 MiB of RAM. Of the
// other 4 MiB, a ring takes 1 MiB, so 3 of the 5 segments of 1 MiB stay in RAM.
TEST(VramBudget, WhatDoesNotFitIntoRamIsReadFromTheDisk) {
  const Copied of;
  const auto with = [&](uint64_t bytes, bool streams) {
    return planGpuHost(20 * kMiB, kMiB, of.segments, of.device,
                       {bytes, "--ram gives", streams});
  };
  const auto ledger = with(41 * kMiB, true);
  ASSERT_TRUE(ledger.isOk()) << ledger.status().message();
  ASSERT_EQ(ledger->items.size(), 4U);
  EXPECT_EQ(ledger->items[2].name, "weights");
  EXPECT_EQ(ledger->items[2].bytes, 3 * kMiB);
  EXPECT_EQ(ledger->items[3].name, "ring");
  EXPECT_EQ(ledger->items[3].bytes, kMiB);
  EXPECT_EQ(ledger->placement.reads.size(), 2U);
  // Beside the 37 MiB, at least a ring for one segment (1 MiB) is needed.
  EXPECT_TRUE(with(38 * kMiB, true).isOk());
  EXPECT_THAT(
      with(38 * kMiB - 1, true).status().message(),
      HasSubstr("the plan needs 38.00 MiB of RAM even if weights are "
                "read from the disk in every pass (process 20.00 MiB, "
                "transfer buffers 17.00 MiB, weights 1.00 MiB), but "
                "--ram gives 37.99 MiB; give a larger --ram or --vram"));
  EXPECT_THAT(with(41 * kMiB, false).status().message(),
              HasSubstr("weights 5.00 MiB), but --ram gives 41.00 MiB; leave "
                        "out --disk 0"));
  EXPECT_THAT(with(37 * kMiB, false).status().message(),
              HasSubstr("weights 5.00 MiB), but --ram gives 37.00 MiB; give a "
                        "larger --ram or --vram"));
}

} // namespace
} // namespace air::compiler
