//===- KernelTest.cpp - every kernel of the registry against the reference ===//
//
// Walks the registry: whatever it lists, for every dtype, layout and M class,
// is compiled for every target and run wherever this machine can. An op without
// cases fails.
//
//===----------------------------------------------------------------------===//
#include "KernelHarness.h"

#include "codegen/cpu/KernelRegistry.h"
#include "runtime/hal/ElfLoader.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace air::codegen::test {
namespace {

/// Host, and every built-in profile whose code would differ from those before.
std::vector<MachineProfile> targets() {
  std::vector<MachineProfile> profiles = {hostProfile()};
  std::set<std::string> seen;
  const auto isNew = [&](const MachineProfile &profile) {
    const Result<CpuTarget> target = makeCpuTarget(profile);
    EXPECT_TRUE(target.isOk()) << target.status().message();
    return target.isOk() &&
           seen.insert(target->triple + target->cpu + target->features).second;
  };
  EXPECT_TRUE(isNew(profiles.front()));
  for (const std::string &name : builtinProfiles()) {
    Result<MachineProfile> profile = resolveProfile(name);
    EXPECT_TRUE(profile.isOk()) << profile.status().message();
    if (profile.isOk() && isNew(*profile)) {
      profiles.push_back(*profile);
    }
  }
  return profiles;
}

/// What of a registry row one test covers: all its M classes for one dtype.
struct Slice {
  const KernelRow *row;
  DType dtype;
  Layout layout;
  std::string name;
};

std::vector<Slice> slices() {
  std::vector<Slice> all;
  const DType noDtype[] = {KernelSpec().dtype};
  const Layout noLayout[] = {KernelSpec().layout};
  for (const KernelRow &row : kernelRegistry()) {
    const auto dtypes = row.dtypes.empty() ? std::span(noDtype) : row.dtypes;
    const auto layouts =
        row.layouts.empty() ? std::span(noLayout) : row.layouts;
    for (const DType dtype : dtypes) {
      for (const Layout layout : layouts) {
        std::string name(row.name);
        if (!row.dtypes.empty()) {
          name += "_" + std::string(info(dtype).name) +
                  (layout == Layout::Rows ? "_rows" : "_x16");
        }
        all.push_back({&row, dtype, layout, name});
      }
    }
  }
  return all;
}

std::vector<KernelCase> casesOf(const Slice &slice, Random &random) {
  std::vector<KernelCase> cases;
  std::vector<MClass> classes = {MClass::One};
  if (slice.row->hasMClasses) {
    classes = {MClass::One, MClass::Small, MClass::Wide};
  }
  for (const MClass mClass : classes) {
    std::vector<KernelCase> more =
        makeCases(slice.row->op, slice.dtype, slice.layout, mClass, random);
    std::move(more.begin(), more.end(), std::back_inserter(cases));
  }
  return cases;
}

class Kernel : public testing::TestWithParam<Slice> {};

TEST_P(Kernel, MatchesTheReferenceOnEveryTarget) {
  Random random(20260721);
  const std::vector<KernelCase> cases = casesOf(GetParam(), random);
  ASSERT_FALSE(cases.empty()) << "the registry lists an op without cases";
  std::vector<KernelSpec> specs;
  for (const KernelCase &test : cases) {
    specs.push_back(test.spec);
  }
  int targetsRun = 0;
  for (const MachineProfile &target : targets()) {
    SCOPED_TRACE(target.name);
    Result<KernelArtifact> artifact = compileKernels(specs, target, 2);
    ASSERT_TRUE(artifact.isOk()) << artifact.status().message();
    if (!checkRunsOn(target, hostProfile()).isOk()) {
      continue; // compiled; this machine cannot run it
    }
    Result<rt::ElfImage> image =
        rt::ElfImage::load(artifact->object, "kernels");
    ASSERT_TRUE(image.isOk()) << image.status().message();
    for (const KernelCase &test : cases) {
      const std::string name = kernelName(test.spec);
      const auto entry =
          std::find_if(artifact->entries.begin(), artifact->entries.end(),
                       [&](const KernelEntry &e) { return e.name == name; });
      ASSERT_NE(entry, artifact->entries.end()) << name;
      Result<AirKernelFn> kernel = image->entry(name);
      ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
      EXPECT_EQ(runCase(test, *entry, *kernel, random), "") << test.label;
    }
    ++targetsRun;
  }
  EXPECT_GE(targetsRun, 1) << "no kernel was run: the host is always a target";
}

INSTANTIATE_TEST_SUITE_P(Registry, Kernel, testing::ValuesIn(slices()),
                         [](const testing::TestParamInfo<Slice> &test) {
                           return test.param.name;
                         });

} // namespace
} // namespace air::codegen::test
