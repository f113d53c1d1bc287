//===- RefusalTest.cpp - unsupported kernel specs are refused -------------===//
#include "codegen/KernelSpec.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace air::codegen {
namespace {

KernelSpec attention() {
  KernelSpec spec;
  spec.op = KernelOp::Attention;
  spec.heads = 8;
  spec.kvHeads = 2;
  spec.headDim = 64;
  spec.kvPageBytes = 2 * 2 * 64 * 64 * 2;
  return spec;
}

KernelSpec ropeAppend() {
  KernelSpec spec = attention();
  spec.op = KernelOp::RopeAppend;
  spec.rope = RopeKind::Neox;
  spec.ropeDim = 64;
  return spec;
}

KernelSpec row(KernelOp op) {
  KernelSpec spec;
  spec.op = op;
  return spec;
}

KernelSpec byteMatMul(DType dtype) {
  KernelSpec spec = row(KernelOp::MatMul);
  spec.dtype = dtype;
  spec.activation = Activation::I8x2;
  spec.n = spec.yStride = 16;
  spec.k = 256;
  return spec;
}

KernelSpec wideMatMul() {
  KernelSpec spec = byteMatMul(DType::Q4_K);
  spec.mClass = MClass::Large;
  spec.activation = Activation::I8;
  return spec;
}

struct Refusal {
  const char *name;
  KernelSpec spec;
  ErrorCode code;
  const char *says;
};

KernelSpec with(KernelSpec spec,
                const std::function<void(KernelSpec &)> &edit) {
  edit(spec);
  return spec;
}

TEST(Refusal, ImpossibleAndUnsupportedShapesNameTheirNumbers) {
  const Refusal refusals[] = {
      {"quantised KV",
       with(attention(), [](KernelSpec &s) { s.kvDtype = DType::Q8_0; }),
       ErrorCode::Unsupported, "Q8_0"},
      {"no head", with(attention(), [](KernelSpec &s) { s.headDim = 0; }),
       ErrorCode::Unsupported, "heads have 0 elements"},
      {"huge head", with(attention(), [](KernelSpec &s) { s.headDim = 2048; }),
       ErrorCode::Unsupported, "heads have 2048 elements; 1 to 1024"},
      {"no KV heads", with(attention(), [](KernelSpec &s) { s.kvHeads = 0; }),
       ErrorCode::Internal, "0 KV heads"},
      {"uneven groups", with(attention(), [](KernelSpec &s) { s.heads = 9; }),
       ErrorCode::Internal, "9 heads"},
      {"large groups", with(attention(), [](KernelSpec &s) { s.heads = 514; }),
       ErrorCode::Unsupported, "257 query heads share a KV head; at most 256"},
      {"small page",
       with(attention(), [](KernelSpec &s) { s.kvPageBytes -= 64; }),
       ErrorCode::Internal, "kvPageBytes is 32704"},
      {"crooked page",
       with(attention(), [](KernelSpec &s) { s.kvPageBytes += 8; }),
       ErrorCode::Internal, "kvPageBytes is 32776"},
      {"no ranges", with(attention(), [](KernelSpec &s) { s.ranges = 0; }),
       ErrorCode::Internal, "into 0 ranges; the number must be 1 to 64"},
      {"too many ranges",
       with(attention(), [](KernelSpec &s) { s.ranges = 65; }),
       ErrorCode::Internal, "into 65 ranges; the number must be 1 to 64"},
      {"ranges of several tokens",
       with(attention(),
            [](KernelSpec &s) {
              s.ranges = 2;
              s.mClass = MClass::Small;
            }),
       ErrorCode::Internal, "into 2 ranges; the number must be 1"},
      {"merge of no head",
       with(attention(),
            [](KernelSpec &s) {
              s.op = KernelOp::AttentionMerge;
              s.headDim = 0;
            }),
       ErrorCode::Unsupported, "heads have 0 elements"},
      {"rope of an odd width",
       with(ropeAppend(), [](KernelSpec &s) { s.ropeDim = 63; }),
       ErrorCode::Internal, "elements of a head, is 63; it must be even"},
      {"rope wider than a head",
       with(ropeAppend(), [](KernelSpec &s) { s.ropeDim = 66; }),
       ErrorCode::Internal, "elements of a head, is 66"},
      {"rope of no width",
       with(ropeAppend(), [](KernelSpec &s) { s.ropeDim = 0; }),
       ErrorCode::Internal, "elements of a head, is 0"},
      {"angles of no width", row(KernelOp::RopeAngles), ErrorCode::Internal,
       "elements of a head, is 0"},
      {"norm of no width", row(KernelOp::RmsNorm), ErrorCode::Internal,
       "the width k of the rows to normalise is 0"},
      {"sum of no width", row(KernelOp::Add), ErrorCode::Internal,
       "the width k of the rows to add is 0"},
      {"product of no width", row(KernelOp::SiluMul), ErrorCode::Internal,
       "the width k of the rows of gate and up is 0"},
      {"half a block of activations",
       with(row(KernelOp::PackActivations),
            [](KernelSpec &s) {
              s.k = 48;
              s.activation = Activation::I8;
            }),
       ErrorCode::Internal, "the width k of the activations is 48"},
      {"floats as they are",
       with(row(KernelOp::PackActivations), [](KernelSpec &s) { s.k = 64; }),
       ErrorCode::Internal, "cannot be packed into format f32"},
      {"many tokens of floats",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) {
              s.activation = Activation::F32;
              s.mClass = MClass::Large;
            }),
       ErrorCode::Unsupported, "must be packed for batches of 9 or more"},
      {"one token of packed floats",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.activation = Activation::F32x16; }),
       ErrorCode::Unsupported, "and unpacked for smaller batches"},
      {"one matrix that is joined",
       with(byteMatMul(DType::Q4_K), [](KernelSpec &s) { s.isJoined = true; }),
       ErrorCode::Internal, "isJoined must not be set"},
      // A row of gate and up together is longer than what is supported.
      {"a long joined row",
       with(byteMatMul(DType::F32),
            [](KernelSpec &s) {
              s.op = KernelOp::GluMatMul;
              s.activation = Activation::F32;
              s.yStride = 0;
              s.k = (uint64_t{1} << 24) + 1;
              s.isJoined = true;
            }),
       ErrorCode::Unsupported,
       "takes 67108868 bytes; at most 67108864 are supported"},
      {"bytes of floats", byteMatMul(DType::F16), ErrorCode::Unsupported,
       "F16 in layout x16"},
      {"bytes of rows",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.layout = Layout::Rows; }),
       ErrorCode::Unsupported, "Q4_K in layout rows"},
      {"tokens of one",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.tiles.tokens = 16; }),
       ErrorCode::Internal,
       "tiles.tokens is 16, but this kernel does not use it"},
      {"a panel of none",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.tiles.panelColumns = 256; }),
       ErrorCode::Internal, "tiles.panelColumns is 256, but this kernel does"},
      {"uneven tokens",
       with(wideMatMul(), [](KernelSpec &s) { s.tiles.tokens = 24; }),
       ErrorCode::Internal,
       "tiles.tokens is 24; it must be a multiple of 16 and at most 1024"},
      {"half a block",
       with(wideMatMul(), [](KernelSpec &s) { s.tiles.panelColumns = 128; }),
       ErrorCode::Internal,
       "tiles.panelColumns is 128; it must be a multiple of 256"},
      {"many groups",
       with(wideMatMul(), [](KernelSpec &s) { s.tiles.rowBlocks = 97; }),
       ErrorCode::Internal, "tiles.rowBlocks is 97; it must be at most 96"},
      {"many sums",
       with(wideMatMul(),
            [](KernelSpec &s) {
              s.tiles.rowBlocks = 96;
              s.tiles.tokens = 512;
            }),
       ErrorCode::Internal, "3145728 bytes of sums; the limit is 1048576"},
      {"far ahead",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.tiles.prefetchBytes = 1 << 21; }),
       ErrorCode::Internal,
       "tiles.prefetchBytes is 2097152; it must be a multiple of 64 and at "
       "most 1048576"},
      {"a distance to nowhere",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.tiles.prefetchBytes = 1024; }),
       ErrorCode::Internal,
       "tiles.prefetchBytes is 1024, but tiles.prefetchHint is not set"},
      {"a prefetch of nothing",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) {
              s.tiles.prefetchHint = StreamHint::None;
              s.tiles.prefetchBytes = 1024;
            }),
       ErrorCode::Internal,
       "tiles.prefetchHint is none and tiles.prefetchBytes is 1024; "
       "tiles.prefetchBytes must be 0"},
      {"no distance",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) { s.tiles.prefetchHint = StreamHint::Nta; }),
       ErrorCode::Internal,
       "tiles.prefetchHint is nta and tiles.prefetchBytes is 0; with "
       "this hint, tiles.prefetchBytes must be at least 1"},
      {"a distance of panels",
       with(wideMatMul(),
            [](KernelSpec &s) {
              s.tiles.prefetchHint = StreamHint::T1;
              s.tiles.prefetchBytes = 1024;
            }),
       ErrorCode::Internal,
       "tiles.prefetchBytes is 1024, but this kernel does not use it"},
      {"panels ahead",
       with(wideMatMul(),
            [](KernelSpec &s) { s.tiles.prefetchHint = StreamHint::T1T0; }),
       ErrorCode::Internal,
       "tiles.prefetchHint is t1t0, but this kernel has no prefetch distance"},
      {"gathers ahead",
       with(byteMatMul(DType::Q4_K),
            [](KernelSpec &s) {
              s.layout = Layout::Rows;
              s.activation = Activation::F32;
              s.tiles.prefetchHint = StreamHint::T0;
            }),
       ErrorCode::Internal,
       "tiles.prefetchHint is t0, but this kernel has no prefetches"},
  };
  const Result<MachineProfile> target = resolveProfile("x86-64-v3");
  ASSERT_TRUE(target.isOk());
  ASSERT_TRUE(describeKernel(attention(), *target).isOk());
  ASSERT_TRUE(describeKernel(ropeAppend(), *target).isOk());
  for (const Refusal &refusal : refusals) {
    for (const Status &status :
         {describeKernel(refusal.spec, *target).status(),
          compileKernels({&refusal.spec, 1}, *target, 1).status()}) {
      EXPECT_EQ(status.code(), refusal.code) << refusal.name;
      EXPECT_THAT(status.message(), testing::HasSubstr(refusal.says))
          << refusal.name;
    }
  }
}

