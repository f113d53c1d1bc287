//===- AttentionParts.h - shared parts of attention kernels -----*- C++ -*-===//
//
// There are two implementations of attention. AttentionRows.cpp is for few
// queries: memory bandwidth is the limit, and a lane is a key or an element of
// V. AttentionPanels.cpp is for many queries: FMA throughput is the limit, and
// a lane is a query. Both fold the 64 keys of a page into a row's state
// (largest score, sum, weighted values) by the online softmax of Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018. They compute
// 2^x instead of e^x, so scores include a factor of log2(e).
//
// A run is at most blockTokens consecutive tokens of one sequence. Row r of a
// run is query head r % group of token first + r / group.
//
// Slots of a page beyond a token's position may hold anything, including NaN.
// Kernels therefore do not multiply the scores of these slots by zero, but
// replace them by a very negative number. V is read only up to the last key
// that some row attends to.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H
#define AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H

#include "codegen/cpu/attention/KvPages.h"

namespace air::codegen {

/// The compile-time constants of one kernel. Offsets are in bytes from the
/// start of scratch. AttentionRows.cpp and AttentionPanels.cpp use the same
/// bytes of scratch, which is possible because each run of tokens is computed
/// by only one of the two.
struct AttentionShape {
  KvShape kv;
  int64_t heads;
  int64_t kvHeads;
  int64_t group;         ///< query heads per KV head
  int64_t queryRowBytes; ///< bytes of a token's row of qkv
  int64_t lanes;         ///< floats per vector register

  int64_t ranges; ///< the number of ranges of positions (KernelSpec.h)

  int64_t tokensPerTile;
  int64_t blockTokens;
  int64_t rowsAtMost; ///< runs with more rows use writePanelsRun()

  // The following sizes and offsets are for AttentionRows.cpp.
  int64_t rowLanes; ///< keys (or elements of V) per step
  struct {
    /// The distance, in bytes, of prefetches of K and V into L1 from the loads
    /// that they precede: a quarter of the size of a head's K in a page, but at
    /// most 4 KiB, so that most of L1 is left to other data.
    int64_t nearBytes;
    /// The offset of f32 [kRowsTogether][64]: the scores, which are then
    /// replaced by the softmax weights.
    int64_t weights;
    /// The offset of f32 [kRowsTogether]: the factors by which `values` must be
    /// rescaled.
    int64_t decay;
    /// The offset of f32 [rows]: the largest score of each row.
    int64_t largest;
    /// The offset of f32 [rows][16]: partial sums of each row's softmax
    /// weights.
    int64_t sum;
    /// The offset of f32 [rows][paddedDim]: each row's weighted sum of V.
    int64_t values;
    int64_t bytes;
  } rows;

  // The following sizes and offsets are for AttentionPanels.cpp.
  int64_t panelRows;    ///< lanes of a panel: a few vector registers
  int64_t panelColumns; ///< keys (or elements of V) per register tile
  int64_t panels;       ///< panels per block of tokens
  struct {
    /// The distance in bytes between successive rows of the widened keys.
    int64_t keyStride;
    /// The distance in bytes between successive rows of the widened values.
    int64_t valueStride;
    /// The offset of the widened keys, f32 [headDim][64]. Row i holds element i
    /// of all 64 keys of a page.
    int64_t keys;
    /// The offset of the widened values, f32 [64][headDim]. A row holds the V
    /// of one key.
    int64_t values;
    /// The offset of f32 [64][panelRows]: the scores, which are then replaced
    /// by the softmax weights.
    int64_t weights;
    /// The offset of u32 [panels][panelRows]: the position, in its sequence, of
    /// each row's token.
    int64_t positions;
    /// The offset of f32 [panels][panelRows]: the largest score of each row.
    int64_t largest;
    /// The offset of f32 [panels][panelRows]: the sum of each row's softmax
    /// weights.
    int64_t sum;
    /// The offset of f32 [panels][paddedDim][panelRows]: each row's query,
    /// multiplied by scoreScale().
    int64_t queries;
    /// The offset of f32 [panels][paddedDim][panelRows]: each row's weighted
    /// sum of V.
    int64_t weighted;
    int64_t bytes;
  } panel;

