//===- TunerTest.cpp - which candidate is chosen --------------------------===//
#include "tools/tune/Tuner.h"

#include <gtest/gtest.h>

namespace air::tune {
namespace {

using Times = std::vector<std::vector<double>>;

TEST(ChooseByTimes, APresentChoiceStaysUnlessBeatenByEnough) {
  EXPECT_EQ(chooseByTimes(Times{}), 0U);
  EXPECT_EQ(chooseByTimes(Times(7, {1.0})), 0U);
  EXPECT_EQ(chooseByTimes(Times(7, {1.0, 0.985})), 0U);
  EXPECT_EQ(chooseByTimes(Times(7, {1.0, 0.975})), 1U);
  EXPECT_EQ(chooseByTimes(Times(7, {1.0, 0.95, 0.9, 0.97})), 2U);
}

// A slow round slows down all candidates alike, and a single slow sample does
// not change a median, so neither may decide the choice.
TEST(ChooseByTimes, DisturbancesDoNotDecide) {
  Times times(7, {1.0, 0.9});
  times[1] = {30.0, 27.0};
  times[4] = {1.0, 50.0};
  EXPECT_EQ(chooseByTimes(times), 1U);
  times[5] = {1.0, 50.0};
  EXPECT_EQ(chooseByTimes(times), 0U);
  times = Times(7, {1.0, 1.0});
  times[2] = {9.0, 1.0};
  times[3] = {9.0, 1.0};
  EXPECT_EQ(chooseByTimes(times), 0U);
}

TEST(ChooseTiles, WithoutTimeNothingIsMeasured) {
  codegen::KernelUse use;
  use.spec.n = use.spec.yStride = 64;
  use.spec.k = 32;
  use.weightBytes = 8192;
  auto choices = chooseTiles({&use, 1}, hostProfile(), 1, 0, nullptr);
  ASSERT_TRUE(choices.isOk()) << choices.status().message();
  EXPECT_TRUE(choices->empty());
}

TEST(ChooseTiles, AChoiceIsAKernelThatThereIs) {
  codegen::KernelUse use;
  use.spec.dtype = DType::Q8_0;
  use.spec.hasBias = true;
  use.spec.n = use.spec.yStride = 512;
  use.spec.k = 256;
  use.weightBytes = 512 * 256;
  auto choices = chooseTiles({&use, 1}, hostProfile(), 1, 60, nullptr);
  ASSERT_TRUE(choices.isOk()) << choices.status().message();
  ASSERT_EQ(choices->size(), 1U);
  EXPECT_EQ(choices->front().spec, use.spec);
  codegen::KernelSpec spec = use.spec;
  spec.tiles = choices->front().tiles;
  EXPECT_TRUE(codegen::describeKernel(spec, hostProfile()).isOk());
}

} // namespace
} // namespace air::tune