TEST(Refusal, BytesNeedProductsOfThem) {
  const Result<MachineProfile> target = resolveProfile("aarch64-neon");
  ASSERT_TRUE(target.isOk());
  const KernelSpec spec = byteMatMul(DType::Q4_K);
  for (const Status &status :
       {describeKernel(spec, *target).status(),
        compileKernels({&spec, 1}, *target, 1).status()}) {
    EXPECT_EQ(status.code(), ErrorCode::Unsupported);
    EXPECT_THAT(status.message(), testing::HasSubstr("'dotprod'"));
  }
}

TEST(Refusal, Bf16NeedsBf16) {
  const KernelSpec spec = with(wideMatMul(), [](KernelSpec &s) {
    s.dtype = DType::BF16;
    s.activation = Activation::BF16x32;
  });
  EXPECT_TRUE(describeKernel(spec, *resolveProfile("x86-64-v4-bf16")).isOk());
  const auto few = [](KernelSpec &s) { s.mClass = MClass::Small; };
  const auto halves = [](KernelSpec &s) { s.dtype = DType::F16; };
  const auto quantised = [](KernelSpec &s) { s.dtype = DType::Q4_K; };
  EXPECT_TRUE(
      describeKernel(with(spec, quantised), *resolveProfile("x86-64-v4-amx"))
          .isOk());
  const auto panel = [](KernelSpec &s) { s.tiles.panelColumns = 256; };
  struct Case {
    const char *target;
    KernelSpec spec;
    ErrorCode code;
    const char *says;
  };
  for (const Case &test :
       {Case{"x86-64-v4-vnni", spec, ErrorCode::Unsupported, "'avx512bf16'"},
        Case{"aarch64-i8mm", spec, ErrorCode::Unsupported, "'avx512bf16'"},
        Case{"x86-64-v4-bf16", with(spec, few), ErrorCode::Unsupported,
             "only for batches of 9 or more tokens and with BF16 weights or"},
        // Converting an F16 weight to bfloat16 would lose three of its bits.
        Case{"x86-64-v4-bf16", with(spec, halves), ErrorCode::Unsupported,
             "with BF16 weights or"},
        Case{"x86-64-v4-amx", with(spec, halves), ErrorCode::Unsupported,
             "with BF16 weights or"},
        // Without tile registers, int8 activations are faster.
        Case{"x86-64-v4-bf16", with(spec, quantised), ErrorCode::Unsupported,
             "on targets with the feature 'amx-bf16', quantised weights"},
        Case{"x86-64-v4-bf16", with(spec, panel), ErrorCode::Internal,
             "tiles.panelColumns is 256, but this kernel does not use it"}}) {
    const MachineProfile target = *resolveProfile(test.target);
    for (const Status &status :
         {describeKernel(test.spec, target).status(),
          compileKernels({&test.spec, 1}, target, 1).status()}) {
      EXPECT_EQ(status.code(), test.code) << test.says;
      EXPECT_THAT(status.message(), testing::HasSubstr(test.says));
    }
  }
}