  AttentionShape(const KernelSpec &spec, const IsaTraits &isa);
};

inline constexpr int64_t kLine = 64; ///< bytes of a cache line

/// The largest number of rows whose scores are computed together.
inline constexpr int64_t kRowsTogether = 4;

struct AttentionRun {
  KernelBuilder::Value first; ///< the batch index of the run's first token
  KernelBuilder::Value end;
  KernelBuilder::Value kvHead;
  KernelBuilder::Value sequence;
  KernelBuilder::Value range; ///< not set where shape.ranges is 1
};

/// The addresses of the state of one query head in one range. They lie in a
/// token's row of states (codegen/KernelSpec.h, Attention).
struct AttentionState {
  KernelBuilder::Value values;  ///< f32 [headDim]
  KernelBuilder::Value largest; ///< f32, then the sum of softmax weights
};
/// Returns the addresses for query head `head` in range `range`. `row` is the
/// address of the token's row of states.
AttentionState attentionState(KernelBuilder &b, const KernelSpec &spec,
                              KernelBuilder::Value row,
                              KernelBuilder::Value range,
                              KernelBuilder::Value head);

/// Code that all attention kernels share.
class AttentionWriter {
public:
  using Type = KernelBuilder::Type;
  using Value = KernelBuilder::Value;
  using Values = KernelBuilder::Values;

  AttentionWriter(KernelBuilder &b, const KernelSpec &spec)
      : b(b), spec(spec), shape(spec, b.isa()) {}

  Value sequenceOf(Value token) {
    return b.loadU32(b.element(b.sequences(), token, 4));
  }
  Value positionOf(Value token) {
    return b.loadU32(b.element(b.positions(), token, 4));
  }
  Value lengthOf(Value sequence) {
    return b.loadU32(b.element(b.sequenceLengths(), sequence, 4));
  }

protected:
  Value at(int64_t offset) { return b.offset(b.scratch(), offset); }
  /// The address of the keys in page `page` of the run's sequence. The values
  /// follow shape.kv.valuesOffset bytes later.
  Value pageKeys(const AttentionRun &run, Value page) {
    return codegen::kvHead(b, shape.kv, b.binding(1), run.sequence, page,
                           run.kvHead);
  }
  /// The index, among all query heads, of query head `headOfGroup` of the run's
  /// KV head.
  Value headOf(const AttentionRun &run, Value headOfGroup) {
    return b.add(b.mul(run.kvHead, b.i64(shape.group)), headOfGroup);
  }
  Value query(const AttentionRun &run, Value token, Value headOfGroup);
  Value output(const AttentionRun &run, Value token, Value headOfGroup);
  /// The number of keys that a token attends to in the page that starts at
  /// position `pageStart`: min(64, max(0, position + 1 - pageStart)).
  Value validKeys(Value token, Value pageStart);
  /// Loads `lanes` elements of the KV cache, aligned to `alignment` bytes, and
  /// widens them to f32.
  Value loadWide(Value pointer, int64_t lanes, unsigned alignment);
  /// Calls body(first element, count) until all elements of a head are covered,
  /// kVector at a time. The last count is smaller if kVector does not divide
  /// headDim.
  void forVectors(llvm::function_ref<void(Value, int64_t)> body);
  /// Loads the first `count` elements of a vector of kVector floats, unaligned,
  /// and fills the others with 0.
  Value loadFirst(Value pointer, int64_t count);
  void storeFirst(Value vector, Value pointer, int64_t count);
  /// 2^x for x that is negative, 0 or NaN.
  Value powerOfTwo(Value x);
  /// The factor that scores are multiplied by, log2(e) included.
  double scoreScale() const;

  KernelBuilder &b;
  const KernelSpec &spec;
  AttentionShape shape;
};

/// Computes attention for a run of at most shape.rowsAtMost rows.
void writeRowsRun(KernelBuilder &b, const KernelSpec &spec,
                  const AttentionRun &run);
/// Computes attention for any run of up to shape.blockTokens tokens.
void writePanelsRun(KernelBuilder &b, const KernelSpec &spec,
                    const AttentionRun &run);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H
