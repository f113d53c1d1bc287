//===- AttentionKernels.cpp - causal GQA attention over KV pages ----------===//
//
// A tile is one KV head and shape.tokensPerTile tokens. A run is a sequence of
// consecutive tokens of one sequence, up to the next multiple of
// shape.blockTokens; the tile that holds its first token computes the whole
// run. Tokens of one sequence therefore share their reads of K and V, while a
// batch of many sequences still has many tiles.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/attention/AttentionParts.h"

#include <algorithm>

namespace air::codegen {
namespace {

using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

class TileWriter : AttentionWriter {
public:
  using AttentionWriter::AttentionWriter;
  void write();

private:
  void writeRunsFrom(Value kvHead, Value token);
};

// Tile t belongs to KV head t / parts, so that the tiles of one thread share a
// head's pages. Its parts are taken alternately from the front and the back,
// which spreads long and short histories over the threads.
void TileWriter::write() {
  b.tileLoop([&](Value tile) {
    const int64_t step = shape.tokensPerTile;
    const Value parts = b.div(b.add(b.tokens(), b.i64(step - 1)), b.i64(step));
    const Value turn = b.rem(tile, parts);
    const Value half = b.shiftRight(turn, 1);
    const Value isFront = b.equal(b.andBits(turn, int64_t{1}), b.i64(0));
    const Value part =
        b.select(isFront, half, b.sub(b.sub(parts, b.i64(1)), half));
    const Value first = b.mul(part, b.i64(step));
    const Value kvHead = b.div(tile, parts);
    b.loop(first, b.min(b.add(first, b.i64(step)), b.tokens()), b.i64(1),
           [&](Value token) { writeRunsFrom(kvHead, token); });
  });
}

void TileWriter::writeRunsFrom(Value kvHead, Value token) {
  const Value sequence = sequenceOf(token);
  if (shape.blockTokens == 1) {
    writeRowsRun(b, spec, {token, b.add(token, b.i64(1)), kvHead, sequence});
    return;
  }
  const Value block = b.i64(shape.blockTokens);
  const Value isBlockStart = b.equal(b.rem(token, block), b.i64(0));
  const Value before = b.select(isBlockStart, token, b.sub(token, b.i64(1)));
  const Value starts =
      b.orBits(isBlockStart, b.notEqual(sequenceOf(before), sequence));
  b.ifThen(starts, [&] {
    const Value next = b.add(token, b.i64(1));
    const Value blockEnd = b.mul(b.add(b.div(token, block), b.i64(1)), block);
    const Values end =
        b.loop(next, b.min(blockEnd, b.tokens()), b.i64(1), {next},
               [&](Value other, mlir::ValueRange carried) -> Values {
                 const Value goesOn =
                     b.andBits(b.equal(carried[0], other),
                               b.equal(sequenceOf(other), sequence));
                 return {b.select(goesOn, b.add(other, b.i64(1)), carried[0])};
               });
    const AttentionRun run = {token, end[0], kvHead, sequence};
    const Value rows = b.mul(b.sub(run.end, run.first), b.i64(shape.group));
    b.ifThenElse(
        b.lessEqual(rows, b.i64(shape.rowsAtMost)),
        [&] { writeRowsRun(b, spec, run); },
        [&] { writePanelsRun(b, spec, run); });
  });
}

} // namespace

Status describeAttention(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry) {
  AIR_RETURN_IF_ERROR(checkKv(spec));
  const AttentionShape shape(spec, isa);
  if (spec.heads / spec.kvHeads > kMaxHeadsPerKvHead) {
    return unsupportedError(std::to_string(spec.heads / spec.kvHeads) +
                            " query heads share a KV head; at most " +
                            std::to_string(kMaxHeadsPerKvHead) +
                            " are supported");
  }
  entry.baseTiles = spec.kvHeads;
  entry.tokensPerTile = static_cast<uint64_t>(shape.tokensPerTile);
  entry.scratchBytes = static_cast<uint64_t>(
      shape.blockTokens == 1 ? shape.rows.bytes
                             : std::max(shape.rows.bytes, shape.panel.bytes));
  // The work grows with the context. The entry states that of one page.
  entry.flopsPerRow = 4 * spec.heads * spec.headDim * AIR_KV_PAGE_TOKENS;
  return Status::ok();
}

void emitAttention(KernelBuilder &b, const KernelSpec &spec) {
  TileWriter(b, spec).write();
}

} // namespace air::codegen
