//===- PrefillMatMulTest.cpp - prefill matmuls on the emulated GPU --------===//
#include "codegen/cuda/PrefillMatMul.h"

#include "codegen/cuda/Intrinsics.h"
#include "formats/dtype/Half.h"
#include "formats/plan/T16Indices.h"
#include "test/codegen/cuda/KernelRun.h"
#include "test/codegen/cuda/MatMulFormulas.h"
#include "tools/air-gpu-bench/Operands.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

namespace air::codegen::cuda {
namespace {

/// A matmul, the kernels for it, and the number of tokens of the test.
struct Case {
  PrefillInput input;
  PrefillMatMul matMul;
  uint32_t tokens;
  CudaKernel first, second;
};

Result<Case> makeCase(const PrefillInput &input, PrefillMatMul matMul,
                      uint32_t tokens, const CudaTarget &target) {
  AIR_ASSIGN_OR_RETURN(const std::string intrinsics,
                       emulator::hostIntrinsicsText());
  matMul.dtype = input.dtype;
  matMul.columns = input.columns;
  matMul.maxTokens = input.maxTokens;
  matMul.splitActivations = input.splitActivations;
  matMul.wgmma = input.wgmma;
  matMul.outputs = input.outputs;
  matMul.dependentLaunch = input.dependentLaunch;
  AIR_ASSIGN_OR_RETURN(CudaKernel first,
                       generatePrefillInput(input, target, intrinsics));
  AIR_ASSIGN_OR_RETURN(CudaKernel second,
                       generatePrefillMatMul(matMul, target, intrinsics));
  return Case{input, matMul, tokens, std::move(first), std::move(second)};
}

Result<emulator::Library> compile(const std::vector<Case> &cases) {
  std::map<std::string, std::string> texts;
  for (const Case &one : cases) {
    texts[one.first.name] = one.first.text;
    texts[one.second.name] = one.second.text;
  }
  std::vector<std::string> list;
  for (const auto &[name, text] : texts) {
    list.push_back(text);
  }
  return emulator::Library::compile(list);
}

/// Runs both kernels of a case, each with its threads in both orders.
Status runCase(const emulator::Library &library, const Case &one,
               emulator::Buffers &buffers) {
  AIR_ASSIGN_OR_RETURN(const uint64_t bytes, prefillOperandBytes(one.input));
  // The kernels must not use values that they have not written, so these
  // buffers start as NaN.
  buffers["operands"] = std::vector<uint8_t>(bytes, 0xff);
  buffers["scales"] = emulator::unwrittenFloats((one.tokens + 7) / 8 * 8);
  buffers[one.input.outputs ? "output_count" : "token_count"] =
      emulator::bytesOf(std::vector{one.tokens});
  const bool dependent = one.input.dependentLaunch;
  AIR_RETURN_IF_ERROR(emulator::launchBothWays(library, one.first, buffers,
                                               dependent ? "x" : ""));
  return emulator::launchBothWays(library, one.second, buffers,
                                  dependent ? "operands" : "");
}

class EveryDType : public ::testing::TestWithParam<DType> {};

// The shapes cover partial tiles, units and groups of tokens, warps without
// work, thread blocks beyond the last token, targets with and without
// asynchronous copies, and wgmma.
TEST_P(EveryDType, EqualsTheMatMulInDoublePrecision) {
  const DType dtype = GetParam();
  const uint32_t block = info(dtype).blockElements;
  const uint32_t unit = t16Unit(dtype)->columns;
  struct Shape {
    uint32_t rows, columns, tokens, maxTokens;
    PrefillTiling tiling;
    const char *target;
    bool wgmma = false;
  };
  // A tiling lists row warps, row tiles, token warps, token groups and stages.
  const std::vector<Shape> shapes = {
      {37, block == 1 ? 328 : block * 3, 9, 40, {2, 1, 1, 2, 2}, "sm_90a"},
      {53, unit * 3, 27, 27, {2, 2, 2, 2, 3}, "sm_80"},
      {16, unit * 2, 1, 16, {1, 1, 2, 1, 4}, "sm_120"},
      {50, unit, 40, 64, {1, 3, 1, 2, 1}, "sm_86"},
      {33, unit + (block == 1 ? 8 : 0), 17, 24, {3, 1, 1, 3, 2}, "sm_75"},
      {70,
       block == 1 ? 200 : unit * 2,
       21,
       24,
       {4, 1, 1, 2, 2},
       "sm_90a",
       true},
      {20, unit, 19, 64, {4, 1, 2, 1, 1}, "sm_90a", true},
  };
  // Unless AIR_TEST_ALL is set, each shape is tested with only one layout. If
  // the dtype has two layouts, they alternate from shape to shape.
  const bool all = std::getenv("AIR_TEST_ALL") != nullptr;
  const bool hasIndices = t16IndexUnit(dtype).isOk();
  std::vector<Case> cases;
  for (const Shape &shape : shapes) {
    const bool isOdd =
        (static_cast<uint32_t>(dtype) + (&shape - shapes.data())) % 2 != 0;
    for (const Layout layout : {Layout::T16, Layout::T16Indices}) {
      const bool isIndices = layout == Layout::T16Indices;
      if ((isIndices && !hasIndices) ||
          (hasIndices && !all && isIndices != isOdd)) {
        continue;
      }
      const CudaTarget target = *cudaTarget(shape.target);
      PrefillInput input;
      input.dtype = dtype;
      input.columns = shape.columns;
      input.maxTokens = shape.maxTokens;
      input.wgmma = shape.wgmma;
      input.dependentLaunch = target.hasDependentLaunch;
      PrefillMatMul matMul;
      matMul.layout = layout;
      matMul.rows = shape.rows;
      matMul.tiling = shape.tiling;
      Result<Case> one = makeCase(input, matMul, shape.tokens, target);
      if (shape.wgmma && (dtype == DType::F32 || dtype == DType::F64)) {
        EXPECT_EQ(one.status().code(), ErrorCode::Unsupported);
        continue;
      }
      ASSERT_TRUE(one.isOk()) << one.status().message();
      cases.push_back(*std::move(one));
    }
  }
  const Result<emulator::Library> library = compile(cases);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case &one = cases[i];
    SCOPED_TRACE(one.second.name);
    const gpubench::Operands operands =
        gpubench::makeOperands(dtype, one.matMul.layout, one.matMul.rows,
                               one.input.columns, one.tokens, 31 + i);
    ASSERT_EQ(operands.packed.size(), one.second.weightBytes);
    std::vector<float> x;
    for (const uint16_t bits : operands.x) {
      x.push_back(halfToFloat(bits));
    }
    emulator::Buffers buffers = {
        {"weights", operands.packed},
        {"x", emulator::bytesOf(x)},
        {"y",
         emulator::unwrittenFloats(uint64_t{one.tokens} * one.matMul.rows)},
    };
    const Status status = runCase(*library, one, buffers);
    ASSERT_TRUE(status.isOk()) << status.message();
    const gpubench::Difference difference =
        gpubench::compare(operands, emulator::valuesOf<float>(buffers.at("y")),
                          one.matMul.rows, one.tokens);
    EXPECT_LT(difference.worstShare, 1)
        << "relative error " << difference.relative << ", worst at "
        << difference.worstAt;
  }
}

INSTANTIATE_TEST_SUITE_P(T16, EveryDType,
                         ::testing::ValuesIn(t16DTypes().begin(),
                                             t16DTypes().end()),
                         [](const auto &one) {
                           return std::string(air::info(one.param).name);
                         });

struct Operation {
  DType dtype;
  uint32_t rows, columns, tokens;
  MatMulInput input;
  MatMulOutput output;
  bool bias, split;
  double size = 1; ///< magnitude of the activations
  bool wgmma = false;
  bool outputs = false;
  bool rowScales = false;
};

/// Returns the rows, of `k` activations each, in reverse order and with a row
/// of NaN after each of them. Appends the new index of each row to `numbers`,
/// in the original order of the rows.
std::vector<float> scattered(const std::vector<float> &rows, uint64_t k,
                             std::vector<uint32_t> &numbers) {
  const uint64_t count = rows.size() / k;
  std::vector<float> stored(2 * rows.size(), std::nanf(""));
  for (uint64_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<uint32_t>(2 * (count - 1 - i)));
    std::copy_n(rows.begin() + static_cast<ptrdiff_t>(i * k), k,
                stored.begin() + static_cast<ptrdiff_t>(numbers.back() * k));
  }
  return stored;
}

