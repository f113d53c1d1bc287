//===- CpuTopologyTest.cpp - CPU lists, siblings and NUMA nodes -----------===//
#include "runtime/hal/cpu/CpuTopology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air::rt;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

TEST(ParseCpuList, ReadsWhatTheSystemWrites) {
  EXPECT_THAT(parseCpuList("0\n"), ElementsAre(0));
  EXPECT_THAT(parseCpuList("0-3,8,10-11\n"),
              ElementsAre(0, 1, 2, 3, 8, 10, 11));
  EXPECT_THAT(parseCpuList(""), IsEmpty());
  EXPECT_THAT(parseCpuList("\n"), IsEmpty());
  EXPECT_THAT(parseCpuList("2,x"), ElementsAre(2));
  EXPECT_THAT(parseCpuList("2,4-"), ElementsAre(2));
  EXPECT_THAT(parseCpuList("0-4000000000"), IsEmpty());
}

TEST(ArrangeCpus, PutsCoresBeforeSiblingsAndKeepsNodesTogether) {
  // The CPUs of two nodes alternate, and each core has two CPUs.
  const CpuPlace places[] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 0}, {3, 3, 1},
                             {4, 0, 0}, {5, 1, 1}, {6, 2, 0}, {7, 3, 1}};
  CpuTopology topology = arrangeCpus(places);
  EXPECT_EQ(topology.cores, 4U);
  EXPECT_THAT(topology.cpus, ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_THAT(topology.nodes, ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
}

TEST(NodeRuns, AreTheThreadsOfEachNodeInTheirOrder) {
  CpuTopology topology;
  topology.cpus = {0, 2, 1, 3, 4, 6, 5, 7};
  topology.nodes = {0, 0, 1, 1, 0, 0, 1, 1};
  auto text = [&](uint32_t threads) {
    std::string runs;
    for (const NodeRun &run : nodeRuns(topology, threads)) {
      runs += std::to_string(run.node) + ":" + std::to_string(run.first) + "-" +
              std::to_string(run.end) + " ";
    }
    return runs;
  };
  EXPECT_EQ(text(4), "0:0-2 1:2-4 ");
  EXPECT_EQ(text(7), "0:0-2 1:2-4 0:4-6 1:6-7 ");
  EXPECT_EQ(text(2), "") << "one node only";
  EXPECT_EQ(text(9), "") << "threads without a CPU of their own";
}

TEST(CpuTopology, HasANodeForEachCpu) {
  CpuTopology topology = cpuTopology();
  EXPECT_EQ(topology.nodes.size(), topology.cpus.size());
}

} // namespace
