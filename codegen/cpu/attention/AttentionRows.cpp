//===- AttentionRows.cpp - attention for few queries ----------------------===//
//
// The code for a run (a few consecutive tokens of one sequence, see
// AttentionParts.h) visits the pages of the sequence one after another. On each
// page, it processes all tokens of the run, so that the run fetches the K and V
// of its KV head from memory only once. The rows of a token are the query heads
// that read this KV head. They are processed in sets of up to kRowsTogether
// rows, and each vector of K or V is loaded and widened once per set.
//
// The K and V of a head are contiguous in a page, and their cache lines are
// prefetched in the order of their addresses. Prefetches run ahead of the loads
// at two distances. For each token, the loops over the K of a page together
// prefetch the K of the next page into L2, and the loops over its V prefetch
// the V of the next page. The first loop over K and the first loop over V also
// prefetch into L1, at the distance `nearBytes` (AttentionParts.h).
// After the last page of a head, the next page is the first page of the next
// head, which the same thread usually reads in its next tile.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/attention/AttentionParts.h"

#include <algorithm>
#include <cfloat>

namespace air::codegen {
namespace {

constexpr int64_t kPage = AIR_KV_PAGE_TOKENS;
/// The loop over sets of query heads is unrolled if a KV head has at most this
/// number of query heads.
constexpr int64_t kUnrolledHeads = 32;
/// The number of partial sums of softmax weights per query row. They are added
/// up when the run's last key has been processed.
constexpr int64_t kSumLanes = 16;

class RowsWriter : AttentionWriter {
public:
  using AttentionWriter::AttentionWriter;
  void write(const AttentionRun &run);

private:
  struct Page {
    Value keys;
    Value values;
    Value nextKeys; // see nextKeys()
  };
  // A set of rows of one token. They are processed together on each page.
  struct Rows {
    Value first; // the index of the set's first row in the run
    int64_t count = 0;
    // The index of this set among the `sets` sets of a token, which share the
    // work of prefetching. If `sets` is 0, nothing is prefetched.
    int64_t set = 0;
    int64_t sets = 1;
    bool isFirst() const { return set == 0 && sets != 0; }
    Values queries; // the address of each row's query
    Value valid;    // how many of the page's keys the token attends to
  };

  Value largest(Value row) { return b.element(at(shape.rows.largest), row, 4); }
  Value sum(Value row) {
    return b.element(at(shape.rows.sum), row, kSumLanes * 4);
  }
  Value values(Value row) {
    return b.element(at(shape.rows.values), row, shape.kv.paddedDim * 4);
  }
  Value decay(int64_t row) { return at(shape.rows.decay + row * 4); }
  Value weights(int64_t row) {
    return at(shape.rows.weights + row * kPage * 4);
  }
  // Reduces a vector to kSumLanes lanes with `combine`.
  Value folded(Value vector, llvm::function_ref<Value(Value, Value)> combine);

