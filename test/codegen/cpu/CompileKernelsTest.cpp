//===- CompileKernelsTest.cpp -----------------------------------*- C++ -*-===//
#include "codegen/KernelSpec.h"
#include "codegen/cpu/CompileModule.h"
#include "codegen/cpu/KernelRegistry.h"

#include "llvm/Object/ELFObjectFile.h"

#include <gtest/gtest.h>

#include <array>
#include <iterator>
#include <set>

using namespace air;
using namespace air::codegen;

namespace {

MachineProfile named(const std::string &name) {
  auto profile = resolveProfile(name);
  EXPECT_TRUE(profile.isOk()) << profile.status().message();
  return profile.isOk() ? *profile : MachineProfile{};
}

KernelSpec add(uint64_t width) {
  KernelSpec spec;
  spec.op = KernelOp::Add;
  spec.k = width;
  return spec;
}

KernelSpec matMul(DType dtype, MClass mClass) {
  KernelSpec spec;
  spec.op = KernelOp::MatMul;
  spec.dtype = dtype;
  spec.mClass = mClass;
  spec.activation = activationFor(Precision::Float, mClass, dtype);
  spec.n = 48;
  spec.k = 512;
  spec.yStride = 48;
  return spec;
}

std::set<std::string> definedSymbols(const std::vector<uint8_t> &object) {
  std::set<std::string> names;
  llvm::StringRef bytes(reinterpret_cast<const char *>(object.data()),
                        object.size());
  auto file = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(bytes, "object"));
  EXPECT_TRUE(static_cast<bool>(file));
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    uint32_t flags = llvm::cantFail(symbol.getFlags());
    std::string name = llvm::cantFail(symbol.getName()).str();
    EXPECT_FALSE(flags & llvm::object::SymbolRef::SF_Undefined && !name.empty())
        << name;
    if (flags & llvm::object::SymbolRef::SF_Global) {
      names.insert(name);
    }
  }
  return names;
}

TEST(CompileKernels, ObjectDefinesItsEntriesAndNothingElse) {
  std::vector<KernelSpec> specs = {add(64), add(7), add(64)};
  for (const char *target : {"x86-64-v3", "x86-64-v4", "aarch64-dotprod"}) {
    MachineProfile machine = named(target);
    auto artifact = compileKernels(specs, machine, 1);
    ASSERT_TRUE(artifact.isOk()) << artifact.status().message();
    ASSERT_EQ(artifact->entries.size(), 2U);
    std::set<std::string> names;
    for (const KernelEntry &entry : artifact->entries) {
      names.insert(entry.name);
    }
    EXPECT_EQ(names, (std::set<std::string>{"add_k64", "add_k7"}));
    EXPECT_EQ(definedSymbols(artifact->object), names);
    EXPECT_EQ(artifact->entries[0].name, "add_k64");
  }
}

TEST(CompileKernels, BytesDoNotDependOnThreadsOrOrder) {
  std::vector<KernelSpec> specs;
  for (uint64_t width = 1; width < 40; width += 3) {
    specs.push_back(add(width));
  }
  specs.push_back(matMul(DType::IQ1_S, MClass::One));
  specs.push_back(matMul(DType::IQ1_M, MClass::Large));
  auto one = compileKernels(specs, named("x86-64-v3"), 1);
  std::reverse(specs.begin(), specs.end());
  auto three = compileKernels(specs, named("x86-64-v3"), 3);
  ASSERT_TRUE(one.isOk() && three.isOk());
  EXPECT_EQ(one->object, three->object);
}

TEST(CompileKernels, DescribeAgreesWithCompile) {
  MachineProfile machine = named("x86-64-v3");
  for (MClass mClass : {MClass::One, MClass::Small, MClass::Large}) {
    KernelSpec spec = matMul(DType::Q8_0, mClass);
    auto entry = describeKernel(spec, machine);
    auto artifact = compileKernels({&spec, 1}, machine, 1);
    ASSERT_TRUE(entry.isOk() && artifact.isOk());
    ASSERT_EQ(artifact->entries.size(), 1U);
    const KernelEntry &compiled = artifact->entries[0];
    EXPECT_EQ(entry->name, compiled.name);
    EXPECT_EQ(entry->baseTiles, compiled.baseTiles);
    EXPECT_EQ(entry->tokensPerTile, compiled.tokensPerTile);
    EXPECT_EQ(entry->scratchBytes, compiled.scratchBytes);
    EXPECT_EQ(entry->weightBytes, 48U * 512 / 32 * 34);
    EXPECT_EQ(entry->flopsPerRow, 2U * 48 * 512);
    EXPECT_EQ(entry->tokensPerTile != 0, mClass == MClass::Large);
  }
}

