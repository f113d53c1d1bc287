//===- PlanMutatorTool.cpp - air-mutate-plan ------------------------------===//
//
//   air-mutate-plan COUNT SEED [PLAN.air]
//
// Opens COUNT damaged copies of the plan, or of the small plan of the unit
// tests, and prints how many were accepted and refused. Exits with code 1 at
// the first copy for which PlanMutator::tryOne() finds something wrong.
//
//===----------------------------------------------------------------------===//
#include "PlanMutator.h"
#include "SmallPlan.h"

#include "formats/support/MappedFile.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

int main(int argc, char **argv) {
  using namespace air;
  if (argc < 3 || argc > 4) {
    std::fputs("usage: air-mutate-plan COUNT SEED [PLAN.air]\n", stderr);
    return 2;
  }
  const uint64_t count = std::strtoull(argv[1], nullptr, 10);
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  std::vector<uint8_t> file = test::fileOf(test::makeSmallPlan());
  if (argc == 4) {
    const Result<MappedFile> plan = MappedFile::open(argv[3]);
    if (!plan) {
      std::fprintf(stderr, "%s\n", plan.status().message().c_str());
      return 3;
    }
    file.assign(plan->bytes().begin(), plan->bytes().end());
  }
  test::PlanMutator mutator(std::move(file), seed);
  const test::PlanPlaces places = mutator.places();
  std::printf("%zu numbers, %zu lists\n", places.numbers, places.lists);
  test::MutationCounts counts;
  for (uint64_t i = 0; i < count; ++i) {
    if (const std::string wrong = mutator.tryOne(counts); !wrong.empty()) {
      std::printf("plan %" PRIu64 ": %s\n", i, wrong.c_str());
      return 1;
    }
  }
  std::printf("%" PRIu64 " plans: %" PRIu64 " refused, %" PRIu64 " accepted\n",
              count, counts.refused, counts.accepted);
  return 0;
}
