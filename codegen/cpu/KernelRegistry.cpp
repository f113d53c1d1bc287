//===- KernelRegistry.cpp - the table of CPU kernels ------------*- C++ -*-===//
#include "codegen/cpu/KernelRegistry.h"

#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/decode/WeightDecoders.h"

#include <algorithm>
#include <array>

namespace air::codegen {
namespace {

constexpr std::array kLayouts = {Layout::X16, Layout::Rows};

KernelRow withoutMatrix(KernelOp op, bool hasMClasses,
                        decltype(KernelRow::describe) describe,
                        decltype(KernelRow::emit) emit) {
  return {.op = op,
          .name = opName(op),
          .dtypes = {},
          .layouts = {},
          .int8DTypes = {},
          .hasMClasses = hasMClasses,
          .describe = describe,
          .emit = emit};
}

KernelRow product(KernelOp op, decltype(KernelRow::describe) describe) {
  return {.op = op,
          .name = opName(op),
          .dtypes = decodableDTypes(),
          .layouts = kLayouts,
          .int8DTypes = int8DTypes(),
          .hasMClasses = true,
          .describe = describe,
          .emit = emitMatMul};
}

const std::array kRows = {
    KernelRow{.op = KernelOp::EmbedRows,
              .name = opName(KernelOp::EmbedRows),
              .dtypes = decodableDTypes(),
              .layouts = kLayouts,
              .int8DTypes = {},
              .hasMClasses = false,
              .describe = describeEmbedRows,
              .emit = emitEmbedRows},
    withoutMatrix(KernelOp::RmsNorm, false, describeRmsNorm, emitRmsNorm),
    product(KernelOp::MatMul, describeMatMul),
    product(KernelOp::GluMatMul, describeGluMatMul),
    withoutMatrix(KernelOp::RopeAngles, false, describeRopeAngles,
                  emitRopeAngles),
    withoutMatrix(KernelOp::RopeAppend, false, describeRopeAppend,
                  emitRopeAppend),
    withoutMatrix(KernelOp::Attention, true, describeAttention, emitAttention),
    withoutMatrix(KernelOp::AttentionMerge, false, describeAttentionMerge,
                  emitAttentionMerge),
    withoutMatrix(KernelOp::Add, false, describeAdd, emitAdd),
    withoutMatrix(KernelOp::SiluMul, false, describeSiluMul, emitSiluMul),
    withoutMatrix(KernelOp::PackActivations, false, describePackActivations,
                  emitPackActivations),
};

} // namespace

std::span<const KernelRow> kernelRegistry() { return kRows; }

std::vector<Layout> commonLayouts(DType dtype,
                                  std::span<const KernelRow> rows) {
  std::vector<Layout> layouts;
  bool isFirst = true;
  for (const KernelRow &row : rows) {
    if (std::ranges::find(row.dtypes, dtype) == row.dtypes.end()) {
      continue;
    }
    if (isFirst) {
      layouts.assign(row.layouts.begin(), row.layouts.end());
      isFirst = false;
      continue;
    }
    std::erase_if(layouts, [&](Layout layout) {
      return std::ranges::find(row.layouts, layout) == row.layouts.end();
    });
  }
  return layouts;
}

Result<const KernelRow *> findKernelRow(const KernelSpec &spec) {
  auto row = std::find_if(kRows.begin(), kRows.end(),
                          [&](const KernelRow &r) { return r.op == spec.op; });
  if (row == kRows.end()) {
    return unsupportedError("CPU kernels: the specification has the op " +
                            std::to_string(static_cast<int>(spec.op)) +
                            ", which no kernel computes");
  }
  auto refuse = [&](const std::string &what) {
    return unsupportedError("CPU kernels: " + std::string(row->name) +
                            " does not support " + what);
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
  if (!row->int8DTypes.empty() && isInt8(spec.activation) &&
      (spec.layout != Layout::X16 ||
       std::find(row->int8DTypes.begin(), row->int8DTypes.end(), spec.dtype) ==
           row->int8DTypes.end())) {
    return unsupportedError("CPU kernels: " + std::string(row->name) + " of " +
                            std::string(info(spec.dtype).name) + " in layout " +
                            std::string(layoutName(spec.layout)) +
                            " does not support int8 activations");
  }
  return &*row;
}

} // namespace air::codegen