TEST(CompileKernels, WideMatricesHaveTilesForManyThreads) {
  KernelSpec spec = matMul(DType::F16, MClass::One);
  for (uint64_t rows : {512, 4096, 14336, 128256}) {
    spec.n = rows;
    spec.yStride = rows;
    auto entry = describeKernel(spec, named("x86-64-v3"));
    ASSERT_TRUE(entry.isOk());
    EXPECT_GE(entry->baseTiles, 32U) << rows;
    EXPECT_LE(entry->baseTiles, 2000U) << rows;
  }
}

TEST(SupportedLayouts, EveryWeightDtypeHasBoth) {
  for (const DTypeInfo &type : allDTypes()) {
    std::vector<Layout> want;
    if (type.isWeight) {
      want = {Layout::X16, Layout::Rows};
    }
    EXPECT_EQ(supportedLayouts(type.id, named("x86-64-v3")), want) << type.name;
  }
}

TEST(SupportedLayouts, OnesThatAllOpsShare) {
  constexpr std::array kF16 = {DType::F16};
  constexpr std::array kX16 = {Layout::X16};
  constexpr std::array kRows = {Layout::Rows};
  constexpr std::array kBoth = {Layout::X16, Layout::Rows};
  KernelRow x16 = kernelRegistry().front();
  x16.dtypes = kF16;
  x16.layouts = kX16;
  KernelRow rows = x16;
  rows.layouts = kRows;
  KernelRow both = x16;
  both.layouts = kBoth;
  const auto common = [](const std::vector<KernelRow> &table) {
    return commonLayouts(DType::F16, table);
  };
  EXPECT_EQ(common({both, both}), std::vector(kBoth.begin(), kBoth.end()));
  EXPECT_EQ(common({both, rows, both}), std::vector{Layout::Rows});
  // The first two ops have no layout in common. The third op supports the
  // layouts of both, but that does not make any of them common to all.
  EXPECT_TRUE(common({x16, rows, both}).empty());
  EXPECT_TRUE(commonLayouts(DType::Q8_0, std::vector{both}).empty());
}

TEST(CompileKernels, WrongMachineIsRefused) {
  MachineProfile old = named("x86-64-v3");
  std::erase(old.features, "fma");
  KernelSpec spec = add(48);
  auto artifact = compileKernels({&spec, 1}, old, 1);
  ASSERT_FALSE(artifact.isOk());
  EXPECT_EQ(artifact.status().code(), ErrorCode::Unsupported);
  EXPECT_NE(artifact.status().message().find("'fma'"), std::string::npos);
}

TEST(CompileKernels, MoreRowsThanThirtyOneBitsAreRefused) {
  KernelSpec spec = matMul(DType::F16, MClass::One);
  spec.n = spec.yStride = (uint64_t{1} << 31) - 1;
  EXPECT_TRUE(describeKernel(spec, named("x86-64-v3")).isOk());
  spec.n = spec.yStride = uint64_t{1} << 31;
  auto entry = describeKernel(spec, named("x86-64-v3"));
  ASSERT_FALSE(entry.isOk());
  EXPECT_EQ(entry.status().code(), ErrorCode::Unsupported);
  EXPECT_EQ(entry.status().message(),
            "CPU kernels: the field 'n' is 2147483648; it must be at most "
            "2147483647");
}

TEST(CompileKernels, ImpossibleShapeNamesTheKernel) {
  KernelSpec spec = add(0);
  auto entry = describeKernel(spec, named("x86-64-v3"));
  ASSERT_FALSE(entry.isOk());
  EXPECT_NE(entry.status().message().find("add"), std::string::npos);
}

