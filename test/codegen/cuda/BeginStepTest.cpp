//===- BeginStepTest.cpp - embeddings and angles on the emulated GPU ------===//
#include "codegen/cuda/BeginStep.h"
#include "codegen/reference/Reference.h"
#include "test/codegen/cuda/KernelRun.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace air::codegen::cuda {
namespace {

TEST(BeginStep, DequantisesRowsOfEveryDType) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  std::vector<CudaKernel> kernels;
  std::vector<std::string> texts;
  std::vector<DTypeInfo> types;
  for (const DTypeInfo &type : allDTypes()) {
    if (!type.isWeight) {
      continue;
    }
    types.push_back(type);
    BeginStep spec;
    spec.dtype = type.id;
    spec.vocabulary = 7;
    spec.columns = 512;
    spec.tokens = 3;
    spec.scale = 1.5F;
    Result<CudaKernel> kernel = generateBeginStep(spec, target, *intrinsics);
    ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
    texts.push_back(kernel->text);
    kernels.push_back(*std::move(kernel));
  }
  const Result<emulator::Library> library = emulator::Library::compile(texts);
  ASSERT_TRUE(library.isOk()) << library.status().message();
  std::mt19937_64 random(8);
  for (size_t i = 0; i < kernels.size(); ++i) {
    const DTypeInfo &type = types[i];
    SCOPED_TRACE(type.name);
    // The embeddings consist of random bits. In each of their float16 numbers,
    // whether elements or scales, the highest exponent bit is cleared, so that
    // these numbers are finite.
    const uint64_t rowBytes = 512 / type.blockElements * type.blockBytes;
    std::vector<uint8_t> table(7 * rowBytes);
    for (uint8_t &byte : table) {
      byte = static_cast<uint8_t>(random() >> 24);
    }
    if (type.id == DType::F16) {
      for (size_t at = 1; at < table.size(); at += 2) {
        table[at] &= 0xbf;
      }
    }
    for (const BlockField &field : type.fields) {
      const std::string_view name = field.name;
      if (field.unit == 2 && (name == "d" || name == "dmin" || name == "m")) {
        for (size_t at = field.offset + 1; at < table.size();
             at += type.blockBytes) {
          table[at] &= 0xbf;
        }
      }
    }
    emulator::Buffers buffers = {
        {"token_ids", emulator::bytesOf(std::vector<uint32_t>{6, 0, 7})},
        {"table", table},
        {"x", emulator::unwrittenFloats(3 * 512)},
    };
    const Status status =
        emulator::launchBothWays(*library, kernels[i], buffers);
    ASSERT_TRUE(status.isOk()) << status.message();
    const auto x = emulator::valuesOf<float>(buffers.at("x"));
    std::vector<float> row(512);
    for (const uint32_t token : {0U, 1U}) {
      dequantize(type.id, table.data() + (token == 0 ? 6 : 0) * rowBytes,
                 row.data(), 512);
      for (uint32_t e = 0; e < 512; ++e) {
        const float got = x[token * 512 + e];
        const float expected = 1.5F * row[e];
        // For dtypes with minima, the kernel may round differently from
        // dequantize() when it adds or subtracts the minimum.
        EXPECT_TRUE(got == expected ||
                    std::abs(got - expected) <= 0x1p-20F * std::abs(expected) ||
                    (std::isnan(got) && std::isnan(expected)))
            << token << ' ' << e << ": " << got << " instead of " << expected;
      }
    }
    for (uint32_t e = 0; e < 512; ++e) {
      EXPECT_TRUE(std::isnan(x[2 * 512 + e])) << "an id out of range";
    }
  }
}

