//===- KernelRegistry.cpp - the table of CPU kernels ------------*- C++ -*-===//
#include "codegen/cpu/KernelRegistry.h"

#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/WeightDecoders.h"

#include <algorithm>
#include <array>

namespace air::codegen {
namespace {

constexpr std::array kLayouts = {Layout::X16, Layout::Rows};

const std::array kRows = {
    KernelRow{KernelOp::EmbedRows, "embed_rows", decodableDTypes(), kLayouts,
              false, describeEmbedRows, emitEmbedRows},
    KernelRow{KernelOp::RmsNorm,
              "rms_norm",
              {},
              {},
              false,
              describeRmsNorm,
              emitRmsNorm},
    KernelRow{KernelOp::MatMul, "matmul", decodableDTypes(), kLayouts, true,
              describeMatMul, emitProduct},
    KernelRow{KernelOp::GluMatMul, "glu_matmul", decodableDTypes(), kLayouts,
              true, describeGluMatMul, emitProduct},
    KernelRow{KernelOp::RopeAngles,
              "rope_angles",
              {},
              {},
              false,
              describeRopeAngles,
              emitRopeAngles},
    KernelRow{KernelOp::RopeAppend,
              "rope_append",
              {},
              {},
              false,
              describeRopeAppend,
              emitRopeAppend},
    KernelRow{KernelOp::Attention,
              "attention",
              {},
              {},
              true,
              describeAttention,
              emitAttention},
    KernelRow{KernelOp::Add, "add", {}, {}, false, describeAdd, emitAdd},
    KernelRow{KernelOp::SiluMul,
              "silu_mul",
              {},
              {},
              false,
              describeSiluMul,
              emitSiluMul},
};

} // namespace

std::span<const KernelRow> kernelRegistry() { return kRows; }

Result<const KernelRow *> findKernelRow(const KernelSpec &spec) {
  auto row = std::find_if(kRows.begin(), kRows.end(),
                          [&](const KernelRow &r) { return r.op == spec.op; });
  if (row == kRows.end()) {
    return unsupportedError("CPU kernels: no kernel for op " +
                            std::to_string(static_cast<int>(spec.op)));
  }
  auto refuse = [&](const std::string &what) {
    return unsupportedError("CPU kernels: " + std::string(row->name) +
                            " reads no " + what);
  };
  if (!row->dtypes.empty() && std::find(row->dtypes.begin(), row->dtypes.end(),
                                        spec.dtype) == row->dtypes.end()) {
    return refuse(std::string(info(spec.dtype).name) + " weights");
  }
  if (!row->layouts.empty() &&
      std::find(row->layouts.begin(), row->layouts.end(), spec.layout) ==
          row->layouts.end()) {
    return refuse("layout " + std::to_string(static_cast<int>(spec.layout)));
  }
  return &*row;
}

} // namespace air::codegen
