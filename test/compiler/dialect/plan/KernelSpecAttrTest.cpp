//===- KernelSpecAttrTest.cpp - KernelSpec <-> attribute --------*- C++ -*-===//
#include "compiler/dialect/plan/KernelSpecAttr.h"

#include <gtest/gtest.h>

using namespace air;
using namespace air::codegen;
using ir::plan::Access;
using ir::plan::BindingKind;

namespace {

std::string textOf(mlir::Attribute attr) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  attr.print(stream);
  return text;
}

// A spec in which every field differs from its default.
KernelSpec fullSpec() {
  KernelSpec spec;
  spec.op = KernelOp::RopeAppend;
  spec.mClass = MClass::Large;
  spec.dtype = DType::IQ2_XXS;
  spec.layout = Layout::Rows;
  spec.activation = codegen::Activation::I8x2;
  spec.n = 1;
  spec.k = 2;
  spec.yStride = 3;
  spec.yOffset = 4;
  spec.accumulate = true;
  spec.hasRowScales = true;
  spec.hasBias = true;
  spec.isJoined = true;
  spec.rowsFrom = RowsFrom::Outputs;
  spec.scale = 0.088388346F; // 1 / sqrt(128) in float32
  spec.epsilon = 9.99999997e-07F;
  spec.heads = 5;
  spec.kvHeads = 6;
  spec.headDim = 7;
  spec.ropeDim = 8;
  spec.rope = RopeKind::Neox;
  spec.qkNorm = true;
  spec.kvDtype = DType::F32;
  spec.kvPageBytes = 9;
  spec.cacheGroup = 15;
  spec.tiles = {10, 11, 12, 13, StreamHint::T1};
  spec.ranges = 14;
  return spec;
}

TEST(KernelSpecAttr, DefaultsAreLeftOut) {
  mlir::MLIRContext context;
  EXPECT_EQ(textOf(ir::plan::kernelSpecToAttr(&context, KernelSpec())),
            R"({op = "matmul"})");
}

TEST(KernelSpecAttr, EveryFieldComesBack) {
  mlir::MLIRContext context;
  mlir::DictionaryAttr attr = ir::plan::kernelSpecToAttr(&context, fullSpec());
  EXPECT_EQ(attr.size(), 31u);
  auto back = ir::plan::kernelSpecFromAttr(attr);
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, fullSpec());
}

TEST(KernelSpecAttr, EveryOpHasItsName) {
  mlir::MLIRContext context;
  std::set<std::string> texts;
  for (int op = 0; op <= static_cast<int>(KernelOp::PackActivations); ++op) {
    KernelSpec spec;
    spec.op = static_cast<KernelOp>(op);
    mlir::DictionaryAttr attr = ir::plan::kernelSpecToAttr(&context, spec);
    texts.insert(textOf(attr));
    auto back = ir::plan::kernelSpecFromAttr(attr);
    ASSERT_TRUE(back) << back.status().message();
    EXPECT_EQ(back->op, spec.op);
  }
  EXPECT_EQ(texts.size(), 11u);
}

