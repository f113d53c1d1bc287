//===- AttentionKernels.cpp - causal GQA attention over KV pages ----------===//
//
// A tile covers one KV head, one range of positions and shape.tokensPerTile
// tokens of the batch. Tokens are processed in runs, which share the reads of K
// and V. A run consists of consecutive tokens of one sequence. A new run starts
// where the sequence changes, and at every token whose index in the batch is a
// multiple of shape.blockTokens, which is at least shape.tokensPerTile. A run
// may therefore be longer than a tile. It is computed entirely by the tile that
// contains the run's first token; the other tiles skip the run's tokens. Since
// a tile has few tokens, a batch of many short runs is still divided into many
// tiles.
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
  void writeRunsFrom(Value kvHead, Value token, Value range);
};

// The batch is divided into parts of shape.tokensPerTile tokens; the last part
// may be smaller. A tile covers one KV head, one range of positions and one
// part. Tiles are numbered head by head, and the tiles of one head are numbered
// range by range. A thread takes consecutive tiles, so most of its tiles read
// the pages of the same head. Within a range, tiles take parts alternately from
// the front and the back of the batch, so that every thread gets tokens with
// short and with long histories.
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
    const Value whole = b.div(tile, parts);
    const bool isSplit = shape.ranges != 1;
    const Value kvHead = isSplit ? b.div(whole, b.i64(shape.ranges)) : whole;
    const Value range = isSplit ? b.rem(whole, b.i64(shape.ranges)) : Value();
    b.loop(first, b.min(b.add(first, b.i64(step)), b.tokens()), b.i64(1),
           [&](Value token) { writeRunsFrom(kvHead, token, range); });
  });
}

void TileWriter::writeRunsFrom(Value kvHead, Value token, Value range) {
  const Value sequence = sequenceOf(token);
  if (shape.blockTokens == 1) {
    writeRowsRun(b, spec,
                 {token, b.add(token, b.i64(1)), kvHead, sequence, range});
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
    const AttentionRun run = {token, end[0], kvHead, sequence, Value()};
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
  AIR_RETURN_IF_ERROR(checkRanges(spec));
  if (spec.ranges != 1 && spec.mClass != MClass::One) {
    return internalError(
        "attention for several tokens cannot divide the KV cache into " +
        std::to_string(spec.ranges) + " ranges; the number must be 1");
  }
  entry.baseTiles = spec.kvHeads * spec.ranges;
  entry.tokensPerTile = static_cast<uint64_t>(shape.tokensPerTile);
  entry.scratchBytes = static_cast<uint64_t>(
      shape.blockTokens == 1 ? shape.rows.bytes
                             : std::max(shape.rows.bytes, shape.panel.bytes));
  // The work is proportional to the length of the context, which is known only
  // at run time. The entry states the work for one page of keys and values.
  entry.flopsPerRow = 4 * spec.heads * spec.headDim * AIR_KV_PAGE_TOKENS;
  return Status::ok();
}

void emitAttention(KernelBuilder &b, const KernelSpec &spec) {
  TileWriter(b, spec).write();
}

} // namespace air::codegen