TEST(Activations, AreBf16ForManyTokensOfIt) {
  const auto best = [](DType dtype, MClass mClass, const char *target,
                       Precision precision) {
    KernelSpec spec = byteMatMul(dtype);
    spec.mClass = mClass;
    return bestActivation(spec, *resolveProfile(target), precision);
  };
  const char *target = "x86-64-v4-bf16";
  EXPECT_EQ(best(DType::BF16, MClass::Large, target, Precision::Int8),
            Activation::BF16x32);
  for (const MClass mClass : {MClass::One, MClass::Small}) {
    EXPECT_EQ(best(DType::BF16, mClass, target, Precision::Int8),
              Activation::F32);
  }
  for (const Precision precision : {Precision::Float, Precision::Int15}) {
    EXPECT_EQ(best(DType::BF16, MClass::Large, target, precision),
              Activation::F32x16);
  }
  for (const DType dtype : {DType::F16, DType::F32}) {
    EXPECT_EQ(best(dtype, MClass::Large, target, Precision::Int8),
              Activation::F32x16);
  }
  EXPECT_EQ(best(DType::BF16, MClass::Large, "x86-64-v4-vnni", Precision::Int8),
            Activation::F32x16);
  EXPECT_EQ(best(DType::Q4_K, MClass::Large, target, Precision::Int8),
            Activation::I8Grid);
}

