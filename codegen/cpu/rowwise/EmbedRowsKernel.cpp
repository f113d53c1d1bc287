//===- EmbedRowsKernel.cpp - x[m] = scale * table[id[m]] --------*- C++ -*-===//
//
// For each token, the kernel decodes the row block that holds the token's row
// of the table into a panel in scratch, and extracts the lane of this row. In
// this way the decoders of all dtypes and layouts serve embedding tables too.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/WeightPanel.h"

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kColumnBytes = kRowLanes * 4;

} // namespace

Status describeEmbedRows(const KernelSpec &spec, const IsaTraits &,
                         KernelEntry &entry) {
  if (spec.n == 0 || spec.k == 0) {
    return internalError("the embedding table has " + std::to_string(spec.n) +
                         " rows and " + std::to_string(spec.k) +
                         " columns; both must be at least 1");
  }
  AIR_ASSIGN_OR_RETURN(entry.weightBytes, rowBytes(spec.dtype, spec.k));
  if (entry.weightBytes > RowBlockReader::kMaxRowBytes) {
    return unsupportedError(
        "a row of the embedding table takes " +
        std::to_string(entry.weightBytes) + " bytes; at most " +
        std::to_string(RowBlockReader::kMaxRowBytes) + " are supported");
  }
  entry.tokensPerTile = 1;
  entry.flopsPerRow = spec.k;
  entry.scratchBytes = kChunkColumns * kColumnBytes;
  return Status::ok();
}

void emitEmbedRows(KernelBuilder &b, const KernelSpec &spec) {
  auto n = static_cast<int64_t>(spec.n);
  auto k = static_cast<int64_t>(spec.k);
  b.tileLoop([&](Value token) {
    Value id = b.loadU32(b.element(b.tokenIds(), token, 4));
    Value rowBlock = b.div(id, b.i64(kRowLanes));
    Value lane = b.rem(id, b.i64(kRowLanes));
    Value x = b.element(b.binding(1), token, k * 4);
    RowBlockReader rows(b, spec.dtype, spec.layout, n, k, /*stride=*/k,
                        b.binding(0), rowBlock);
    b.loop(b.i64(0), b.i64(k), b.i64(kChunkColumns), [&](Value first) {
      Value count = b.min(b.sub(b.i64(k), first), b.i64(kChunkColumns));
      FloatPanelSink sink(b, b.scratch());
      decodeColumns(rows, sink, first, count, k, 0);
      Value picked = b.element(b.scratch(), lane, 4);
      b.loop(b.i64(0), count, b.i64(1), [&](Value column) {
        Value value =
            b.load(b.f32(), b.element(picked, column, kColumnBytes), 4);
        b.store(b.mul(value, b.f32(spec.scale)),
                b.element(x, b.add(first, column), 4), 4);
      });
    });
  });
}

} // namespace air::codegen
