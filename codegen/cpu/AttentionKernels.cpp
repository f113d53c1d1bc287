//===- AttentionKernels.cpp - causal GQA attention over KV pages ----------===//
//
// A tile is one KV head and a block of tokens. Tokens of a block that follow
// each other in one sequence are a run; a run walks its pages once, and of each
// page all its rows (a row is one query head of one token). So every byte of K
// and V is fetched once per GQA group and run.
//
// A page's 64 keys are folded into a row's state (largest score, sum, weighted
// values) by the online softmax of Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018. Rows are taken kRowsTogether at a time, so
// that a vector of K or V, once loaded and widened, serves several of them.
//
// Slots of a page beyond a token's position may hold anything: their scores are
// replaced, not multiplied, and V is read no further than the block of rows
// needs.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuKernels.h"
#include "codegen/cpu/KvPages.h"
#include "formats/support/CheckedMath.h"

#include "mlir/IR/BuiltinAttributes.h"

#include <algorithm>
#include <cfloat>

namespace air::codegen {
namespace {

using Type = KernelBuilder::Type;
using Value = KernelBuilder::Value;
using Values = KernelBuilder::Values;

constexpr int64_t kPage = AIR_KV_PAGE_TOKENS;
constexpr int64_t kRowsTogether = 4;
/// Rows that a tile's state is kept for; more would leave the nearest cache.
constexpr int64_t kMaxRows = 32;

struct AttentionShape {
  KvShape kv;
  int64_t heads;
  int64_t kvHeads;
  int64_t group;         ///< query heads of a KV head
  int64_t tokensPerTile; ///< a block
  int64_t queryRowBytes; ///< a token's row of qkv
  int64_t lanes;         ///< keys (or value elements) of one step
  // Scratch, in bytes from its start.
  int64_t weightsOffset; ///< [kRowsTogether][64]: scores, then e^score
  int64_t largestOffset; ///< [rows]
  int64_t sumOffset;     ///< [rows]
  int64_t decayOffset;   ///< [rows]
  int64_t valuesOffset;  ///< [rows][headDim]
  int64_t scratchBytes;

  AttentionShape(const KernelSpec &spec, const IsaTraits &isa);
};

int64_t blockTokens(MClass mClass, int64_t group) {
  // Few tokens are mostly of different sequences: cut fine, for all threads.
  if (mClass != MClass::Wide) {
    return 1;
  }
  int64_t tokens = AIR_TOKEN_PADDING;
  while (tokens > 1 && tokens * group > kMaxRows) {
    tokens /= 2;
  }
  return tokens;
}

AttentionShape::AttentionShape(const KernelSpec &spec, const IsaTraits &isa)
    : kv(spec), heads(static_cast<int64_t>(spec.heads)),
      kvHeads(static_cast<int64_t>(spec.kvHeads)), group(heads / kvHeads),
      tokensPerTile(blockTokens(spec.mClass, group)),
      queryRowBytes((heads + 2 * kvHeads) * kv.headDim * 4),
      // kRowsTogether accumulators of so many floats fill half the registers.
      lanes(isa.vectorBytes == 64 ? 64 : 16) {
  const int64_t rows = tokensPerTile * group;
  weightsOffset = 0;
  largestOffset = weightsOffset + kRowsTogether * kPage * 4;
  sumOffset = largestOffset + rows * 4;
  decayOffset = sumOffset + rows * 4;
  valuesOffset = static_cast<int64_t>(
      alignUp(static_cast<uint64_t>(decayOffset + rows * 4), 64));
  scratchBytes = valuesOffset + rows * kv.headDim * 4;
}

/// Writes the body of one kernel. Row indices count within a run: row r is
/// query head r % group of token run.first + r / group.
class AttentionWriter {
public:
  AttentionWriter(KernelBuilder &b, const KernelSpec &spec)
      : b(b), spec(spec), shape(spec, b.isa()) {}