TEST(Activations, AreBf16ForManyTokensOnTiles) {
  KernelSpec spec = byteMatMul(DType::Q6_K);
  spec.mClass = MClass::Large;
  const MachineProfile tiles = *resolveProfile("x86-64-v4-amx");
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Int8), Activation::BF16x32);
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Int15), Activation::I8x2);
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Float), Activation::F32x16);
  spec.dtype = DType::F16;
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Int8), Activation::F32x16);
  // Usually, few logits are requested, even of a batch with many tokens.
  spec.dtype = DType::Q6_K;
  spec.rowsFrom = RowsFrom::Outputs;
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Int8), Activation::I8Grid);
  spec.rowsFrom = RowsFrom::Tokens;
  spec.mClass = MClass::Small;
  EXPECT_EQ(bestActivation(spec, tiles, Precision::Int8), Activation::I8Grid);
}

TEST(Activations, AreBytesWhereAKernelTakesThem) {
  const auto best = [](const KernelSpec &spec, const std::string &target,
                       Precision precision = Precision::Int15) {
    return bestActivation(spec, *resolveProfile(target), precision);
  };
  KernelSpec spec = byteMatMul(DType::Q4_K);
  for (const MClass mClass : {MClass::One, MClass::Small, MClass::Large}) {
    spec.mClass = mClass;
    for (const std::string &target : builtinProfiles()) {
      EXPECT_EQ(best(spec, target), target != "aarch64-neon" ? Activation::I8x2
                                    : mClass == MClass::Large
                                        ? Activation::F32x16
                                        : Activation::F32)
          << target;
    }
  }
  EXPECT_EQ(best(spec, "x86-64-v4-vnni", Precision::Int8), Activation::I8Grid);
  EXPECT_EQ(best(spec, "aarch64-neon", Precision::Int8), Activation::F32x16);
  EXPECT_EQ(best(spec, "x86-64-v4-vnni", Precision::Float), Activation::F32x16);
  spec.mClass = MClass::One;
  EXPECT_EQ(best(spec, "x86-64-v4-vnni", Precision::Int8), Activation::I8x2);
  EXPECT_EQ(best(spec, "x86-64-v4-vnni", Precision::Float), Activation::F32);
  // On targets that multiply bytes with vpmaddubsw, products of 8-bit weights
  // cost twice as much as products of narrower weights. I8x2, which multiplies
  // every weight by two bytes, is then often slower than float32.
  spec = byteMatMul(DType::Q8_0);
  EXPECT_EQ(best(spec, "x86-64-v3"), Activation::I8x2);
  EXPECT_EQ(best(spec, "x86-64-v4"), Activation::F32);
  spec.mClass = MClass::Small;
  EXPECT_EQ(best(spec, "x86-64-v3"), Activation::F32);
  for (const char *target :
       {"x86-64-v3-vnni", "x86-64-v4-vnni", "aarch64-dotprod"}) {
    EXPECT_EQ(best(spec, target), Activation::I8x2) << target;
  }
  for (const char *target : {"x86-64-v3", "x86-64-v4"}) {
    EXPECT_EQ(best(spec, target, Precision::Int8), Activation::I8) << target;
    // On targets that multiply bytes with vpmaddubsw, dtypes with a scale per
    // 16 columns cost twice as much as other dtypes, so I8x2 is not used for
    // large M.
    KernelSpec many = byteMatMul(DType::Q6_K);
    many.mClass = MClass::Large;
    EXPECT_EQ(best(many, target), Activation::F32x16) << target;
    EXPECT_EQ(best(many, target, Precision::Int8), Activation::I8Grid)
        << target;
    many.mClass = MClass::Small;
    EXPECT_EQ(best(many, target), Activation::I8x2) << target;
  }
  // With I8x2, a large-M kernel would look up the codebook again for every four
  // tokens. This takes too long, so another format is chosen for large M.
  spec = byteMatMul(DType::IQ2_XS);
  for (const char *target : {"x86-64-v3", "x86-64-v4-vnni"}) {
    spec.mClass = MClass::Large;
    EXPECT_EQ(best(spec, target), Activation::F32x16) << target;
    EXPECT_EQ(best(spec, target, Precision::Int8), Activation::I8Grid)
        << target;
    spec.mClass = MClass::One;
    EXPECT_EQ(best(spec, target), Activation::I8x2) << target;
  }
  spec.layout = Layout::Rows;
  EXPECT_EQ(best(spec, "x86-64-v4-vnni"), Activation::F32);
  EXPECT_EQ(best(byteMatMul(DType::F16), "x86-64-v4-vnni"), Activation::F32);
  EXPECT_EQ(best(row(KernelOp::EmbedRows), "x86-64-v4-vnni"), Activation::F32);
}