TEST(KernelName, EveryFieldTellsSpecsApart) {
  std::vector<KernelSpec> specs(1);
  auto change = [&](auto field, auto value) {
    KernelSpec spec;
    spec.*field = value;
    specs.push_back(spec);
  };
  for (KernelOp op :
       {KernelOp::EmbedRows, KernelOp::RmsNorm, KernelOp::GluMatMul,
        KernelOp::RopeAngles, KernelOp::RopeAppend, KernelOp::Attention,
        KernelOp::AttentionMerge, KernelOp::Add, KernelOp::SiluMul}) {
    change(&KernelSpec::op, op);
  }
  change(&KernelSpec::mClass, MClass::Small);
  change(&KernelSpec::mClass, MClass::Large);
  change(&KernelSpec::dtype, DType::Q4_K);
  change(&KernelSpec::dtype, DType::Q4_0);
  change(&KernelSpec::layout, Layout::Rows);
  change(&KernelSpec::n, uint64_t{3});
  change(&KernelSpec::k, uint64_t{3});
  change(&KernelSpec::yStride, uint64_t{3});
  change(&KernelSpec::yOffset, uint64_t{3});
  change(&KernelSpec::accumulate, true);
  change(&KernelSpec::hasRowScales, true);
  change(&KernelSpec::isJoined, true);
  change(&KernelSpec::hasBias, true);
  change(&KernelSpec::rowsFrom, RowsFrom::Outputs);
  change(&KernelSpec::activation, Activation::I8x2);
  change(&KernelSpec::scale, 0.5F);
  change(&KernelSpec::scale, -1.0F);
  change(&KernelSpec::epsilon, 1e-5F);
  change(&KernelSpec::epsilon, 1e-6F);
  change(&KernelSpec::heads, uint64_t{3});
  change(&KernelSpec::kvHeads, uint64_t{3});
  change(&KernelSpec::headDim, uint64_t{3});
  change(&KernelSpec::ropeDim, uint64_t{3});
  change(&KernelSpec::rope, RopeKind::Norm);
  change(&KernelSpec::rope, RopeKind::Neox);
  change(&KernelSpec::qkNorm, true);
  change(&KernelSpec::kvDtype, DType::F32);
  change(&KernelSpec::kvPageBytes, uint64_t{3});
  change(&KernelSpec::cacheGroup, uint32_t{3});
  change(&KernelSpec::ranges, uint64_t{3});
  change(&KernelSpec::tiles, MatMulTiles{.rowBlocks = 3});
  change(&KernelSpec::tiles, MatMulTiles{.tokens = 3});
  change(&KernelSpec::tiles, MatMulTiles{.panelColumns = 3});
  change(&KernelSpec::tiles, MatMulTiles{.prefetchBytes = 3});
  for (StreamHint hint : {StreamHint::None, StreamHint::Nta, StreamHint::T0,
                          StreamHint::T1, StreamHint::T2, StreamHint::T1T0}) {
    change(&KernelSpec::tiles, MatMulTiles{0, 0, 0, 0, hint});
    change(&KernelSpec::tiles, MatMulTiles{0, 0, 0, 3, hint});
  }
  std::set<std::string> names;
  for (const KernelSpec &spec : specs) {
    EXPECT_TRUE(names.insert(kernelName(spec)).second) << kernelName(spec);
  }
}

TEST(KernelRegistry, RowsAreInOrderAndNamedAsTheirKernels) {
  int previous = -1;
  for (const KernelRow &row : kernelRegistry()) {
    EXPECT_GT(static_cast<int>(row.op), previous);
    previous = static_cast<int>(row.op);
    KernelSpec spec;
    spec.op = row.op;
    EXPECT_TRUE(kernelName(spec).starts_with(row.name)) << row.name;
    EXPECT_EQ(row.dtypes.empty(), row.layouts.empty()) << row.name;
  }
}

std::string assemblyOf(const KernelSpec &spec, const std::string &target) {
  const Result<CpuTarget> cpu = makeCpuTarget(named(target));
  const Result<const KernelRow *> row = findKernelRow(spec);
  if (!cpu || !row) {
    return "";
  }
  const Result<std::string> bitcode = compileToBitcode(
      "kernel", *cpu, [&](KernelBuilder &b) { (*row)->emit(b, spec); });
  const Result<std::string> text =
      bitcode ? emitAssembly({&*bitcode, 1}, *cpu) : bitcode;
  EXPECT_TRUE(text.isOk()) << text.status().message();
  return text ? *text : "";
}

TEST(CompileKernels, TilesAreConfiguredUsedAndReleased) {
  KernelSpec pairs = matMul(DType::BF16, MClass::Large);
  pairs.activation = Activation::BF16x32;
  KernelSpec rounded = matMul(DType::Q6_K, MClass::Large);
  rounded.activation = Activation::BF16x32;
  KernelSpec bytes = matMul(DType::Q4_0, MClass::Large);
  bytes.activation = Activation::I8;
  KernelSpec halves = matMul(DType::Q6_K, MClass::Large);
  halves.activation = Activation::I8;
  struct Case {
    KernelSpec spec;
    const char *target;
    const char *product;
    bool isInTiles;
  };
  for (const Case &test :
       {Case{pairs, "x86-64-v4-amx", "\ttdpbf16ps\t", true},
        Case{pairs, "x86-64-v4-bf16", "\tvdpbf16ps\t", false},
        Case{rounded, "x86-64-v4-amx", "\ttdpbf16ps\t", true},
        Case{bytes, "x86-64-v4-amx", "\ttdpbsud\t", true},
        Case{bytes, "x86-64-v4-bf16", "\tvpdpbusd\t", false},
        // A kernel for Q6_K must not use tiles. Q6_K has a scale per 16
        // columns, so a tile multiplication would use only a quarter of the
        // tile's columns.
        Case{halves, "x86-64-v4-amx", "\tvpdpbusd\t", false}}) {
    const std::string text = assemblyOf(test.spec, test.target);
    const auto has = [&](const char *instruction) {
      return text.find(instruction) != std::string::npos;
    };
    EXPECT_TRUE(has(test.product)) << test.product;
    for (const char *instruction : {"\tldtilecfg\t", "\ttileloadd\t",
                                    "\ttilestored\t", "\ttilerelease\n"}) {
      EXPECT_EQ(has(instruction), test.isInTiles)
          << test.product << instruction;
    }
  }
}

