//===- DecodeMatMulTest.cpp - decode matmuls on the emulated GPU ----------===//
#include "codegen/cuda/DecodeMatMul.h"

#include "formats/plan/T16Indices.h"
#include "test/codegen/cuda/emulator/Emulator.h"
#include "tools/air-gpu-bench/Operands.h"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <map>

namespace air::codegen::cuda {
namespace {

struct Case {
  DecodeMatMul spec;
  CudaTarget target;
};

/// Unusual shapes for one dtype. They cover partial tiles and units, warps that
/// get no unit, more thread blocks than tiles, columns that are split into
/// parts of unequal size, and all three kinds of WeightFetch.
std::vector<Case> casesOf(DType dtype) {
  const uint32_t block = info(dtype).blockElements;
  struct Shape {
    uint32_t rows, columns;
    DecodeTiling tiling;
    uint32_t multiprocessors;
    bool dependent;
  };
  const uint32_t unit = t16Unit(dtype)->columns;
  const uint32_t odd = block == 1 ? 328 : block * 3;
  using enum WeightFetch;
  const std::vector<Shape> shapes = {
      {37, odd, {.fetch = Registers, .warps = 2, .stages = 1}, 2, false},
      {16,
       unit * 4,
       {.fetch = AsyncCopy, .warps = 2, .groupUnits = 2},
       3,
       false},
      {53,
       unit * 5,
       {.fetch = BulkCopy, .warps = 2, .groupUnits = 2, .stages = 3},
       1,
       true},
      {33,
       unit * 3 + (block == 1 ? 8 : 0),
       {.fetch = BulkCopy, .warps = 4, .splits = 2, .reduceTiles = 2},
       2,
       true},
      {70,
       unit * 6,
       {.fetch = AsyncCopy,
        .warps = 1,
        .groupUnits = 3,
        .stages = 3,
        .splits = 2},
       2,
       false},
  };
  // Unless AIR_TEST_ALL is set, each shape is tested with only one number of
  // tokens and one layout.
  const bool all = std::getenv("AIR_TEST_ALL") != nullptr;
  const bool hasIndices = t16IndexUnit(dtype).isOk();
  auto index = static_cast<uint32_t>(dtype);
  std::vector<Case> cases;
  for (const Shape &shape : shapes) {
    ++index;
    // If the dtype has two layouts, they alternate from shape to shape.
    const bool isOdd =
        (static_cast<uint32_t>(dtype) + (&shape - shapes.data())) % 2 != 0;
    for (const uint32_t tokens : {1U, 2U, 5U, 8U}) {
      if (index++ % 4 != 0 && !all) {
        continue;
      }
      for (const Layout layout : {Layout::T16, Layout::T16Indices}) {
        const bool isIndices = layout == Layout::T16Indices;
        if ((isIndices && !hasIndices) ||
            (hasIndices && !all && isIndices != isOdd)) {
          continue;
        }
        Case one;
        one.spec = {.dtype = dtype,
                    .layout = layout,
                    .rows = shape.rows,
                    .columns = shape.columns,
                    .tokens = tokens,
                    .multiprocessors = shape.multiprocessors,
                    .dependentLaunch = shape.dependent,
                    .tiling = shape.tiling};
        one.target = *cudaTarget("sm_90a");
        cases.push_back(one);
      }
    }
  }
  if (dtype == DType::BF16 || dtype == DType::F16) {
    // The matrix has 5 tiles, and some thread blocks have a number of tiles
    // that is not a multiple of `heldTiles`. In the first case, the only thread
    // block multiplies 4 tiles together and then the last one. In the second
    // case, a thread block with 3 tiles multiplies 2 together and then the last
    // one, and a thread block with 2 tiles multiplies both together.
    Case held = cases.front();
    held.spec.rows = 70;
    held.spec.columns = unit * 7;
    held.spec.tokens = dtype == DType::BF16 ? 8 : 3;
    held.spec.multiprocessors = 1;
    held.spec.dependentLaunch = false;
    held.spec.tiling = {.fetch = AsyncCopy,
                        .warps = 2,
                        .groupUnits = 2,
                        .stages = 3,
                        .heldTiles = 4};
    cases.push_back(held);
    held.spec.tokens = 5;
    held.spec.multiprocessors = 4;
    held.spec.tiling = {.fetch = BulkCopy,
                        .warps = 2,
                        .stages = 2,
                        .splits = 2,
                        .reduceTiles = 3,
                        .heldTiles = 2};
    cases.push_back(held);
  }
  if (dtype == DType::BF16) {
    // The tensor cores of sm_75 do not multiply bfloat16.
    Case turing = cases.front();
    turing.spec.tokens = 3;
    turing.spec.dependentLaunch = false;
    turing.spec.tiling = {.fetch = Registers, .warps = 2, .stages = 1};
    turing.target = *cudaTarget("sm_75");
    cases.push_back(turing);
  }
  return cases;
}

/// Whether case `index` of casesOf(dtype) is also searched for data races.
bool searchesRaces(DType dtype, size_t index) {
  return emulator::shouldFindRaces(static_cast<uint64_t>(dtype) + index);
}

TEST(DecodeMatMulRaces, AreSearchedForEveryFetchWithAndWithoutSplits) {
  std::map<std::pair<WeightFetch, bool>, uint32_t> searched;
  for (const DType dtype : t16DTypes()) {
    const std::vector<Case> cases = casesOf(dtype);
    for (size_t i = 0; i < cases.size(); ++i) {
      const DecodeTiling &tiling = cases[i].spec.tiling;
      if (searchesRaces(dtype, i)) {
        ++searched[{tiling.fetch, tiling.splits > 1}];
      }
    }
  }
  using enum WeightFetch;
  EXPECT_GE((searched[{Registers, false}]), 1U);
  for (const WeightFetch fetch : {AsyncCopy, BulkCopy}) {
    for (const bool isSplit : {false, true}) {
      EXPECT_GE((searched[{fetch, isSplit}]), 1U)
          << static_cast<int>(fetch) << isSplit;
    }
  }
}

class EveryDType : public ::testing::TestWithParam<DType> {};

TEST_P(EveryDType, EqualsTheMatMulInDoublePrecision) {
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  const std::vector<Case> cases = casesOf(GetParam());
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  for (const Case &one : cases) {
    Result<CudaKernel> kernel =
        generateDecodeMatMul(one.spec, one.target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  for (size_t i = 0; i < cases.size(); ++i) {
    const DecodeMatMul &spec = cases[i].spec;
    const CudaKernel &kernel = kernels[i];
    SCOPED_TRACE(kernel.name);
    gpubench::Operands operands = gpubench::makeOperands(
        spec.dtype, spec.layout, spec.rows, spec.columns, spec.tokens, 11 + i);
    // Kernels copy whole units and nothing beyond them, so the packed matrix
    // needs no slack at its end.
    ASSERT_EQ(operands.packed.size(), kernel.weightBytes);
    std::vector<float> first;
    for (const bool reversed : {false, true}) {
      const float unwritten = std::bit_cast<float>(UINT32_MAX); // a NaN
      std::vector<float> y(uint64_t{spec.tokens} * spec.rows, unwritten);
      std::vector<float> partials(kernel.partialBytes / 4, unwritten);
      std::vector<uint32_t> counters(kernel.counterBytes / 4);
      emulator::EmulatedLaunch launch;
      launch.function = library->find(kernel.name);
      ASSERT_NE(launch.function, nullptr);
      launch.gridX = kernel.gridX;
      launch.gridY = kernel.gridY;
      launch.threads = kernel.threads;
      launch.sharedBytes = kernel.sharedBytes;
      launch.reversed = reversed;
      launch.findRaces = !reversed && searchesRaces(GetParam(), i);
      launch.names = kernel.bindings;
      launch.bindings = {operands.packed.data(), operands.x.data(), y.data(),
                         partials.data(), counters.data()};
      if (spec.dependentLaunch) {
        launch.dependent = {{reinterpret_cast<uint8_t *>(operands.x.data()),
                             operands.x.size() * 2}};
      }
      const Status status = emulator::run(launch);
      ASSERT_TRUE(status.isOk()) << status.message();
      const gpubench::Difference difference =
          gpubench::compare(operands, y, spec.rows, spec.tokens);
      EXPECT_LT(difference.worstShare, 1)
          << "relative error " << difference.relative << ", worst at "
          << difference.worstAt;
      EXPECT_EQ(counters, std::vector<uint32_t>(counters.size(), 0));
      if (reversed) {
        EXPECT_EQ(std::memcmp(first.data(), y.data(), y.size() * 4), 0)
            << "the result depends on the order of threads";
      }
      first = y;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(T16, EveryDType,
                         ::testing::ValuesIn(t16DTypes().begin(),
                                             t16DTypes().end()),
                         [](const auto &one) {
                           return std::string(air::info(one.param).name);
                         });

} // namespace
} // namespace air::codegen::cuda