TEST(PrefillMatMul, EqualsTheFormulasInDoublePrecision) {
  using enum MatMulInput;
  using enum MatMulOutput;
  const std::vector<Operation> operations = {
      {DType::F16, 53, 96, 13, RmsNorm, Store, true, true},
      {DType::F16, 40, 192, 20, LayerNorm, Add, true, true},
      {DType::F16, 21, 328, 9, RmsNorm, SiluGlu, false, false},
      {DType::F16, 16, 64, 10, Float, Add, false, true, 1e30},
      {DType::F16, 16, 64, 11, Float, Store, false, true, 1e-30},
      {DType::BF16, 33, 200, 12, RmsNorm, GeluGlu, true, false},
      {DType::Q8_0, 50, 384, 10, LayerNorm, Store, false, false},
      {DType::Q4_0, 19, 256, 15, RmsNorm, SiluGlu, true, false},
      {DType::Q4_K, 37, 768, 9, RmsNorm, GeluGlu, false, false},
      {DType::Q5_K, 40, 512, 16, Float, Add, true, false, 1e5},
      {DType::Q6_K, 33, 512, 18, RmsNorm, Add, false, false},
      {DType::F16, 37, 192, 20, RmsNorm, SiluGlu, true, true, 1, true},
      {DType::Q5_K, 75, 256, 11, LayerNorm, Add, true, false, 1, true},
      {DType::Q6_K, 40, 256, 11, RmsNorm, Store, false, false, 1, false, true},
      {DType::Q8_0, 40, 128, 3, Float, Store, true, false, 1, true, true},
      {DType::F32, 37, 72, 11, RmsNorm, SiluGlu, true, false},
      {DType::F32, 24, 64, 9, Float, SiluUp, false, false},
      {DType::NVFP4, 40, 128, 10, RmsNorm, SiluUp, true, false, 1, true, false,
       true},
      {DType::NVFP4, 24, 64, 12, RmsNorm, SiluGlu, true, false, 1, false, false,
       true},
  };
  const CudaTarget target = *cudaTarget("sm_90a");
  std::vector<Case> cases;
  for (const Operation &operation : operations) {
    PrefillInput input;
    input.dtype = operation.dtype;
    input.columns = operation.columns;
    input.maxTokens = 24;
    input.input = operation.input;
    input.epsilon = 1e-5F;
    input.splitActivations = operation.split;
    input.wgmma = operation.wgmma;
    input.outputs = operation.outputs;
    input.dependentLaunch = true;
    PrefillMatMul matMul;
    matMul.rows = operation.rows;
    matMul.output = operation.output;
    matMul.hasBias = operation.bias;
    matMul.hasRowScales = operation.rowScales;
    matMul.tiling = {operation.wgmma ? 4U : 2U, 1, 1, 2, 2};
    Result<Case> one = makeCase(input, matMul, operation.tokens, target);
    ASSERT_TRUE(one.isOk()) << one.status().message();
    cases.push_back(*std::move(one));
  }
  const Result<emulator::Library> library = compile(cases);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(9);
  for (size_t i = 0; i < cases.size(); ++i) {
    const Operation &operation = operations[i];
    SCOPED_TRACE(cases[i].second.name);
    // The formulas take the description of a decode matmul.
    DecodeMatMul spec;
    spec.dtype = operation.dtype;
    spec.rows = operation.rows;
    spec.columns = operation.columns;
    spec.tokens = operation.tokens;
    spec.input = operation.input;
    spec.epsilon = 1e-5F;
    spec.splitActivations = operation.split;
    spec.output = operation.output;
    const bool glu = operation.output == SiluGlu || operation.output == GeluGlu;
    const uint32_t rows = glu ? (spec.rows + 7) / 8 * 16 : spec.rows;
    const uint64_t k = spec.columns;
    const gpubench::Operands matrix = gpubench::makeOperands(
        spec.dtype, spec.layout, rows, spec.columns, 1, 90 + i);
    ASSERT_EQ(matrix.packed.size(), cases[i].second.weightBytes);
    // The range of the activations grows by a factor of 1.5 per token.
    std::vector<float> x = randomFloats(random, spec.tokens * k, -1, 1);
    for (size_t at = 0; at < x.size(); ++at) {
      x[at] *= static_cast<float>(operation.size *
                                  std::pow(1.5, static_cast<double>(at / k)));
    }
    const auto weight = randomFloats(random, k, 0.5, 1.5);
    const auto normBias = randomFloats(random, k, -1, 1);
    const auto bias =
        randomFloats(random, glu ? 2 * spec.rows : spec.rows, -2, 2);
    const auto scales = randomFloats(random, bias.size(), 0.5, 2);
    const auto before =
        randomFloats(random, uint64_t{spec.tokens} * spec.rows, -10, 10);
    emulator::Buffers buffers = {
        {"weights", matrix.packed},
        {"x", emulator::bytesOf(x)},
        {"norm_weight", emulator::bytesOf(weight)},
        {"norm_bias", emulator::bytesOf(normBias)},
        {"bias", emulator::bytesOf(bias)},
        {"row_scales", emulator::bytesOf(scales)},
        {"y", readsResult(spec.output)
                  ? emulator::bytesOf(before)
                  : emulator::unwrittenFloats(before.size())},
    };
    if (operation.outputs) {
      std::vector<uint32_t> numbers;
      buffers["x"] = emulator::bytesOf(scattered(x, k, numbers));
      buffers["output_rows"] = emulator::bytesOf(numbers);
    }
    const Status status = runCase(*library, cases[i], buffers);
    ASSERT_TRUE(status.isOk()) << status.message();
    const bool normed = spec.input != Float;
    Doubles weights =
        weightsOf(spec.dtype, spec.layout, rows, k, matrix.packed);
    if (operation.rowScales) {
      scaleRows(weights, spec, scales);
    }
    const Expected expected = expectedOf(
        spec,
        normed ? normalised(spec, widen(x), widen(weight), widen(normBias))
               : widen(x),
        weights, operation.bias ? widen(bias) : Doubles(), widen(before));
    EXPECT_LT(worstShare(emulator::valuesOf<float>(buffers.at("y")), expected),
              1)
        << "share of the allowed error";
  }
}

