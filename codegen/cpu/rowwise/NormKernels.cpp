//===- NormKernels.cpp - y = x / rms(x) * weight --------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/rowwise/RowLoops.h"

namespace air::codegen {

using Value = KernelBuilder::Value;

Status describeRmsNorm(const KernelSpec &spec, const IsaTraits &,
                       KernelEntry &entry) {
  if (spec.k == 0) {
    return internalError(
        "the width k of the rows to normalise is 0; it must be at least 1");
  }
  entry.tokensPerTile = 1;
  entry.weightBytes = spec.k * 4;
  entry.flopsPerRow = spec.k * 4;
  return Status::ok();
}

void emitRmsNorm(KernelBuilder &b, const KernelSpec &spec) {
  const auto width = static_cast<int64_t>(spec.k);
  b.tileLoop([&](Value row) {
    Value source = row;
    if (spec.rowsFrom == RowsFrom::Outputs) {
      source = b.loadU32(b.element(b.outputRows(), row, 4));
    }
    normaliseRow(b, b.element(b.binding(0), source, width * 4), b.binding(1),
                 b.element(b.binding(2), row, width * 4), width, spec.epsilon);
  });
}

} // namespace air::codegen