  void write();

private:
  struct Run {
    Value first; // token
    Value end;
    Value kvHead;
    Value sequence;
  };
  struct Page {
    Value start; // position of its first key
    Value keys;
    Value values;
    Value nextKeys; // of the page that follows, or of this one again
  };
  // Rows [first, first + count) of a run on one page.
  struct Rows {
    Value first;
    int64_t count = 0;
    Values queries; // address of each row's query
    Value valid;    // keys of the page that the last of them sees
  };

  void writeTile(Value kvHead, Value firstToken, Value lastToken);
  void writeRun(const Run &run);
  void startRows(Value rows);
  void writePage(const Run &run, Value page, Value lastPage);
  void writeRows(const Run &run, const Page &page, Value firstRow,
                 int64_t count);
  void writeScores(const Rows &rows, const Page &page);
  void writeWeights(Value weights, Value valid, Value row);
  void addValues(const Rows &rows, const Page &page);
  void finishRows(const Run &run, Value rows);

  // With one token to a tile a page is read about once, so memory sets the pace
  // and what comes next is asked for early: V while K is read, the next page's
  // K while V is.
  bool streams() const { return shape.tokensPerTile == 1; }
  void askFor(Value base, Value index, int64_t bytes) {
    const Value start = b.element(base, index, bytes);
    for (int64_t line = 0; line < bytes; line += 64) {
      b.prefetch(b.offset(start, line));
    }
  }

  Value rowToken(const Run &run, Value row);
  Value queryHead(const Run &run, Value row);
  Value validKeys(Value token, const Page &page);
  Value sequenceOf(Value token) {
    return b.loadU32(b.element(b.sequences(), token, 4));
  }
  Value positionOf(Value token) {
    return b.loadU32(b.element(b.positions(), token, 4));
  }
  Value at(int64_t offset) { return b.offset(b.scratch(), offset); }
  Value largest(Value row) {
    return b.element(at(shape.largestOffset), row, 4);
  }
  Value decays(Value row) { return b.element(at(shape.decayOffset), row, 4); }
  Value sum(Value row) { return b.element(at(shape.sumOffset), row, 4); }
  Value weighted(Value row) {
    return b.element(at(shape.valuesOffset), row, shape.kv.headDim * 4);
  }
  Value weights(int64_t row) {
    return at(shape.weightsOffset + row * kPage * 4);
  }
  Value laneNumbers(int64_t first, int64_t lanes);
  Value loadWide(Value pointer, int64_t lanes);