TEST(PrefillMatMul, RefusesWhatCannotBe) {
  const CudaTarget hopper = *cudaTarget("sm_90a");
  const CudaTarget turing = *cudaTarget("sm_75");
  PrefillInput input;
  input.columns = 4096;
  input.maxTokens = 512;
  ASSERT_TRUE(generatePrefillInput(input, hopper, "").isOk());
  const auto inputCode = [&](const PrefillInput &spec,
                             const CudaTarget &target) {
    return generatePrefillInput(spec, target, "").status().code();
  };
  PrefillInput wrong = input;
  wrong.columns = 100;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  wrong = input;
  wrong.maxTokens = 0;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  wrong.maxTokens = kMaxPrefillTokens + 1;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  EXPECT_FALSE(prefillOperandBytes(wrong).isOk());
  wrong = input;
  wrong.input = MatMulInput::Half;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  wrong = input;
  wrong.splitActivations = true;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported)
      << "only F16 weights allow it";
  wrong = input;
  wrong.dtype = DType::Q8_K;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  wrong.dtype = DType::F32;
  EXPECT_TRUE(generatePrefillInput(wrong, hopper, "").isOk());
  wrong.wgmma = true;
  EXPECT_EQ(inputCode(wrong, hopper), ErrorCode::Unsupported);
  wrong = input;
  wrong.dependentLaunch = true;
  EXPECT_EQ(inputCode(wrong, turing), ErrorCode::Unsupported);

  PrefillMatMul matMul;
  matMul.rows = 4096;
  matMul.columns = 4096;
  matMul.maxTokens = 512;
  const auto code = [&](const PrefillMatMul &spec, const CudaTarget &target) {
    return generatePrefillMatMul(spec, target, "").status().code();
  };
  ASSERT_TRUE(generatePrefillMatMul(matMul, hopper, "").isOk());
  PrefillMatMul bad = matMul;
  bad.output = MatMulOutput::Heads;
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported);
  bad = matMul;
  bad.rows = 0;
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported);
  bad = matMul;
  bad.rows = 1 << 20;
  bad.maxTokens = 4096;
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported)
      << "2^32 results need longer indices";
  bad = matMul;
  bad.tiling.rowWarps = 32;
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported);
  bad = matMul;
  bad.rows = 1 << 21;
  bad.maxTokens = 16;
  bad.tiling = {1, 1, 1, 1, 1};
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported) << "too many blocks";
  bad = matMul;
  bad.wgmma = true;
  bad.tiling = {4, 1, 1, 8, 2};
  EXPECT_TRUE(generatePrefillMatMul(bad, hopper, "").isOk());
  EXPECT_EQ(code(bad, *cudaTarget("sm_100a")), ErrorCode::Unsupported);
  bad.tiling.rowWarps = 2;
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported) << "half a warpgroup";
  bad.tiling = {4, 2, 1, 8, 2};
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported);
  bad.tiling = {4, 1, 1, 6, 2};
  EXPECT_EQ(code(bad, hopper), ErrorCode::Unsupported);
  wrong = input;
  wrong.wgmma = true;
  EXPECT_EQ(inputCode(wrong, turing), ErrorCode::Unsupported);
  bad = matMul;
  bad.tiling = {4, 2, 2, 8, 3};
  EXPECT_EQ(code(bad, turing), ErrorCode::DoesNotFit);
}

} // namespace
} // namespace air::codegen::cuda
