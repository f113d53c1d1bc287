//===- FakePlanTool.cpp - air-fake-plan PLAN [TEXT] -----------------------===//
//
// Writes the fake plan for tests of airrun as a program; its greedy text is
// TEXT, in which no byte may come twice.
//
//===----------------------------------------------------------------------===//
#include "test/runtime/fake/FakePlan.h"

#include <gtest/gtest.h>

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: air-fake-plan PLAN [TEXT]\n");
    return 2;
  }
  air::test::FakeModel model;
  if (argc == 3) {
    model.say(argv[2]);
  }
  air::test::writeFakePlan(argv[1], model);
  return 0;
}
