//===- AttentionPanels.cpp - attention for many queries -------------------===//
//
// Queries are stored in panels a few vector registers wide. Each lane of a
// panel is one row: one query head of one token. For each panel and page there
// are two small matmuls:
//   scores[key][row]     = sum over i of K[i][key] * query[i][row]
//   weighted[i][row]    += sum over keys of V[key][i] * weights[key][row]
// In both, a register tile broadcasts each of panelColumns elements of K or V
// to all lanes and multiplies it by a vector that has one lane per row of the
// panel. The softmax between the two matmuls therefore needs no horizontal
// reductions: one vector holds the largest score of each row, and another holds
// the sum of each row's weights. The elements of the KV cache are widened to
// f32 once per run of tokens (AttentionParts.h). While a page is multiplied,
// the next page is prefetched.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/attention/AttentionParts.h"

#include <algorithm>
#include <array>
#include <cfloat>

namespace air::codegen {
namespace {

constexpr int64_t kPage = AIR_KV_PAGE_TOKENS;
/// The side length, in elements, of the squares that are transposed in
/// registers.
constexpr int64_t kSquare = KvShape::kVector;

class PanelsWriter : AttentionWriter {
public:
  using AttentionWriter::AttentionWriter;
  void write(const AttentionRun &run);

private:
  struct Page {
    Value start; // the position of the page's first key
    // The addresses in scratch of the page's keys and values, which have been
    // widened to f32.
    Value keys;
    Value values;
    // `next` is the address of the page that is read next. Each register tile
    // of scores prefetches `share` cache lines of it.
    Value next;
    Value share;
  };
  // A panel of queries, combined with a page of keys and values.
  struct Place {
    Value panel;
    // How many of the page's keys the panel's last row attends to.
    Value valid;
    Value tiled; // `valid`, rounded up to whole register tiles
  };
  struct RowPlace {
    Value token;
    Value headOfGroup;
  };

  Type panelType() { return b.vec(b.f32(), shape.panelRows); }
  int64_t panelBytes() const { return shape.panelRows * 4; }
  int64_t headLines() const { return (shape.kv.headBytes + kLine - 1) / kLine; }
  // Arrays in scratch are aligned to 64 bytes, and a vector of panelRows floats
  // takes a multiple of 64 bytes, so every vector is aligned.
  Value load(Value pointer) { return b.load(panelType(), pointer, 64); }
  void store(Value value, Value pointer) { b.store(value, pointer, 64); }
  Value ofPanel(int64_t array, Value panel, int64_t rows = 1) {
    return b.element(at(array), panel, rows * panelBytes());
  }
  Value weights(Value key) {
    return b.element(at(shape.panel.weights), key, panelBytes());
  }
  RowPlace rowPlace(const AttentionRun &run, Value row) {
    return {b.add(run.first, b.div(row, b.i64(shape.group))),
            b.rem(row, b.i64(shape.group))};
  }
  Value rowsOf(const AttentionRun &run) {
    return b.mul(b.sub(run.end, run.first), b.i64(shape.group));
  }
  void forSquares(const AttentionRun &run, Value panels,
                  llvm::function_ref<void(Value panel, Value lane,
                                          llvm::ArrayRef<RowPlace>)>
                      body);