/// The numbers of x86 prefetch instructions in the code of one kernel, by hint:
/// prefetchnta, prefetcht0, prefetcht1 and prefetcht2.
using Prefetches = std::array<size_t, 4>;

Prefetches prefetchesOf(const KernelSpec &spec) {
  const std::string text = assemblyOf(spec, "x86-64-v4-vnni");
  Prefetches found = {};
  for (size_t i = 0; i < found.size(); ++i) {
    constexpr const char *kNames[] = {"\tprefetchnta\t", "\tprefetcht0\t",
                                      "\tprefetcht1\t", "\tprefetcht2\t"};
    const std::string name = kNames[i];
    for (size_t at = text.find(name); at != std::string::npos;
         at = text.find(name, at + 1)) {
      ++found[i];
    }
  }
  return found;
}

} // namespace

TEST(CompileKernels, HintsBecomeInstructions) {
  KernelSpec few = matMul(DType::Q4_K, MClass::One);
  few.activation = Activation::I8x2;
  KernelSpec many = matMul(DType::Q4_K, MClass::Large);
  many.activation = Activation::I8;
  constexpr StreamHint kHints[] = {StreamHint::Nta, StreamHint::T0,
                                   StreamHint::T1, StreamHint::T2};
  for (KernelSpec spec : {few, many}) {
    const bool isFew = spec.mClass == MClass::One;
    spec.tiles.prefetchHint = StreamHint::None;
    const Prefetches none = prefetchesOf(spec);
    // Even without a hint, kernels for large M prefetch activations, always
    // into L1 (prefetcht0).
    EXPECT_EQ(none, (Prefetches{0, isFew ? 0 : none[1], 0, 0}));
    for (size_t i = 0; i < std::size(kHints); ++i) {
      spec.tiles.prefetchHint = kHints[i];
      spec.tiles.prefetchBytes = isFew ? 4096 : 0;
      const Prefetches found = prefetchesOf(spec);
      for (size_t j = 0; j < found.size(); ++j) {
        EXPECT_EQ(found[j] > none[j], i == j) << i << " " << j;
      }
    }
  }
}

// T1T0 prefetches every cache line that T1 does, both into L2 and into L1.
TEST(CompileKernels, LinesArePrefetchedTwice) {
  for (DType dtype : {DType::Q4_K, DType::Q6_K, DType::Q4_0, DType::BF16}) {
    KernelSpec spec = matMul(dtype, MClass::One);
    if (dtype != DType::BF16) {
      spec.activation = Activation::I8x2;
    }
    spec.tiles.prefetchBytes = 4096;
    spec.tiles.prefetchHint = StreamHint::T1;
    const Prefetches once = prefetchesOf(spec);
    spec.tiles.prefetchHint = StreamHint::T1T0;
    const Prefetches twice = prefetchesOf(spec);
    EXPECT_EQ(twice, (Prefetches{0, once[1] + once[2], once[2], 0}))
        << info(dtype).name;
    EXPECT_GT(once[2], 0U) << info(dtype).name;
  }
}

// Nothing is known about the CPUs of the profile x86-64-v4-vnni.
TEST(CompileKernels, KernelsForUnknownCpusPrefetchIntoL2) {
  for (DType dtype : {DType::Q4_K, DType::Q4_0, DType::BF16}) {
    KernelSpec spec = matMul(dtype, MClass::One);
    if (dtype != DType::BF16) {
      spec.activation = Activation::I8x2;
    }
    const Prefetches found = prefetchesOf(spec);
    EXPECT_GT(found[2], 0U) << info(dtype).name;
    // Kernels with float32 activations also prefetch these, 128 columns in 8
    // cache lines at a time, into L1.
    const size_t lines = dtype == DType::BF16 ? 8 : 0;
    EXPECT_EQ(found, (Prefetches{0, lines, found[2], 0})) << info(dtype).name;
  }
}