/// Checks the RoPE angles that a kernel with or without embeddings computes.
void checkAngles(bool hasEmbeddings) {
  const CudaTarget target = *cudaTarget("sm_90a");
  BeginStep spec;
  spec.dtype = DType::F32;
  spec.vocabulary = hasEmbeddings ? 1 : 0;
  spec.columns = hasEmbeddings ? 4 : 0;
  spec.tokens = 10;
  spec.countInMemory = true;
  spec.ropeDim = 128;
  spec.angleScale = 1.25F;
  spec.dependentLaunch = true;
  const Result<std::string> intrinsics = emulator::hostIntrinsicsText();
  ASSERT_TRUE(intrinsics.isOk()) << intrinsics.status().message();
  const Result<CudaKernel> kernel =
      generateBeginStep(spec, target, *intrinsics);
  ASSERT_TRUE(kernel.isOk()) << kernel.status().message();
  const Result<emulator::Library> library =
      emulator::Library::compile({kernel->text});
  ASSERT_TRUE(library.isOk()) << library.status().message();
  const std::vector<uint32_t> positions = {0,     1,      2,       77,
                                           65535, 131071, 1000003, UINT32_MAX};
  std::vector<double> frequencies;
  for (uint32_t i = 0; i < 64; ++i) {
    frequencies.push_back(std::pow(10000.0, i / -64.0));
  }
  frequencies[63] = 3.5;
  frequencies[62] = 0;
  frequencies[61] = 0x1p19; // the largest that is allowed
  emulator::Buffers buffers = {
      {"token_count", emulator::bytesOf(std::vector<uint32_t>{8})},
      {"rope_positions", emulator::bytesOf(positions)},
      {"inverse_frequency", emulator::bytesOf(frequencies)},
      {"angles", emulator::unwrittenFloats(10 * 128)},
  };
  if (hasEmbeddings) {
    buffers["token_ids"] = emulator::bytesOf(std::vector<uint32_t>(8));
    buffers["table"] = emulator::bytesOf(std::vector<float>(4));
    buffers["x"] = emulator::unwrittenFloats(10 * 4);
  }
  const Status status =
      emulator::launchBothWays(*library, *kernel, buffers, "rope_positions");
  ASSERT_TRUE(status.isOk()) << status.message();
  const auto angles = emulator::valuesOf<float>(buffers.at("angles"));
  const reference::Doubles expected =
      reference::ropeAngles(frequencies, positions, 1.25);
  for (size_t i = 0; i < expected.size(); ++i) {
    // The first term bounds the rounding of a number below 2 to float32. The
    // second bounds the errors of sine and cosine.
    EXPECT_NEAR(double{angles[i]}, expected[i], 0x1p-24 + 0x1p-30) << i;
  }
  for (size_t i = expected.size(); i < angles.size(); ++i) {
    EXPECT_TRUE(std::isnan(angles[i])) << i;
  }
  if (hasEmbeddings) {
    const auto x = emulator::valuesOf<float>(buffers.at("x"));
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(std::isnan(x[i]), i >= 8 * 4) << "there are 8 tokens, not 10";
    }
  }
}

TEST(BeginStep, ComputesTheAnglesOfRoPE) { checkAngles(true); }

TEST(BeginStep, MayComputeOnlyAngles) { checkAngles(false); }

TEST(BeginStep, RefusesWhatCannotBe) {
  const CudaTarget target = *cudaTarget("sm_80");
  const auto codeOf = [&](const BeginStep &spec) {
    return generateBeginStep(spec, target, "").status().code();
  };
  BeginStep good;
  good.dtype = DType::Q8_0;
  good.vocabulary = 100;
  good.columns = 64;
  ASSERT_TRUE(generateBeginStep(good, target, "").isOk());
  BeginStep spec = good;
  spec.dtype = DType::Q8_1;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  EXPECT_EQ(generateBeginStep(spec, target, "").status().message(),
            "a kernel for sm_80 that begins a step does not support embeddings "
            "of dtype Q8_1, because weights cannot have this dtype");
  spec = good;
  spec.columns = 48;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.columns = 0;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.vocabulary = 0;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec.columns = 0;
  EXPECT_EQ(generateBeginStep(spec, target, "").status().message(),
            "a kernel for sm_80 that begins a step cannot be made because it "
            "would compute neither embeddings nor angles");
  spec = good;
  spec.ropeDim = 3;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.tokens = kMaxPrefillTokens + 1;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
  spec = good;
  spec.dependentLaunch = true;
  EXPECT_EQ(codeOf(spec), ErrorCode::Unsupported);
}

} // namespace
} // namespace air::codegen::cuda