  void start(const AttentionRun &run, Value panels);
  void finish(const AttentionRun &run, Value panels);
  Page widened(const AttentionRun &run, Value page, Value valid);
  void prefetchShare(const Page &page, const Place &place, Value key);
  void attend(const Page &page, const Place &place, Value seenByAll);
  Value writeScores(const Page &page, const Place &place);
  Value hideScores(const Page &page, const Place &place);
  Value writeWeights(const Place &place, Value top);
  void addValues(const Page &page, const Place &place, Value decay);
  Values transposed(Values rows);
};

void PanelsWriter::write(const AttentionRun &run) {
  const Value panels = b.div(b.add(rowsOf(run), b.i64(shape.panelRows - 1)),
                             b.i64(shape.panelRows));
  start(run, panels);
  const Value tiles = b.mul(panels, b.i64(kPage / shape.panelColumns));
  const Value share = b.div(b.add(b.i64(headLines() - 1), tiles), tiles);
  const Value lastToken = b.sub(run.end, b.i64(1));
  const Value lastPage = b.div(positionOf(lastToken), b.i64(kPage));
  b.loop(b.i64(0), b.add(lastPage, b.i64(1)), b.i64(1), [&](Value index) {
    const Value pageStart = b.mul(index, b.i64(kPage));
    Page page = widened(run, index, validKeys(lastToken, pageStart));
    // After the last page, the first page of the same head is prefetched,
    // because the next run usually reads it.
    page.next = pageKeys(run, b.select(b.equal(index, lastPage), b.i64(0),
                                       b.add(index, b.i64(1))));
    page.share = share;
    b.loop(b.i64(0), panels, b.i64(1), [&](Value panel) {
      const Value firstRow = b.mul(panel, b.i64(shape.panelRows));
      const Value lastRow = b.add(firstRow, b.i64(shape.panelRows - 1));
      Place place;
      place.panel = panel;
      place.valid =
          validKeys(b.min(rowPlace(run, lastRow).token, lastToken), pageStart);
      place.tiled = b.andBits(b.add(place.valid, b.i64(shape.panelColumns - 1)),
                              -shape.panelColumns);
      // A panel attends to no key of this page if the last keys of all its rows
      // are on earlier pages.
      b.ifThen(b.notEqual(place.valid, b.i64(0)), [&] {
        attend(page, place,
               validKeys(rowPlace(run, firstRow).token, pageStart));
      });
    });
  });
  finish(run, panels);
}

// Calls body(panel, lane, rows) for each set of kSquare consecutive lanes of
// every panel. `lane` is the first lane of the set, and `rows` lists the rows
// in its lanes. The last panel may have more lanes than there are rows left;
// the additional lanes hold copies of the run's last row. Each copy gives the
// same result, and finish() stores all of them to the same place.
void PanelsWriter::forSquares(
    const AttentionRun &run, Value panels,
    llvm::function_ref<void(Value panel, Value lane, llvm::ArrayRef<RowPlace>)>
        body) {
  const Value lastRow = b.sub(rowsOf(run), b.i64(1));
  b.loop(b.i64(0), panels, b.i64(1), [&](Value panel) {
    b.loop(b.i64(0), b.i64(shape.panelRows), b.i64(kSquare), [&](Value lane) {
      const Value first = b.add(b.mul(panel, b.i64(shape.panelRows)), lane);
      llvm::SmallVector<RowPlace> places;
      for (int64_t r = 0; r < kSquare; ++r) {
        places.push_back(rowPlace(run, b.min(b.add(first, b.i64(r)), lastRow)));
      }
      body(panel, lane, places);
    });
  });
}

void PanelsWriter::start(const AttentionRun &run, Value panels) {
  const int64_t paddedDim = shape.kv.paddedDim;
  const Type square = b.vec(b.f32(), kSquare);
  const Value scale = b.constant(square, scoreScale());
  forSquares(
      run, panels,
      [&](Value panel, Value lane, llvm::ArrayRef<RowPlace> places) {
        Values queries;
        const Value positions =
            b.element(ofPanel(shape.panel.positions, panel), lane, 4);
        for (size_t r = 0; r < places.size(); ++r) {
          queries.push_back(query(run, places[r].token, places[r].headOfGroup));
          b.store(b.truncate(positionOf(places[r].token), b.i32()),
                  b.offset(positions, static_cast<int64_t>(r) * 4), 4);
        }
        const Value target =
            b.element(ofPanel(shape.panel.queries, panel, paddedDim), lane, 4);
        forVectors([&](Value i, int64_t count) {
          Values rows;
          for (const Value row : queries) {
            rows.push_back(
                b.mul(loadFirst(b.element(row, i, 4), count), scale));
          }
          const Values columns = transposed(rows);
          for (int64_t j = 0; j < kSquare; ++j) {
            b.store(columns[j],
                    b.element(target, b.add(i, b.i64(j)), panelBytes()), 32);
          }
        });
      });
  b.loop(b.i64(0), panels, b.i64(1), [&](Value panel) {
    store(b.constant(panelType(), double(-FLT_MAX)),
          ofPanel(shape.panel.largest, panel));
    store(b.zero(panelType()), ofPanel(shape.panel.sum, panel));
    const Value weighted = ofPanel(shape.panel.weighted, panel, paddedDim);
    b.loop(b.i64(0), b.i64(paddedDim), b.i64(1), [&](Value i) {
      store(b.zero(panelType()), b.element(weighted, i, panelBytes()));
    });
  });
}

void PanelsWriter::finish(const AttentionRun &run, Value panels) {
  const Type square = b.vec(b.f32(), kSquare);
  forSquares(
      run, panels,
      [&](Value panel, Value lane, llvm::ArrayRef<RowPlace> places) {
        Values outputs;
        for (const RowPlace &place : places) {
          outputs.push_back(output(run, place.token, place.headOfGroup));
        }
        const Value sums = b.load(
            square, b.element(ofPanel(shape.panel.sum, panel), lane, 4), 32);
        const Value factors = b.div(b.constant(square, 1.0), sums);
        const Value source = b.element(
            ofPanel(shape.panel.weighted, panel, shape.kv.paddedDim), lane, 4);
        forVectors([&](Value i, int64_t count) {
          Values columns;
          for (int64_t j = 0; j < kSquare; ++j) {
            const Value column =
                b.load(square,
                       b.element(source, b.add(i, b.i64(j)), panelBytes()), 32);
            columns.push_back(b.mul(column, factors));
          }
          const Values rows = transposed(columns);
          for (int64_t r = 0; r < kSquare; ++r) {
            storeFirst(rows[r], b.element(outputs[r], i, 4), count);
          }
        });
      });
}

// Widens a page to f32 in scratch: the K of all 64 keys, and the V of the first
// `valid` keys. The other keys may hold any bits; their scores are masked
// later.
PanelsWriter::Page PanelsWriter::widened(const AttentionRun &run, Value page,
                                         Value valid) {
  const Value keys = pageKeys(run, page);
  const Value values = b.offset(keys, shape.kv.valuesOffset);
  const Page wide = {b.mul(page, b.i64(kPage)), at(shape.panel.keys),
                     at(shape.panel.values), Value(), Value()};
  const auto widenRow = [&](Value source, Value target, int64_t count,
                            llvm::function_ref<unsigned(int64_t)> alignment) {
    int64_t lanes = 64;
    for (int64_t i = 0; i < count; i += lanes) {
      while (lanes > count - i) {
        lanes /= 2;
      }
      b.store(loadWide(b.offset(source, i * shape.kv.elementBytes), lanes,
                       alignment(lanes)),
              b.offset(target, i * 4),
              static_cast<unsigned>(std::min(lanes, kSquare) * 4));
    }
  };
  b.loop(b.i64(0), b.i64(shape.kv.headDim), b.i64(1), [&](Value i) {
    widenRow(b.element(keys, i, shape.kv.keyRowBytes),
             b.element(wide.keys, i, shape.panel.keyStride), kPage,
             [&](int64_t lanes) {
               return static_cast<unsigned>(std::min(lanes, kSquare) *
                                            shape.kv.elementBytes);
             });
  });
  b.loop(b.i64(0), valid, b.i64(1), [&](Value key) {
    widenRow(b.element(values, key, shape.kv.valueRowBytes),
             b.element(wide.values, key, shape.panel.valueStride),
             shape.kv.headDim,
             [&](int64_t lanes) { return shape.kv.valueAlignment(lanes); });
  });
  return wide;
}

// Each register tile of scores prefetches a share of the next page into L2.
// This function does so for the tile whose first key is `key`. The prefetches
// are spread over the multiplication, which takes much longer than widening a
// page does. If they were spread over the widening instead, nearly all lines
// would wait for memory at the same time.
void PanelsWriter::prefetchShare(const Page &page, const Place &place,
                                 Value key) {
  const Value tile =
      b.add(b.mul(place.panel, b.i64(kPage / shape.panelColumns)),
            b.div(key, b.i64(shape.panelColumns)));
  const Value first = b.mul(tile, page.share);
  b.loop(first, b.min(b.add(first, page.share), b.i64(headLines())), b.i64(1),
         [&](Value line) {
           b.prefetch(b.element(page.next, line, kLine), StreamHint::T1);
         });
}

void PanelsWriter::attend(const Page &page, const Place &place,
                          Value seenByAll) {
  const Value top = writeScores(page, place);
  const Values tops = b.ifElse(
      b.less(seenByAll, place.tiled),
      [&]() -> Values { return {hideScores(page, place)}; },
      [&]() -> Values { return {top}; });
  addValues(page, place, writeWeights(place, tops[0]));
}

// Stores the scores of a panel's rows for the first place.tiled keys of a page.
// Returns the largest of these scores for each row.
PanelsWriter::Value PanelsWriter::writeScores(const Page &page,
                                              const Place &place) {
  const int64_t columns = shape.panelColumns;
  const Value queries =
      ofPanel(shape.panel.queries, place.panel, shape.kv.paddedDim);
  return b.loop(
      b.i64(0), place.tiled, b.i64(columns),
      {b.constant(panelType(), double(-FLT_MAX))},
      [&](Value key, mlir::ValueRange tops) -> Values {
        prefetchShare(page, place, key);
        const Value keys = b.element(page.keys, key, 4);
        const Values scores = b.loop(
            b.i64(0), b.i64(shape.kv.headDim), b.i64(1),
            Values(columns, b.zero(panelType())),
            [&](Value i, mlir::ValueRange sums) {
              const Value query = load(b.element(queries, i, panelBytes()));
              const Value element = b.element(keys, i, shape.panel.keyStride);
              Values next;
              for (int64_t j = 0; j < columns; ++j) {
                next.push_back(b.fma(
                    b.loadSplat(b.offset(element, j * 4), shape.panelRows),
                    query, sums[j]));
              }
              return next;
            });
        Value top = tops[0];
        for (int64_t j = 0; j < columns; ++j) {
          store(scores[j], b.offset(weights(key), j * panelBytes()));
          top = b.max(top, scores[j]);
        }
        return {top};
      })[0];
}

// Masks the scores of keys that a row may not attend to. Returns the largest
// remaining score of each row. This is called only for a page in which some
// rows may not attend to every key.
PanelsWriter::Value PanelsWriter::hideScores(const Page &page,
                                             const Place &place) {
  const Value positions =
      b.load(b.vec(b.i32(), shape.panelRows),
             ofPanel(shape.panel.positions, place.panel), 64);
  const Value hidden = b.constant(panelType(), double(-FLT_MAX));
  return b.loop(b.i64(0), place.tiled, b.i64(1), {hidden},
                [&](Value key, mlir::ValueRange tops) -> Values {
                  const Value position =
                      b.splat(b.truncate(b.add(page.start, key), b.i32()),
                              shape.panelRows);
                  const Value score = b.select(b.lessEqual(position, positions),
                                               load(weights(key)), hidden);
                  store(score, weights(key));
                  return {b.max(tops[0], score)};
                })[0];
}

// Turns scores into weights 2^(score - largest), and updates each row's largest
// score and the sum of its weights. Returns the factors by which the rows'
// weighted values must then be rescaled.
PanelsWriter::Value PanelsWriter::writeWeights(const Place &place, Value top) {
  const Value largest = ofPanel(shape.panel.largest, place.panel);
  const Value sum = ofPanel(shape.panel.sum, place.panel);
  const Value before = load(largest);
  const Value after = b.max(before, top);
  const Value decay = powerOfTwo(b.sub(before, after));
  store(after, largest);
  const Values sums =
      b.loop(b.i64(0), place.valid, b.i64(1), {b.mul(load(sum), decay)},
             [&](Value key, mlir::ValueRange carried) -> Values {
               const Value weight =
                   powerOfTwo(b.sub(load(weights(key)), after));
               store(weight, weights(key));
               return {b.add(carried[0], weight)};
             });
  store(sums[0], sum);
  return decay;
}

void PanelsWriter::addValues(const Page &page, const Place &place,
                             Value decay) {
  const int64_t columns = shape.panelColumns;
  const Value weighted =
      ofPanel(shape.panel.weighted, place.panel, shape.kv.paddedDim);
  // The loop includes the padding, elements headDim to paddedDim - 1, which
  // never reaches the output.
  b.loop(b.i64(0), b.i64(shape.kv.paddedDim), b.i64(columns), [&](Value i) {
    Values places;
    Values sums;
    for (int64_t j = 0; j < columns; ++j) {
      places.push_back(
          b.offset(b.element(weighted, i, panelBytes()), j * panelBytes()));
      sums.push_back(b.mul(load(places[j]), decay));
    }
    const Value values = b.element(page.values, i, 4);
    sums = b.loop(b.i64(0), place.valid, b.i64(1), sums,
                  [&](Value key, mlir::ValueRange carried) {
                    const Value weight = load(weights(key));
                    const Value value =
                        b.element(values, key, shape.panel.valueStride);
                    Values next;
                    for (int64_t j = 0; j < columns; ++j) {
                      next.push_back(b.fma(
                          b.loadSplat(b.offset(value, j * 4), shape.panelRows),
                          weight, carried[j]));
                    }
                    return next;
                  });
    for (int64_t j = 0; j < columns; ++j) {
      store(sums[j], places[j]);
    }
  });
}

// Transposes a square: result j holds element j of every row.
PanelsWriter::Values PanelsWriter::transposed(Values rows) {
  // Two vectors for each pair of rows: elements 0, 1, 4 and 5 of both rows,
  // interleaved, and elements 2, 3, 6 and 7 of both rows, interleaved.
  Values pairs;
  for (int64_t r = 0; r < kSquare; r += 2) {
    pairs.push_back(
        b.shuffle(rows[r], rows[r + 1], {0, 8, 1, 9, 4, 12, 5, 13}));
    pairs.push_back(
        b.shuffle(rows[r], rows[r + 1], {2, 10, 3, 11, 6, 14, 7, 15}));
  }
  // Four vectors for each set of four rows: vector n has element n of every
  // row, then element n + 4 of every row.
  Values fours;
  for (int64_t half = 0; half < kSquare; half += 4) {
    for (int64_t n = 0; n < 2; ++n) {
      const Value low = pairs[half + n];
      const Value high = pairs[half + 2 + n];
      fours.push_back(b.shuffle(low, high, {0, 1, 8, 9, 4, 5, 12, 13}));
      fours.push_back(b.shuffle(low, high, {2, 3, 10, 11, 6, 7, 14, 15}));
    }
  }
  Values columns;
  for (int64_t j = 0; j < 4; ++j) {
    columns.push_back(
        b.shuffle(fours[j], fours[4 + j], {0, 1, 2, 3, 8, 9, 10, 11}));
  }
  for (int64_t j = 0; j < 4; ++j) {
    columns.push_back(
        b.shuffle(fours[j], fours[4 + j], {4, 5, 6, 7, 12, 13, 14, 15}));
  }
  return columns;
}

} // namespace

void writePanelsRun(KernelBuilder &b, const KernelSpec &spec,
                    const AttentionRun &run) {
  PanelsWriter(b, spec).write(run);
}

} // namespace air::codegen