  void start(Value rows);
  void finish(const AttentionRun &run);
  void storeState(const AttentionRun &run);
  Value rangeStart(Value range, Value pages);
  Value nextKeys(const AttentionRun &run, Value page, Value lastPage);
  void writePage(const AttentionRun &run, Value page, Value lastPage);
  void prefetchShare(Value half, const Rows &rows, int64_t pass, int64_t passes,
                     Value step, int64_t steps);
  void requestRow(Value half, Value next, Value row, int64_t rowBytes);
  void writeScores(const Rows &rows, const Page &page);
  void writeWeights(const Rows &rows, int64_t r);
  void addValues(const Rows &rows, const Page &page);
};

void RowsWriter::write(const AttentionRun &run) {
  start(b.mul(b.sub(run.end, run.first), b.i64(shape.group)));
  // The last page that may be visited is the one that holds position `last`.
  // Kernels of MClass::One are tuned for a batch of one token, the last of its
  // sequence, so they use the last position of the sequence. If the position of
  // the token is an earlier one, writePage() skips the pages that begin after
  // the token.
  const Value last = spec.mClass == MClass::One
                         ? b.sub(lengthOf(run.sequence), b.i64(1))
                         : positionOf(b.sub(run.end, b.i64(1)));
  const Value lastPage = b.div(last, b.i64(kPage));
  const Value pages = b.add(lastPage, b.i64(1));
  Value begin = b.i64(0);
  Value end = pages;
  if (shape.ranges != 1) {
    begin = rangeStart(run.range, pages);
    end = rangeStart(b.add(run.range, b.i64(1)), pages);
  }
  b.loop(begin, end, b.i64(1),
         [&](Value page) { writePage(run, page, lastPage); });
  shape.ranges == 1 ? finish(run) : storeState(run);
}

// The index of the first page of range `range`, for a token that attends to
// `pages` pages. If more than one range is used, each used range has at least
// kAttentionRangePages pages. As many ranges are used as this rule allows; the
// others are empty. The used ranges are spread evenly among all ranges: a
// thread takes consecutive tiles, so every thread gets its share of the work.
RowsWriter::Value RowsWriter::rangeStart(Value range, Value pages) {
  const Value ranges = b.i64(shape.ranges);
  const Value used =
      b.max(b.min(b.div(pages, b.i64(int64_t{kAttentionRangePages})), ranges),
            b.i64(1));
  const Value index = b.div(b.mul(range, used), ranges);
  return b.div(b.mul(index, pages), used);
}

void RowsWriter::start(Value rows) {
  b.loop(b.i64(0), rows, b.i64(1), [&](Value row) {
    b.store(b.f32(-FLT_MAX), largest(row), 4);
    b.store(b.zero(b.vec(b.f32(), kSumLanes)), sum(row), 64);
    const Type type = b.vec(b.f32(), KvShape::kVector);
    b.loop(b.i64(0), b.i64(shape.kv.paddedDim), b.i64(KvShape::kVector),
           [&](Value i) {
             b.store(b.zero(type), b.element(values(row), i, 4), 32);
           });
  });
}

// Returns the address of the keys that are read after those of page `page`:
// those in the next page or, after the last page, those in the first page of
// the next head. After the last page of the last head, nothing is read, and the
// result is the address of the keys in the first page of that head.
RowsWriter::Value RowsWriter::nextKeys(const AttentionRun &run, Value page,
                                       Value lastPage) {
  const Value isLast = b.equal(page, lastPage);
  AttentionRun next = run;
  next.kvHead = b.select(
      isLast, b.min(b.add(run.kvHead, b.i64(1)), b.i64(shape.kvHeads - 1)),
      run.kvHead);
  return pageKeys(next, b.select(isLast, b.i64(0), b.add(page, b.i64(1))));
}

void RowsWriter::writePage(const AttentionRun &run, Value index,
                           Value lastPage) {
  const Value pageStart = b.mul(index, b.i64(kPage));
  Page page;
  page.keys = pageKeys(run, index);
  page.values = b.offset(page.keys, shape.kv.valuesOffset);
  page.nextKeys = nextKeys(run, index, lastPage);
  b.loop(run.first, run.end, b.i64(1), [&](Value token) {
    const Value valid = validKeys(token, pageStart);
    const Value tokenRow = b.mul(b.sub(token, run.first), b.i64(shape.group));
    // A token attends to no key of this page if its last key is on an earlier
    // page.
    b.ifThen(b.notEqual(valid, b.i64(0)), [&] {
      const auto writeHeads = [&](Value head, int64_t count, int64_t set,
                                  int64_t sets) {
        Rows rows;
        rows.first = b.add(tokenRow, head);
        rows.count = count;
        rows.set = set;
        rows.sets = sets;
        rows.valid = valid;
        for (int64_t r = 0; r < count; ++r) {
          rows.queries.push_back(query(run, token, b.add(head, b.i64(r))));
        }
        writeScores(rows, page);
        for (int64_t r = 0; r < count; ++r) {
          writeWeights(rows, r);
        }
        addValues(rows, page);
      };
      if (shape.group > kUnrolledHeads) {
        const int64_t whole = shape.group / kRowsTogether * kRowsTogether;
        // The first set alone prefetches the next page. The code in the loop
        // serves many sets, but its share of the prefetches would be fixed, so
        // all of these sets would prefetch the same cache lines.
        writeHeads(b.i64(0), kRowsTogether, 0, 1);
        b.loop(b.i64(kRowsTogether), b.i64(whole), b.i64(kRowsTogether),
               [&](Value head) { writeHeads(head, kRowsTogether, 0, 0); });
        if (whole != shape.group) {
          writeHeads(b.i64(whole), shape.group - whole, 0, 0);
        }
        return;
      }
      // Splits the heads of the group into as few sets as possible, of nearly
      // equal size.
      const int64_t sets = (shape.group + kRowsTogether - 1) / kRowsTogether;
      int64_t row = 0;
      for (int64_t set = 0; set < sets; ++set) {
        const int64_t count =
            (shape.group - row + sets - set - 1) / (sets - set);
        writeHeads(b.i64(row), count, set, sets);
        row += count;
      }
    });
  });
}

// Prefetches a share of `half` into L2. While the K of a page is read, `half`
// is the K of the next page; while the V is read, it is the V of the next page.
// For each token, every set of rows reads the K (or the V) of the current page
// in `passes` loops of at most `steps` steps. Each step calls this function
// with the number `pass` of its loop and its own number `step`. `half` is
// divided into rows.sets * passes * steps shares, one for each possible step.
// If rows.sets is 0, nothing is prefetched.
void RowsWriter::prefetchShare(Value half, const Rows &rows, int64_t pass,
                               int64_t passes, Value step, int64_t steps) {
  if (rows.sets == 0) {
    return;
  }
  // The size of a head's K in a page. Its V has the same size.
  const int64_t bytes = shape.kv.valuesOffset;
  const int64_t shares = rows.sets * passes;
  const int64_t share = rows.set * passes + pass;
  const int64_t lines =
      (bytes + shares * steps * kLine - 1) / (shares * steps * kLine);
  for (int64_t line = 0; line < lines; ++line) {
    const Value number = b.add(
        b.mul(b.add(b.i64(share * steps), step), b.i64(lines)), b.i64(line));
    b.prefetch(
        b.element(half, b.min(number, b.i64((bytes - 1) / kLine)), kLine),
        StreamHint::T1);
  }
}

// Prefetches rowBytes bytes of K or V into L1. `half` is the K or the V of a
// page, and `next` is the half that is read after it: the V of the same page or
// the K of the next page. Several loops run over the rows of `half`. Only the
// first of these loops calls this function: before it loads row `row`, it
// prefetches the bytes that begin nearBytes after the start of this row. If
// they begin past the end of `half`, they are taken from `next`, as if `next`
// directly followed `half`. The cache lines of a page are thus prefetched in
// the order of their addresses.
void RowsWriter::requestRow(Value half, Value next, Value row,
                            int64_t rowBytes) {
  const Value offset = b.mul(row, b.i64(rowBytes));
  // The size of a head's K in a page. Its V has the same size.
  const Value bytes = b.i64(shape.kv.valuesOffset);
  const Value later = b.add(offset, b.i64(shape.rows.nearBytes));
  const Value isNext = b.lessEqual(bytes, later);
  const Value from = b.offset(b.select(isNext, next, half),
                              b.select(isNext, b.sub(later, bytes), later));
  for (int64_t at = 0; at < rowBytes; at += kLine) {
    b.prefetch(b.offset(from, at));
  }
}

// Sets weights[r][key] to the dot product of query r and the key, for all 64
// keys of the page, with one key per lane.
void RowsWriter::writeScores(const Rows &rows, const Page &page) {
  const int64_t lanes = shape.rowLanes;
  const Type type = b.vec(b.f32(), lanes);
  for (int64_t key = 0; key < kPage; key += lanes) {
    const Value keys = b.offset(page.keys, key * shape.kv.elementBytes);
    const Values scores =
        b.loop(b.i64(0), b.i64(shape.kv.headDim), b.i64(1),
               Values(rows.count, b.zero(type)),
               [&](Value i, mlir::ValueRange carried) {
                 prefetchShare(page.nextKeys, rows, key / lanes, kPage / lanes,
                               i, shape.kv.headDim);
                 if (key == 0 && rows.isFirst()) {
                   requestRow(page.keys, page.values, i, shape.kv.keyRowBytes);
                 }
                 const Value k =
                     loadWide(b.element(keys, i, shape.kv.keyRowBytes), lanes,
                              static_cast<unsigned>(8 * shape.kv.elementBytes));
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

RowsWriter::Value
RowsWriter::folded(Value vector,
                   llvm::function_ref<Value(Value, Value)> combine) {
  auto lanes = mlir::cast<mlir::VectorType>(vector.getType()).getNumElements();
  for (; lanes > kSumLanes; lanes /= 2) {
    llvm::SmallVector<int64_t> low;
    llvm::SmallVector<int64_t> high;
    for (int64_t lane = 0; lane < lanes / 2; ++lane) {
      low.push_back(lane);
      high.push_back(lane + lanes / 2);
    }
    vector = combine(b.shuffle(vector, vector, low),
                     b.shuffle(vector, vector, high));
  }
  return vector;
}

// Turns the scores of row r into weights 2^(score - largest), and updates the
// row's largest score and the sum of its weights. Stores in `decay` the factor
// by which addValues() must rescale the row's values.
void RowsWriter::writeWeights(const Rows &rows, int64_t r) {
  const Value row = b.add(rows.first, b.i64(r));
  const int64_t lanes = shape.rowLanes;
  const Type type = b.vec(b.f32(), lanes);
  const Value limit = b.splat(b.truncate(rows.valid, b.i32()), lanes);
  const Value hidden = b.constant(type, double(-FLT_MAX));
  const Value scale = b.constant(type, scoreScale());
  Values scores;
  Values seen;
  Value top;
  for (int64_t key = 0; key < kPage; key += lanes) {
    llvm::SmallVector<int32_t> numbers;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      numbers.push_back(static_cast<int32_t>(key + lane));
    }
    const Value score =
        b.mul(b.load(type, b.offset(weights(r), key * 4), 64), scale);
    seen.push_back(b.less(b.constants(numbers), limit));
    scores.push_back(b.select(seen.back(), score, hidden));
    top = top ? b.max(top, scores.back()) : scores.back();
  }
  const Value before = b.load(b.f32(), largest(row), 4);
  const auto maxOf = [&](Value x, Value y) { return b.max(x, y); };
  const Value after = b.max(before, b.maxLanes(folded(top, maxOf)));
  const Value afters = b.splat(after, lanes);
  const Value shrink = powerOfTwo(b.sub(before, after));
  Value total;
  for (size_t i = 0; i < scores.size(); ++i) {
    const Value weight =
        b.select(seen[i], powerOfTwo(b.sub(scores[i], afters)), b.zero(type));
    b.store(weight, b.offset(weights(r), static_cast<int64_t>(i) * lanes * 4),
            64);
    total = total ? b.add(total, weight) : weight;
  }
  const auto sumOf = [&](Value x, Value y) { return b.add(x, y); };
  const Value sums = b.load(b.vec(b.f32(), kSumLanes), sum(row), 64);
  b.store(b.fma(sums, b.splat(shrink, kSumLanes), folded(total, sumOf)),
          sum(row), 64);
  b.store(after, largest(row), 4);
  b.store(shrink, decay(r), 4);
}

// Computes values[r] = values[r] * decay[r] + sum over keys of weight * V, with
// one element of V per lane. Only keys that the token attends to are included.
void RowsWriter::addValues(const Rows &rows, const Page &page) {
  const Value nextValues = b.offset(page.nextKeys, shape.kv.valuesOffset);
  // The widths, in lanes, of the vectors that together cover headDim elements.
  llvm::SmallVector<int64_t> widths;
  for (int64_t i = 0, lanes = shape.rowLanes; i < shape.kv.headDim;
       i += lanes) {
    while (lanes > shape.kv.headDim - i) {
      lanes /= 2;
    }
    widths.push_back(lanes);
  }
  int64_t i = 0;
  for (size_t pass = 0; pass < widths.size(); ++pass) {
    const int64_t lanes = widths[pass];
    const Type type = b.vec(b.f32(), lanes);
    const auto alignment =
        static_cast<unsigned>(std::min<int64_t>(lanes, 8) * 4);
    const Value source = b.offset(page.values, i * shape.kv.elementBytes);
    Values places;
    Values sums;
    for (int64_t r = 0; r < rows.count; ++r) {
      const Value row = b.add(rows.first, b.i64(r));
      places.push_back(b.offset(values(row), i * 4));
      sums.push_back(b.mul(b.load(type, places[r], alignment),
                           b.loadSplat(decay(r), lanes)));
    }
    sums = b.loop(
        b.i64(0), rows.valid, b.i64(1), sums,
        [&](Value key, mlir::ValueRange carried) {
          prefetchShare(nextValues, rows, static_cast<int64_t>(pass),
                        static_cast<int64_t>(widths.size()), key, kPage);
          if (pass == 0 && rows.isFirst()) {
            requestRow(page.values, page.nextKeys, key, shape.kv.valueRowBytes);
          }
          const Value v =
              loadWide(b.element(source, key, shape.kv.valueRowBytes), lanes,
                       shape.kv.valueAlignment(lanes));
          Values next;
          for (int64_t r = 0; r < rows.count; ++r) {
            const Value w = b.loadSplat(b.element(weights(r), key, 4), lanes);
            next.push_back(b.fma(w, v, carried[r]));
          }
          return next;
        });
    for (int64_t r = 0; r < rows.count; ++r) {
      b.store(sums[r], places[r], alignment);
    }
    i += lanes;
  }
}

void RowsWriter::finish(const AttentionRun &run) {
  b.loop(run.first, run.end, b.i64(1), [&](Value token) {
    const Value tokenRow = b.mul(b.sub(token, run.first), b.i64(shape.group));
    b.loop(b.i64(0), b.i64(shape.group), b.i64(1), [&](Value head) {
      const Value row = b.add(tokenRow, head);
      const Value out = output(run, token, head);
      const Value total =
          b.sumLanes(b.load(b.vec(b.f32(), kSumLanes), sum(row), 64));
      const Value factor = b.splat(b.div(b.f32(1.0F), total), KvShape::kVector);
      const Type type = b.vec(b.f32(), KvShape::kVector);
      forVectors([&](Value i, int64_t count) {
        const Value value = b.load(type, b.element(values(row), i, 4), 32);
        storeFirst(b.mul(value, factor), b.element(out, i, 4), count);
      });
    });
  });
}

// Stores the softmax state of the run's range of positions, for AttentionMerge.
void RowsWriter::storeState(const AttentionRun &run) {
  const Value states =
      b.element(b.binding(2), run.first,
                static_cast<int64_t>(attentionStateFloats(spec)) * 4);
  b.loop(b.i64(0), b.i64(shape.group), b.i64(1), [&](Value row) {
    const AttentionState state =
        attentionState(b, spec, states, run.range, headOf(run, row));
    const Type type = b.vec(b.f32(), KvShape::kVector);
    forVectors([&](Value i, int64_t count) {
      storeFirst(b.load(type, b.element(values(row), i, 4), 32),
                 b.element(state.values, i, 4), count);
    });
    b.store(b.load(b.f32(), largest(row), 4), state.largest, 4);
    b.store(b.sumLanes(b.load(b.vec(b.f32(), kSumLanes), sum(row), 64)),
            b.offset(state.largest, 4), 4);
  });
}

} // namespace

void writeRowsRun(KernelBuilder &b, const KernelSpec &spec,
                  const AttentionRun &run) {
  RowsWriter(b, spec).write(run);
}

} // namespace air::codegen
