//===- AttentionParts.h - what the two ways to attend share -----*- C++ -*-===//
//
// Attention is written in two ways. Rows (AttentionRows.cpp) are for few
// queries: memory sets the pace, and a lane is a key. Panels
// (AttentionPanels.cpp) are for many: the FMA units set the pace, and a lane is
// a query. Both fold a page's 64 keys into a row's state (largest score, sum,
// weighted values) by the online softmax of Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018, in powers of two: scores carry a
// factor log2(e).
//
// A run is tokens that follow each other in one sequence, at most blockTokens
// of them. Row r of a run is query head r % group of token first + r / group.
//
// Slots of a page beyond a token's position may hold anything: their scores are
// replaced, not multiplied, and V is read no further than the rows at hand
// need.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H
#define AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H

#include "codegen/cpu/attention/KvPages.h"

namespace air::codegen {

/// Literals of one kernel; offsets are in bytes from the start of scratch,
/// which a run written in one way shares with no run of the other.
struct AttentionShape {
  KvShape kv;
  int64_t heads;
  int64_t kvHeads;
  int64_t group;         ///< query heads of a KV head
  int64_t queryRowBytes; ///< a token's row of qkv
  int64_t lanes;         ///< floats of a vector register

  int64_t tokensPerTile;
  int64_t blockTokens;
  int64_t rowsAtMost; ///< runs of more rows are written as panels

  // Rows.
  int64_t rowLanes; ///< keys (or value elements) of one step
  struct {
    int64_t weights; ///< [kRowsTogether][64]: scores, then 2^score
    int64_t decay;   ///< [kRowsTogether]
    int64_t largest; ///< [rows]
    int64_t sum;     ///< [rows][16]
    int64_t values;  ///< [rows][paddedDim]
    int64_t bytes;
  } rows;

  // Panels.
  int64_t panelRows;    ///< lanes of a panel: a few registers
  int64_t panelColumns; ///< keys, or elements of V, of a register tile
  int64_t panels;       ///< of a block
  struct {
    int64_t keyStride;   ///< of keys: from an element to the next
    int64_t valueStride; ///< of values: from a key to the next
    int64_t keys;        ///< [headDim][keyStride]
    int64_t values;      ///< [64][valueStride]
    int64_t weights;     ///< [64][panelRows]: scores, then 2^score
    int64_t positions;   ///< [panels][panelRows] u32
    int64_t largest;     ///< [panels][panelRows]
    int64_t sum;         ///< [panels][panelRows]
    int64_t queries;     ///< [panels][paddedDim][panelRows]
    int64_t weighted;    ///< [panels][paddedDim][panelRows]
    int64_t bytes;
  } panel;

  AttentionShape(const KernelSpec &spec, const IsaTraits &isa);
};

/// Rows whose scores are computed together.
inline constexpr int64_t kRowsTogether = 4;

struct AttentionRun {
  KernelBuilder::Value first; ///< token
  KernelBuilder::Value end;
  KernelBuilder::Value kvHead;
  KernelBuilder::Value sequence;
};

/// What both ways write alike.
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

protected:
  Value at(int64_t offset) { return b.offset(b.scratch(), offset); }
  /// Address of the page's keys; its values lie shape.kv.valuesOffset behind.
  Value pageKeys(const AttentionRun &run, Value page) {
    return codegen::kvHead(b, shape.kv, b.binding(1), run.sequence, page,
                           run.kvHead);
  }
  Value query(const AttentionRun &run, Value token, Value headOfGroup);
  Value output(const AttentionRun &run, Value token, Value headOfGroup);
  /// Keys of the page from position `pageStart` on that a token sees: min(64,
  /// max(0, position + 1 - pageStart)).
  Value validKeys(Value token, Value pageStart);
  /// `lanes` numbers of the cache, so aligned, as floats.
  Value loadWide(Value pointer, int64_t lanes, unsigned alignment);
  /// body(first element, how many) for all elements of a head, kVector at a
  /// time; the last time fewer where they are no multiple of it.
  void forVectors(llvm::function_ref<void(Value, int64_t)> body);
  /// The first `count` of a vector of kVector floats, unaligned; 0 behind them.
  Value loadFirst(Value pointer, int64_t count);
  void storeFirst(Value vector, Value pointer, int64_t count);
  /// Asks for row `index` of rows of `bytes` each.
  void askFor(Value base, Value index, int64_t bytes);
  /// 2^x for x that is negative, 0 or NaN.
  Value powerOfTwo(Value x);
  /// What scores are multiplied by.
  double scoreScale() const;

  KernelBuilder &b;
  const KernelSpec &spec;
  AttentionShape shape;
};

/// Attends for the rows of `run`, at most shape.rowsAtMost.
void writeRowsRun(KernelBuilder &b, const KernelSpec &spec,
                  const AttentionRun &run);
/// Attends for any run of up to shape.blockTokens tokens.
void writePanelsRun(KernelBuilder &b, const KernelSpec &spec,
                    const AttentionRun &run);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_ATTENTION_ATTENTIONPARTS_H
