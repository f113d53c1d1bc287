//===- KernelBuilderTest.cpp ------------------------------------*- C++ -*-===//
#include "codegen/cpu/CompileModule.h"
#include "formats/abi/KernelAbi.h"
#include "runtime/hal/ElfLoader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace air;
using namespace air::codegen;

namespace {

CpuTarget hostTarget() {
  auto target = makeCpuTarget(hostProfile());
  EXPECT_TRUE(target.isOk()) << target.status().message();
  return target.isOk() ? *target : CpuTarget{};
}

Result<std::vector<uint8_t>>
compileOne(const CpuTarget &target,
           const std::function<void(KernelBuilder &)> &emit) {
  AIR_ASSIGN_OR_RETURN(std::string bitcode,
                       compileToBitcode("kernel", target, emit));
  return emitObject({&bitcode, 1}, target);
}

constexpr int64_t kLanes = 16;

/// Compiles `function` for the host and returns y with y[i] = function(x[i]),
/// with 16 elements per tile.
std::vector<float>
map(std::vector<float> x,
    const std::function<mlir::Value(KernelBuilder &, mlir::Value)> &function) {
  x.resize((x.size() + kLanes - 1) / kLanes * kLanes);
  std::vector<float> y(x.size());
  auto object = compileOne(hostTarget(), [&](KernelBuilder &b) {
    b.tileLoop([&](mlir::Value tile) {
      auto type = b.vec(b.f32(), kLanes);
      mlir::Value in = b.element(b.binding(0), tile, kLanes * 4);
      mlir::Value out = b.element(b.binding(1), tile, kLanes * 4);
      b.store(function(b, b.load(type, in, 4)), out, 4);
    });
  });
  EXPECT_TRUE(object.isOk()) << object.status().message();
  if (!object.isOk()) {
    return y;
  }
  auto image = rt::ElfImage::load(*object, "test");
  EXPECT_TRUE(image.isOk()) << image.status().message();
  void *bindings[] = {x.data(), y.data()};
  AirBatch batch{};
  AirDispatch dispatch{&batch, bindings};
  (*image->entry("kernel"))(&dispatch, 0, x.size() / kLanes, nullptr);
  return y;
}

/// The error of `got` in units in the last place of the float nearest `want`.
double ulps(float got, double want) {
  auto nearest = static_cast<float>(want);
  if (std::isinf(nearest) || std::isinf(got)) {
    return got == nearest ? 0 : std::numeric_limits<double>::infinity();
  }
  float magnitude = std::abs(nearest);
  double unit =
      std::nextafter(magnitude, std::numeric_limits<float>::infinity()) -
      magnitude;
  return std::abs(static_cast<double>(got) - want) / unit;
}

TEST(KernelBuilder, ExpIsWithinTwoUlps) {
  std::vector<float> x;
  for (double v = -110; v < 95; v += 0.00137) {
    x.push_back(static_cast<float>(v));
  }
  std::vector<float> y =
      map(x, [](KernelBuilder &b, mlir::Value v) { return b.exp(v); });
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, ulps(y[i], std::exp(static_cast<double>(x[i]))));
  }
  EXPECT_LE(worst, 2.0);
}

TEST(KernelBuilder, ExpAtTheEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> y =
      map({0.0F, -0.0F, inf, -inf, std::nanf(""), 1e30F, -1e30F},
          [](KernelBuilder &b, mlir::Value v) { return b.exp(v); });
  EXPECT_EQ(y[0], 1.0F);
  EXPECT_EQ(y[1], 1.0F);
  EXPECT_EQ(y[2], inf);
  EXPECT_EQ(y[3], 0.0F);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(y[5], inf);
  EXPECT_EQ(y[6], 0.0F);
}

TEST(KernelBuilder, SiluIsClose) {
  std::vector<float> x;
  for (double v = -60; v < 60; v += 0.0071) {
    x.push_back(static_cast<float>(v));
  }
  std::vector<float> y =
      map(x, [](KernelBuilder &b, mlir::Value v) { return b.silu(v); });
  for (size_t i = 0; i < x.size(); ++i) {
    double v = x[i];
    EXPECT_LE(ulps(y[i], v / (1 + std::exp(-v))), 4.0) << v;
  }
}

TEST(CompileModule, AnUndefinedSymbolIsNamed) {
  auto object = compileOne(hostTarget(), [](KernelBuilder &b) {
    mlir::Value x = b.load(b.f32(), b.binding(0), 4);
    b.store(b.intrinsic(b.f32(), "llvm.exp.f32", {x}), b.binding(1), 4);
  });
  ASSERT_FALSE(object.isOk());
  EXPECT_EQ(object.status().code(), ErrorCode::Internal);
  EXPECT_NE(object.status().message().find("'expf'"), std::string::npos)
      << object.status().message();
}

TEST(CompileModule, AWrongIntrinsicIsAnError) {
  auto bitcode = compileToBitcode("broken", hostTarget(), [](KernelBuilder &b) {
    b.intrinsic(b.f32(), "llvm.no.such.thing", {b.f32(1.0F)});
  });
  ASSERT_FALSE(bitcode.isOk());
  EXPECT_EQ(bitcode.status().code(), ErrorCode::Internal);
  EXPECT_NE(bitcode.status().message().find("broken"), std::string::npos);
}

TEST(CompileModule, AnInvalidFunctionIsAnError) {
  auto bitcode =
      compileToBitcode("invalid", hostTarget(), [](KernelBuilder &b) {
        // This op is invalid, because its result has 4 lanes, but its operands
        // are scalars.
        mlir::arith::AddFOp::create(b.ops(), b.loc(), b.vec(b.f32(), 4),
                                    b.f32(1.0F), b.f32(1.0F));
      });
  ASSERT_FALSE(bitcode.isOk());
  EXPECT_NE(bitcode.status().message().find("invalid"), std::string::npos);
}

TEST(CompileModule, ALoopOfStoresStaysALoop) {
  // If LLVM assumed that a libc exists, it would turn this loop into a call of
  // memset.
  auto object = compileOne(hostTarget(), [](KernelBuilder &b) {
    b.loop(b.i64(0), b.tileEnd(), b.i64(1), [&](mlir::Value i) {
      b.store(b.i32(0), b.element(b.binding(0), i, 4), 4);
    });
  });
  EXPECT_TRUE(object.isOk()) << object.status().message();
}

TEST(CompileModule, KernelsShareATable) {
  CpuTarget target = hostTarget();
  std::vector<uint8_t> bytes(4096, 7);
  auto user = [&](KernelBuilder &b) {
    mlir::Value place = b.offset(b.table("shared", bytes), b.tileBegin());
    b.store(b.load(b.i8(), place, 1), b.binding(0), 1);
  };
  std::vector<std::string> bitcodes;
  for (const char *name : {"first", "second"}) {
    auto bitcode = compileToBitcode(name, target, user);
    ASSERT_TRUE(bitcode.isOk()) << bitcode.status().message();
    bitcodes.push_back(*bitcode);
  }
  auto object = emitObject(bitcodes, target);
  ASSERT_TRUE(object.isOk()) << object.status().message();
  EXPECT_LT(object->size(), 2 * bytes.size());
}

} // namespace
