//===- FakePlanTool.cpp - air-fake-plan PLAN [TEXT [CONTEXT [mute]]] ------===//
//
// Writes the fake plan for tests that run airrun as a program. Greedy sampling
// gives TEXT, in which no byte may occur twice, and the context has CONTEXT
// tokens. With "mute", no tokenizer can be created, because the vocabulary has
// neither a token for byte 0 nor an unknown token.
//
// air-fake-plan --gpu PLAN writes a plan for a fake GPU (FakePlan.h).
//
//===----------------------------------------------------------------------===//
#include "formats/model/TokenizerData.h"
#include "test/runtime/fake/FakePlan.h"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::string_view(argv[1]) == "--gpu") {
    air::test::writeFakeGpuPlan(argv[2]);
    return 0;
  }
  if (argc < 2 || argc > 5) {
    std::fprintf(stderr, "usage: air-fake-plan PLAN [TEXT [CONTEXT [mute]]]\n"
                         "       air-fake-plan --gpu PLAN\n");
    return 2;
  }
  air::test::FakeModel model;
  if (argc >= 3) {
    model.say(argv[2]);
  }
  uint64_t context =
      argc >= 4 ? std::strtoull(argv[3], nullptr, 10) : air::test::kFakeContext;
  air::test::writeFakePlan(argv[1], model, [&](air::plan::PlanT &plan) {
    if (argc == 5) {
      plan.tokenizer->unknown = air::TokenizerData::kNoToken;
      plan.tokenizer->types[air::test::kFakeFirstByte] =
          static_cast<uint8_t>(air::TokenType::Normal);
    }
    air::test::setContext(plan, context, plan.slots);
  });
  return 0;
}