// The tiles of attention are small enough for every thread to have work: a tile
// has one token and one KV head in decode, and several tokens in prefill. The
// scratch of a tile fits into the L2 cache.
TEST(Grid, AttentionFollowsItsClass) {
  const Result<MachineProfile> target = resolveProfile("x86-64-v4");
  ASSERT_TRUE(target.isOk());
  for (const auto &[mClass, heads, tokens] :
       {std::tuple(MClass::One, 8, 1), std::tuple(MClass::Small, 8, 1),
        std::tuple(MClass::Large, 2, 8), std::tuple(MClass::Large, 8, 8),
        std::tuple(MClass::Large, 64, 8)}) {
    KernelSpec spec = attention();
    spec.mClass = mClass;
    spec.heads = static_cast<uint64_t>(heads);
    const Result<KernelEntry> entry = describeKernel(spec, *target);
    ASSERT_TRUE(entry.isOk()) << entry.status().message();
    EXPECT_EQ(entry->baseTiles, 2U);
    EXPECT_EQ(entry->tokensPerTile, static_cast<uint64_t>(tokens)) << heads;
    EXPECT_LE(entry->scratchBytes, mClass == MClass::One     ? 8U << 10
                                   : mClass == MClass::Small ? 128U << 10
                                                             : 512U << 10);
  }
}

} // namespace
} // namespace air::codegen