  KernelBuilder &b;
  const KernelSpec &spec;
  AttentionShape shape;
};

// Tile t: KV head t / blocks, token block t % blocks, so that a thread's tiles
// share a head's pages.
void AttentionWriter::write() {
  b.tileLoop([&](Value tile) {
    const int64_t step = shape.tokensPerTile;
    const Value tokens = b.tokens();
    const Value blocks = b.div(b.add(tokens, b.i64(step - 1)), b.i64(step));
    const Value first = b.mul(b.rem(tile, blocks), b.i64(step));
    writeTile(b.div(tile, blocks), first,
              b.min(b.add(first, b.i64(step)), tokens));
  });
}

void AttentionWriter::writeTile(Value kvHead, Value firstToken,
                                Value lastToken) {
  if (shape.tokensPerTile == 1) {
    writeRun({firstToken, lastToken, kvHead, sequenceOf(firstToken)});
    return;
  }
  b.loop(firstToken, lastToken, b.i64(1), [&](Value token) {
    // A run starts where the sequence differs from the token's before.
    const Value sequence = sequenceOf(token);
    const Value before =
        b.select(b.equal(token, firstToken), token, b.sub(token, b.i64(1)));
    const Value starts = b.orBits(b.equal(token, firstToken),
                                  b.notEqual(sequenceOf(before), sequence));
    b.ifThen(starts, [&] {
      const Values end = b.loop(
          b.add(token, b.i64(1)), lastToken, b.i64(1), {b.add(token, b.i64(1))},
          [&](Value next, mlir::ValueRange carried) -> Values {
            const Value goesOn = b.andBits(b.equal(carried[0], next),
                                           b.equal(sequenceOf(next), sequence));
            return {b.select(goesOn, b.add(next, b.i64(1)), carried[0])};
          });
      writeRun({token, end[0], kvHead, sequence});
    });
  });
}

void AttentionWriter::writeRun(const Run &run) {
  const Value rows = b.mul(b.sub(run.end, run.first), b.i64(shape.group));
  startRows(rows);
  const Value last = positionOf(b.sub(run.end, b.i64(1)));
  const Value lastPage = b.div(last, b.i64(kPage));
  b.loop(b.i64(0), b.add(lastPage, b.i64(1)), b.i64(1),
         [&](Value page) { writePage(run, page, lastPage); });
  finishRows(run, rows);
}

void AttentionWriter::startRows(Value rows) {
  b.loop(b.i64(0), rows, b.i64(1), [&](Value row) {
    b.store(b.f32(-FLT_MAX), largest(row), 4);
    b.store(b.f32(0.0F), sum(row), 4);
    const Type type = b.vec(b.f32(), 8);
    b.loop(b.i64(0), b.i64(shape.kv.headDim), b.i64(8), [&](Value i) {
      b.store(b.zero(type), b.element(weighted(row), i, 4), 32);
    });
  });
}

void AttentionWriter::writePage(const Run &run, Value page, Value lastPage) {
  Page place;
  place.start = b.mul(page, b.i64(kPage));
  place.keys =
      kvHead(b, shape.kv, b.binding(1), run.sequence, page, run.kvHead);
  place.values = b.offset(place.keys, shape.kv.valuesOffset);
  if (streams()) {
    const Value next = b.min(b.add(page, b.i64(1)), lastPage);
    place.nextKeys =
        kvHead(b, shape.kv, b.binding(1), run.sequence, next, run.kvHead);
  }
  const Value rows = b.mul(b.sub(run.end, run.first), b.i64(shape.group));
  const Value whole = b.andBits(rows, -kRowsTogether);
  b.loop(b.i64(0), whole, b.i64(kRowsTogether),
         [&](Value row) { writeRows(run, place, row, kRowsTogether); });
  // What is left is known when a block is one token, else one row at a time.
  const int64_t left = shape.group % kRowsTogether;
  if (shape.tokensPerTile > 1) {
    b.loop(whole, rows, b.i64(1),
           [&](Value row) { writeRows(run, place, row, 1); });
  } else if (left != 0) {
    writeRows(run, place, b.i64(shape.group - left), left);
  }
}

Value AttentionWriter::rowToken(const Run &run, Value row) {
  return shape.tokensPerTile == 1
             ? run.first
             : b.add(run.first, b.div(row, b.i64(shape.group)));
}

Value AttentionWriter::queryHead(const Run &run, Value row) {
  return b.add(b.mul(run.kvHead, b.i64(shape.group)),
               b.rem(row, b.i64(shape.group)));
}

// min(64, max(0, position + 1 - page start))
Value AttentionWriter::validKeys(Value token, const Page &page) {
  const Value end = b.add(positionOf(token), b.i64(1));
  const Value seen =
      b.select(b.less(page.start, end), b.sub(end, page.start), b.i64(0));
  return b.min(seen, b.i64(kPage));
}

void AttentionWriter::writeRows(const Run &run, const Page &page,
                                Value firstRow, int64_t count) {
  Rows rows;
  rows.first = firstRow;
  rows.count = count;
  for (int64_t r = 0; r < count; ++r) {
    const Value row = b.add(firstRow, b.i64(r));
    const Value token = rowToken(run, row);
    const Value query = b.element(b.binding(0), token, shape.queryRowBytes);
    rows.queries.push_back(
        b.element(query, queryHead(run, row), shape.kv.headDim * 4));
    rows.valid = validKeys(token, page);
  }
  // Positions ascend in a run, so the last row sees most. None sees the page
  // when it lies wholly behind them: the tokens of a long run end on different
  // pages.
  b.ifThen(b.notEqual(rows.valid, b.i64(0)), [&] {
    writeScores(rows, page);
    b.loop(b.i64(0), b.i64(count), b.i64(1), [&](Value r) {
      const Value row = b.add(firstRow, r);
      const Value valid = validKeys(rowToken(run, row), page);
      writeWeights(b.element(weights(0), r, kPage * 4), valid, row);
    });
    addValues(rows, page);
  });
}

Value AttentionWriter::loadWide(Value pointer, int64_t lanes) {
  const Value value = b.load(b.vec(kvElement(b, shape.kv), lanes), pointer,
                             static_cast<unsigned>(8 * shape.kv.elementBytes));
  return shape.kv.elementBytes == 2 ? b.floatExtend(value, b.f32()) : value;
}

// weights[r][key] = query r . key, for all 64 keys; a lane is a key.
void AttentionWriter::writeScores(const Rows &rows, const Page &page) {
  const int64_t lanes = shape.lanes;
  const Type type = b.vec(b.f32(), lanes);
  for (int64_t key = 0; key < kPage; key += lanes) {
    const Value keys = b.offset(page.keys, key * shape.kv.elementBytes);
    const Values scores =
        b.loop(b.i64(0), b.i64(shape.kv.headDim), b.i64(1),
               Values(rows.count, b.zero(type)),
               [&](Value i, mlir::ValueRange carried) {
                 if (streams() && key == 0) {
                   askFor(page.values, i, shape.kv.keyRowBytes);
                 }
                 const Value k =
                     loadWide(b.element(keys, i, shape.kv.keyRowBytes), lanes);
                 Values next;
                 for (int64_t r = 0; r < rows.count; ++r) {
                   const Value q =
                       b.loadSplat(b.element(rows.queries[r], i, 4), lanes);
                   next.push_back(b.fma(q, k, carried[r]));
                 }
                 return next;
               });
    for (int64_t r = 0; r < rows.count; ++r) {
      b.store(scores[r], b.offset(weights(r), key * 4), 64);
    }
  }
}

Value AttentionWriter::laneNumbers(int64_t first, int64_t lanes) {
  llvm::SmallVector<int32_t> numbers;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    numbers.push_back(static_cast<int32_t>(first + lane));
  }
  const auto type = mlir::cast<mlir::ShapedType>(Type(b.vec(b.i32(), lanes)));
  return mlir::arith::ConstantOp::create(
      b.ops(), b.loc(),
      mlir::DenseElementsAttr::get(type, llvm::ArrayRef<int32_t>(numbers)));
}

// Turns a row's scores into e^(scale * score - largest) and updates its state,
// all but the values: they shrink by the decay that is left for addValues.
void AttentionWriter::writeWeights(Value weights, Value valid, Value row) {
  const int64_t lanes = shape.lanes;
  const Type type = b.vec(b.f32(), lanes);
  const Value limit = b.splat(b.truncate(valid, b.i32()), lanes);
  const Value hidden = b.constant(type, double(-FLT_MAX));
  const Value scale = b.constant(type, double(spec.scale));
  Values scores;
  Values seen;
  Value top;
  for (int64_t key = 0; key < kPage; key += lanes) {
    const Value score =
        b.mul(b.load(type, b.offset(weights, key * 4), 64), scale);
    seen.push_back(b.less(laneNumbers(key, lanes), limit));
    scores.push_back(b.select(seen.back(), score, hidden));
    top = top ? b.max(top, scores.back()) : scores.back();
  }
  const Value before = b.load(b.f32(), largest(row), 4);
  const Value after = b.max(before, b.maxLanes(top));
  const Value afters = b.splat(after, lanes);
  Value total;
  for (size_t i = 0; i < scores.size(); ++i) {
    const Value weight =
        b.select(seen[i], b.exp(b.sub(scores[i], afters)), b.zero(type));
    b.store(weight, b.offset(weights, static_cast<int64_t>(i) * lanes * 4), 64);
    total = total ? b.add(total, weight) : weight;
  }
  const Value decay = b.exp(b.sub(before, after));
  b.store(after, largest(row), 4);
  b.store(b.fma(b.load(b.f32(), sum(row), 4), decay, b.sumLanes(total)),
          sum(row), 4);
  b.store(decay, decays(row), 4);
}

// values[r] = values[r] * decay[r] + sum over keys of weight * V; a lane is an
// element of V. Only keys that the last row sees are read.
void AttentionWriter::addValues(const Rows &rows, const Page &page) {
  int64_t lanes = shape.lanes;
  for (int64_t i = 0; i < shape.kv.headDim; i += lanes) {
    while (lanes > shape.kv.headDim - i) {
      lanes /= 2;
    }
    const Type type = b.vec(b.f32(), lanes);
    const Value values = b.offset(page.values, i * shape.kv.elementBytes);
    Values places;
    Values sums;
    for (int64_t r = 0; r < rows.count; ++r) {
      const Value row = b.add(rows.first, b.i64(r));
      places.push_back(b.offset(weighted(row), i * 4));
      sums.push_back(
          b.mul(b.load(type, places[r], 32), b.loadSplat(decays(row), lanes)));
    }
    sums = b.loop(b.i64(0), rows.valid, b.i64(1), sums,
                  [&](Value key, mlir::ValueRange carried) {
                    if (streams() && i == 0) {
                      askFor(page.nextKeys, key, shape.kv.valueRowBytes);
                    }
                    const Value v = loadWide(
                        b.element(values, key, shape.kv.valueRowBytes), lanes);
                    Values next;
                    for (int64_t r = 0; r < rows.count; ++r) {
                      const Value w =
                          b.loadSplat(b.element(weights(r), key, 4), lanes);
                      next.push_back(b.fma(w, v, carried[r]));
                    }
                    return next;
                  });
    for (int64_t r = 0; r < rows.count; ++r) {
      b.store(sums[r], places[r], 32);
    }
  }
}

void AttentionWriter::finishRows(const Run &run, Value rows) {
  const int64_t headBytes = shape.kv.headDim * 4;
  b.loop(b.i64(0), rows, b.i64(1), [&](Value row) {
    const Value out = b.element(
        b.element(b.binding(2), rowToken(run, row), shape.heads * headBytes),
        queryHead(run, row), headBytes);
    const Value factor =
        b.splat(b.div(b.f32(1.0F), b.load(b.f32(), sum(row), 4)), 8);
    const Type type = b.vec(b.f32(), 8);
    b.loop(b.i64(0), b.i64(shape.kv.headDim), b.i64(8), [&](Value i) {
      const Value value = b.load(type, b.element(weighted(row), i, 4), 32);
      b.store(b.mul(value, factor), b.element(out, i, 4), 32);
    });
  });
}

} // namespace

Status describeAttention(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry) {
  AIR_RETURN_IF_ERROR(checkKv(spec));
  const AttentionShape shape(spec, isa);
  if (shape.group > kMaxRows) {
    return unsupportedError(std::to_string(shape.group) +
                            " heads share a KV head; at most " +
                            std::to_string(kMaxRows));
  }
  entry.baseTiles = spec.kvHeads;
  entry.tokensPerTile = static_cast<uint64_t>(shape.tokensPerTile);
  entry.scratchBytes = static_cast<uint64_t>(shape.scratchBytes);
  // Grows with the context; what is stated is one page.
  entry.flopsPerRow = 4 * spec.heads * spec.headDim * AIR_KV_PAGE_TOKENS;
  return Status::ok();
}

Status emitAttention(KernelBuilder &b, const KernelSpec &spec) {
  AttentionWriter(b, spec).write();
  return Status::ok();
}

} // namespace air::codegen
