//===- AttentionMerge.cpp - merges the states of ranges of positions ------===//
//
// A tile covers those query heads of a token that share one KV head. For each
// of these heads, the softmax states of all ranges of positions are merged in
// the order of the positions. The result therefore does not depend on the order
// in which threads computed the states.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/attention/AttentionParts.h"

#include <cfloat>

namespace air::codegen {
namespace {

class MergeWriter : AttentionWriter {
public:
  using AttentionWriter::AttentionWriter;
  void write();

private:
  void writeHead(Value token, Value head);
};

void MergeWriter::write() {
  b.tileLoop([&](Value tile) {
    const Value token = b.div(tile, b.i64(shape.kvHeads));
    const Value kvHead = b.rem(tile, b.i64(shape.kvHeads));
    const Value first = b.mul(kvHead, b.i64(shape.group));
    b.loop(first, b.add(first, b.i64(shape.group)), b.i64(1),
           [&](Value head) { writeHead(token, head); });
  });
}

void MergeWriter::writeHead(Value token, Value head) {
  const Value row =
      b.element(b.binding(0), token,
                static_cast<int64_t>(attentionStateFloats(spec)) * 4);
  const auto stateOf = [&](Value range) {
    return attentionState(b, spec, row, range, head);
  };
  const Value ranges = b.i64(shape.ranges);
  const Value largest =
      b.loop(b.i64(0), ranges, b.i64(1), {b.f32(-FLT_MAX)},
             [&](Value range, mlir::ValueRange carried) -> Values {
               const Value own = b.load(b.f32(), stateOf(range).largest, 4);
               return {b.max(carried[0], own)};
             })[0];
  // Scratch holds, for each range, the factor by which the range's sums are
  // multiplied: 2^(a - b), where a is the range's `largest` (Attention in
  // codegen/KernelSpec.h), and b is the maximum of `largest` over all ranges.
  const auto factorAt = [&](Value range) {
    return b.element(b.scratch(), range, 4);
  };
  const Value total =
      b.loop(b.i64(0), ranges, b.i64(1), {b.f32(0)},
             [&](Value range, mlir::ValueRange carried) -> Values {
               const AttentionState state = stateOf(range);
               const Value own = b.load(b.f32(), state.largest, 4);
               const Value sum = b.load(b.f32(), b.offset(state.largest, 4), 4);
               const Value factor = powerOfTwo(b.sub(own, largest));
               b.store(factor, factorAt(range), 4);
               return {b.fma(factor, sum, carried[0])};
             })[0];
  const int64_t headBytes = shape.kv.headDim * 4;
  const Value out = b.element(
      b.element(b.binding(1), token, shape.heads * headBytes), head, headBytes);
  const Value inverse = b.splat(b.div(b.f32(1.0F), total), KvShape::kVector);
  forVectors([&](Value i, int64_t count) {
    const Value sum = b.loop(
        b.i64(0), ranges, b.i64(1), {b.zero(b.vec(b.f32(), KvShape::kVector))},
        [&](Value range, mlir::ValueRange carried) -> Values {
          const Value factor = b.loadSplat(factorAt(range), KvShape::kVector);
          return {b.fma(
              factor, loadFirst(b.element(stateOf(range).values, i, 4), count),
              carried[0])};
        })[0];
    storeFirst(b.mul(sum, inverse), b.element(out, i, 4), count);
  });
}

} // namespace

Status describeAttentionMerge(const KernelSpec &spec, const IsaTraits &,
                              KernelEntry &entry) {
  AIR_RETURN_IF_ERROR(checkHeads(spec));
  AIR_RETURN_IF_ERROR(checkRanges(spec));
  entry.baseTiles = spec.kvHeads;
  entry.tokensPerTile = 1;
  entry.scratchBytes = spec.ranges * 4;
  entry.flopsPerRow = 2 * spec.ranges * spec.heads * (spec.headDim + 1);
  return Status::ok();
}

void emitAttentionMerge(KernelBuilder &b, const KernelSpec &spec) {
  MergeWriter(b, spec).write();
}

} // namespace air::codegen