// The bindings are in the order that codegen/KernelSpec.h states, with the
// right kinds and access modes.
TEST(KernelSpecAttr, BindingsFollowTheSpec) {
  auto text = [](const KernelSpec &spec) {
    std::string all;
    for (const codegen::KernelBinding &binding :
         codegen::kernelBindings(spec)) {
      all += std::string(binding.name) + " " +
             stringifyBindingKind(ir::plan::kindOf(binding)).str() + " " +
             stringifyAccess(ir::plan::accessOf(binding)).str() + ", ";
    }
    return all;
  };
  KernelSpec spec;
  spec.op = KernelOp::MatMul;
  EXPECT_EQ(text(spec), "x buffer read, w tensor read, y buffer write, ");
  spec.hasBias = true;
  spec.accumulate = true;
  EXPECT_EQ(text(spec), "x buffer read, w tensor read, bias tensor read, "
                        "y buffer read_write, ");
  spec.hasRowScales = true;
  EXPECT_EQ(text(spec), "x buffer read, w tensor read, rowScale tensor read, "
                        "bias tensor read, y buffer read_write, ");
  spec = KernelSpec();
  spec.op = KernelOp::RopeAppend;
  EXPECT_EQ(text(spec),
            "qkv buffer read_write, angles buffer read, kv kv write, ");
  spec.qkNorm = true;
  EXPECT_EQ(text(spec), "qkv buffer read_write, angles buffer read, qNorm "
                        "tensor read, kNorm tensor read, kv kv write, ");
  spec = KernelSpec();
  spec.op = KernelOp::Attention;
  EXPECT_EQ(text(spec), "qkv buffer read, kv kv read, out buffer write, ");
  spec.op = KernelOp::AttentionMerge;
  EXPECT_EQ(text(spec), "states buffer read, out buffer write, ");
  spec.op = KernelOp::GluMatMul;
  EXPECT_EQ(text(spec), "x buffer read, wGate tensor read, wUp tensor read, "
                        "h buffer write, ");
  spec.hasRowScales = true;
  EXPECT_EQ(text(spec), "x buffer read, wGate tensor read, wUp tensor read, "
                        "gateScale tensor read, upScale tensor read, h buffer "
                        "write, ");
  spec.isJoined = true;
  EXPECT_EQ(text(spec), "x buffer read, wGateUp tensor read, gateScale tensor "
                        "read, upScale tensor read, h buffer write, ");
  spec = KernelSpec();
  spec.op = KernelOp::EmbedRows;
  EXPECT_EQ(text(spec), "table tensor read, x buffer write, ");
  spec.op = KernelOp::RopeAngles;
  EXPECT_EQ(text(spec), "inverseFrequency tensor read, angles buffer write, ");
  spec.op = KernelOp::PackActivations;
  EXPECT_EQ(text(spec), "x buffer read, xp buffer write, ");
}

TEST(KernelSpecAttr, BindingsHaveTheShapesOfTheSpec) {
  KernelSpec spec;
  spec.dtype = DType::Q4_K;
  spec.n = 48;
  spec.k = 256;
  spec.yStride = 64;
  spec.hasBias = true;
  spec.rowsFrom = codegen::RowsFrom::Outputs;
  std::vector<codegen::KernelBinding> bindings = codegen::kernelBindings(spec);
  ASSERT_EQ(bindings.size(), 4u);
  EXPECT_EQ(bindings[0].columns, 256u);
  EXPECT_EQ(bindings[0].rowsFrom, codegen::RowsFrom::Outputs);
  EXPECT_EQ(bindings[1].rows, 48u);
  EXPECT_EQ(bindings[1].columns, 256u);
  EXPECT_EQ(bindings[1].dtype, DType::Q4_K);
  EXPECT_EQ(bindings[1].layout, Layout::X16);
  EXPECT_EQ(bindings[2].columns, 48u);
  EXPECT_EQ(bindings[2].dtype, DType::F32);
  EXPECT_EQ(bindings[2].layout, Layout::Rows);
  EXPECT_EQ(bindings[3].columns, 64u);

  spec = KernelSpec();
  spec.op = KernelOp::RopeAppend;
  spec.heads = 4;
  spec.kvHeads = 2;
  spec.headDim = 32;
  spec.ropeDim = 16;
  bindings = codegen::kernelBindings(spec);
  EXPECT_EQ(bindings[0].columns, (4u + 2u + 2u) * 32u);
  EXPECT_EQ(bindings[1].columns, 16u);
  spec = KernelSpec();
  spec.op = KernelOp::GluMatMul;
  spec.n = 48;
  spec.k = 256;
  spec.isJoined = true;
  bindings = codegen::kernelBindings(spec);
  EXPECT_EQ(bindings[1].rows, 48u);
  EXPECT_EQ(bindings[1].columns, 512u);
  // A norm reads the rows of all tokens, even if only requested rows are
  // written.
  spec = KernelSpec();
  spec.op = KernelOp::RmsNorm;
  spec.rowsFrom = codegen::RowsFrom::Outputs;
  bindings = codegen::kernelBindings(spec);
  EXPECT_EQ(bindings[0].rowsFrom, codegen::RowsFrom::Tokens);
  EXPECT_EQ(bindings[2].rowsFrom, codegen::RowsFrom::Outputs);
}

} // namespace
