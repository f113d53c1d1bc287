//===- KernelCases.cpp - what each op must compute, on odd shapes ---------===//
#include "KernelCases.h"

#include "codegen/cpu/matmul/Bf16Dot.h"
#include "codegen/cpu/matmul/MatMulTiling.h"
#include "formats/dtype/Half.h"
#include "formats/plan/X16Order.h"
#include "formats/support/CheckedMath.h"
#include "test/codegen/cpu/matmul/ActivationRange.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

namespace air::codegen::test {

std::vector<uint64_t> tokenCounts(MClass mClass) {
  switch (mClass) {
  case MClass::One:
    return {1, 3};
  case MClass::Small:
    return {2, 5, 8, 1};
  case MClass::Large:
    return {9, 16, 37, 2};
  }
  return {};
}

std::string labelOf(const KernelSpec &spec, uint64_t tokens) {
  return kernelName(spec) + " with " + std::to_string(tokens) + " tokens";
}

Doubles scaled(const Doubles &magnitudes, double factor, double floor) {
  Doubles bounds;
  for (const double magnitude : magnitudes) {
    bounds.push_back(std::abs(magnitude) * factor + floor);
  }
  return bounds;
}

std::string expectNaN(const Floats &got, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    if (!std::isnan(got[i])) {
      return "y[" + std::to_string(i) + "] is " + std::to_string(got[i]) +
             ", expected NaN";
    }
  }
  return "";
}

namespace {

// One token's block of 32 columns in any of the int8 activation formats. If the
// scale is NaN, `q` and the sums are unspecified (codegen/KernelSpec.h).
struct PackedBlock {
  std::vector<int> q;
  float scale;
  std::vector<int32_t> sums;
  std::vector<float> scaledSums;
  // In formats other than I8Grid, `step` and `conversion` are 0.
  int32_t step;
  int32_t conversion; ///< in I8Grid, off the grid if the scale is NaN

  bool isAs(const PackedBlock &want) const {
    if (std::isnan(want.scale)) {
      return std::isnan(scale) && step == want.step &&
             conversion == want.conversion;
    }
    return q == want.q &&
           std::bit_cast<uint32_t>(scale) ==
               std::bit_cast<uint32_t>(want.scale) &&
           sums == want.sums && scaledSums == want.scaledSums &&
           step == want.step && conversion == want.conversion;
  }
};

PackedBlock blockOf(const ActivationSection &section, uint64_t block) {
  PackedBlock packed = {{}, section.scale[block], {}, {}, 0, 0};
  for (const auto &sums : section.negatedSums) {
    packed.sums.push_back(sums[block]);
  }
  const auto &[high, low] = section.bytes[kSectionBlocks - 1 - block];
  for (uint64_t i = 0; i < kActivationColumns; ++i) {
    packed.q.push_back(high[i]);
    packed.q.push_back(low[i]);
  }
  return packed;
}

PackedBlock blockOf(const ActivationTile &tile, uint64_t token,
                    Activation format) {
  PackedBlock packed = {{std::begin(tile.q[token]), std::end(tile.q[token])},
                        tile.scale[token],
                        {},
                        {},
                        0,
                        0};
  for (int part = 0; part < 3; ++part) {
    packed.sums.push_back(tile.biasSums[part][token]);
    packed.scaledSums.push_back(tile.scaledSums[part][token]);
  }
  packed.sums.push_back(tile.conversions[token]);
  if (format == Activation::I8Grid) {
    packed.step = tile.steps[token];
    packed.conversion = tile.conversions[token];
  }
  return packed;
}

template <typename Record> std::vector<Record> recordsOf(const Bytes &bytes) {
  std::vector<Record> records(bytes.size() / sizeof(Record));
  if (!records.empty()) {
    std::memcpy(records.data(), bytes.data(), records.size() * sizeof(Record));
  }
  return records;
}

std::string compareTokens(const Bytes &got, Activation format, const Floats &x,
                          uint64_t k) {
  const uint64_t rows = x.size() / k;
  const uint64_t blocks = k / kActivationColumns;
  const auto wrong = [](uint64_t row, uint64_t at) {
    return "row " + std::to_string(row) + ", " + std::to_string(at) +
           " is not as defined";
  };
  if (format == Activation::F32x16) {
    const Floats packed = floatsOf(got);
    for (uint64_t i = 0; i < x.size(); ++i) {
      const uint64_t row = i / k;
      const float value =
          packed[(row / kActivationTokens * k + i % k) * kActivationTokens +
                 row % kActivationTokens];
      if (std::bit_cast<uint32_t>(value) != std::bit_cast<uint32_t>(x[i])) {
        return wrong(row, i % k);
      }
    }
    return "";
  }
  if (format == Activation::BF16x32) {
    // Compares all blocks of a row, including the zeros that pad its last
    // block.
    const auto want = reference::roundToBf16(x, k);
    const uint64_t tileBlocks = ceilDiv(k, kActivationColumns);
    const uint64_t blocksBytes = tileBlocks * sizeof(Bf16Tile);
    const uint64_t tileBytes = blocksBytes + kActivationTokens * sizeof(float);
    for (uint64_t row = 0; row < rows; ++row) {
      const uint64_t token = row % kActivationTokens;
      const uint8_t *tile = got.data() + row / kActivationTokens * tileBytes;
      float factor = 0;
      std::memcpy(&factor, tile + blocksBytes + token * sizeof(float),
                  sizeof(float));
      if (factor != want.factors[row]) {
        return "the factor of row " + std::to_string(row) +
               " is not as defined";
      }
      for (uint64_t i = 0; i < tileBlocks; ++i) {
        Bf16Tile packed;
        std::memcpy(&packed, tile + i * sizeof(Bf16Tile), sizeof(Bf16Tile));
        if (!std::ranges::equal(
                packed.value[token],
                want.tiles[row / kActivationTokens * tileBlocks + i]
                    .value[token])) {
          return wrong(row, i);
        }
      }
    }
    return "";
  }
  const auto gotSections = recordsOf<ActivationSection>(got);
  const auto gotTiles = recordsOf<ActivationTile>(got);
  const auto wantSections = reference::quantizeToSections(x, k);
  const uint64_t rowSections = ceilDiv(k, kSectionColumns);
  const auto wantTiles = reference::quantizeToTiles(x, k, format);
  for (uint64_t i = 0; i < rows * blocks; ++i) {
    const uint64_t row = i / blocks;
    const uint64_t tile = row / kActivationTokens * blocks + i % blocks;
    const uint64_t token = row % kActivationTokens;
    const uint64_t section = row * rowSections + i % blocks / kSectionBlocks;
    const uint64_t place = i % blocks % kSectionBlocks;
    const bool isSame = isInt8Tiled(format)
                            ? blockOf(gotTiles[tile], token, format)
                                  .isAs(blockOf(wantTiles[tile], token, format))
                            : blockOf(gotSections[section], place)
                                  .isAs(blockOf(wantSections[section], place));
    if (!isSame) {
      return wrong(row, i % blocks);
    }
  }
  return "";
}

void addPackActivations(std::vector<KernelCase> &cases, Activation format,
                        uint64_t width, RowsFrom from, Random &random) {
  constexpr uint64_t kBlock = kActivationColumns;
  KernelCase test;
  test.spec.op = KernelOp::PackActivations;
  test.spec.activation = format;
  test.spec.k = width;
  test.spec.rowsFrom = from;
  const uint64_t tokens = 24 + random() % 23;
  test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
  test.label = labelOf(test.spec, tokens);
  const uint64_t rows =
      from == RowsFrom::Outputs ? test.batch.outputRows.size() : tokens;
  Floats x = randomFloats(random, rows * width, 3.0F);
  // The first block of row i contains marked[i]. These values cover both signs,
  // ties, zeros, subnormals, the largest finite value, non-finite values, and
  // blocks whose scale is just inside or just outside the range of I8Grid.
  const float marked[] = {-100.0F,     1e30F,         0x1p-119F,
                          0x1p-112F,   1e-42F,        FLT_MAX,
                          INFINITY,    -INFINITY,     NAN,
                          127 * 128,   127.0F,        0.0F,
                          0x1p50F,     127 * 0x1p44F, 127 * 0x1p-64F,
                          127 * 1.75F, 127 * 1.7501F, 127 * 0x1.fp-65F,
                          FLT_MIN,     FLT_TRUE_MIN};
  if (format == Activation::BF16x32) {
    // These are the bits of numbers halfway between two bfloat16 numbers, which
    // must round to even, and of numbers next to them. Some are subnormal, and
    // others would overflow or are NaN.
    const uint32_t bits[] = {0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF,
                             0xBF818000, 0x00008000, 0x7F7F8000, 0x7F800001,
                             0xFFC00000, 0x00018000, 0x80000001, 0x7FFFFFFF};
    for (size_t i = 0; i < std::size(bits); ++i) {
      x[i * 5 % x.size()] = std::bit_cast<float>(bits[i]);
    }
  }
  for (uint64_t row = 0;
       width >= kBlock && row < std::min<uint64_t>(rows, std::size(marked));
       ++row) {
    float *block = x.data() + row * width;
    const float mark = marked[row];
    for (uint64_t j = 0; j < kBlock; ++j) {
      // One element of the block becomes `mark` below. If `mark` is infinite or
      // NaN, or if |mark| <= 1, the other elements become mark / 4. If `mark`
      // is 127, the scale is 1 in I8 and I8Grid; if it is 127 * 128, the scale
      // is 1 in I8x2. With these marks, the others become multiples of 0.5, so
      // that many lie halfway between integers. Other marks leave them random.
      block[j] = !(std::abs(mark) > 1) || std::isinf(mark) ? 0.25F * mark
                 : mark == 127 * 128
                     ? 0.5F * static_cast<float>(random() % 32512) - 8128
                 : mark == 127.0F
                     ? 0.5F * static_cast<float>(random() % 254) - 63.5F
                     : block[j];
    }
    block[row % kBlock * 3 % kBlock] = mark;
  }
  // From row std::size(marked) on, makes all values of every second row tiny.
  // Some of these tiny rows then get one larger value.
  for (uint64_t row = std::size(marked); row < rows; row += 2) {
    for (uint64_t j = 0; j < width; ++j) {
      x[row * width + j] *= row % 4 == 0 ? 0x1p-70F : 0x1p-120F;
    }
    if (row % 3 == 0) {
      x[row * width + width - 1] = kTinyRow;
    }
  }
  test.readsRows(x, width);
  const uint64_t words = codegen::activationWords(format, width);
  if (format == Activation::I8x2) {
    test.writesRows(randomFloats(random, rows * words), words);
  } else {
    test.writes(bytesOf(
        randomFloats(random, alignUp(rows, kActivationTokens) * words)));
  }
  test.check = [format, x, width](const std::vector<Bytes> &after) {
    return compareTokens(after[1], format, x, width);
  };
  cases.push_back(std::move(test));
}

void addPackActivations(std::vector<KernelCase> &cases, Random &random) {
  for (const RowsFrom from : {RowsFrom::Tokens, RowsFrom::Outputs}) {
    // 544 columns are a whole tile and one more block of 32.
    for (const uint64_t width : {32, 96, 544, 2048}) {
      for (const Activation format :
           {Activation::F32x16, Activation::I8x2, Activation::I8,
            Activation::I8Grid, Activation::BF16x32}) {
        addPackActivations(cases, format, width, from, random);
      }
    }
    for (const uint64_t width : {5, 33, 530}) {
      addPackActivations(cases, Activation::F32x16, width, from, random);
      addPackActivations(cases, Activation::BF16x32, width, from, random);
    }
  }
}

// ---- matrices ---------------------------------------------------------------

// For each result of a matmul, the sum over its terms of |x| times the largest
// |w| in the term's block. Error bounds are relative to this sum.
Doubles blockMagnitude(const Doubles &x, const Doubles &w, uint64_t n,
                       uint64_t k, uint64_t blockElements) {
  const uint64_t block = std::max<uint64_t>(blockElements, 16);
  Doubles bounded(w.size());
  for (uint64_t row = 0; row < n; ++row) {
    for (uint64_t first = 0; first < k; first += block) {
      const uint64_t end = std::min(k, first + block);
      double largest = 0;
      for (uint64_t i = first; i < end; ++i) {
        largest = std::max(largest, std::abs(w[row * k + i]));
      }
      std::fill(bounded.begin() + static_cast<ptrdiff_t>(row * k + first),
                bounded.begin() + static_cast<ptrdiff_t>(row * k + end),
                largest);
    }
  }
  return reference::matMulMagnitude(x, bounded, {}, n, k);
}

void addEmbedRows(std::vector<KernelCase> &cases, DType dtype, Layout layout,
                  Random &random) {
  const uint64_t block = info(dtype).blockElements;
  for (const uint64_t blocks : {1, 3}) {
    KernelCase test;
    test.spec.op = KernelOp::EmbedRows;
    test.spec.dtype = dtype;
    test.spec.layout = layout;
    test.spec.n = 37;
    test.spec.k = block == 1 ? 5 + 40 * blocks : blocks * block;
    test.spec.scale = blocks == 1 ? 1.0F : 2.5F;
    const uint64_t tokens = 1 + random() % 20;
    test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9, test.spec.n);
    test.batch.ids.back() = 36;
    test.label = labelOf(test.spec, tokens);
    const Matrix table =
        randomMatrix(random, dtype, layout, test.spec.n, test.spec.k);
    test.reads(table.packed);
    test.writesRows(randomFloats(random, tokens * test.spec.k), test.spec.k);
    const Doubles want = reference::embedRows(table.values, test.spec.k,
                                              test.batch.ids, test.spec.scale);
    // An element is scale * q + offset. The two terms may cancel, so the bound
    // is relative to the largest element of all rows.
    double largest = 0;
    for (const double value : want) {
      largest = std::max(largest, std::abs(value));
    }
    const double bound = 8 * kEpsilon * largest;
    test.check = [want, bound](const std::vector<Bytes> &after) {
      return compare("x", floatsOf(after[1]), want,
                     Doubles(want.size(), bound));
    };
    cases.push_back(std::move(test));
  }
}

struct MatMulShape {
  uint64_t n;
  uint64_t blocks;
  // Each row of y has `gapBefore` elements before the ones that this matmul
  // writes, and `gapAfter` elements after them. In a plan, other matmuls write
  // the elements in the gaps.
  uint64_t gapBefore;
  uint64_t gapAfter;
  bool accumulate;
  bool hasBias;
  bool hasRowScales;
  RowsFrom rowsFrom;
  bool hasOtherTiles;
};

constexpr MatMulShape kMatMulShapes[] = {
    {48, 2, 0, 0, false, false, false, RowsFrom::Tokens, false},
    {37, 3, 5, 2, false, true, true, RowsFrom::Tokens, false},
    {19, 1, 0, 3, true, false, true, RowsFrom::Outputs, false},
    {101, 3, 0, 1, false, false, false, RowsFrom::Tokens, true},
};

/// Tile sizes that the cost model would not choose and that leave incomplete
/// tiles at the ends of the matrix.
MatMulTiles otherTiles(const KernelSpec &spec) {
  MatMulTiles tiles;
  if (usesPanel(spec)) {
    const bool isPairs = spec.activation == Activation::BF16x32;
    tiles.rowBlocks = 6;
    // With bfloat16 and 1024 tokens per tile, the kernel processes the columns
    // in sections of two panels, or of one panel on tile registers.
    tiles.tokens = isPairs ? 1024 : 48;
    tiles.panelColumns = isInt8Tiled(spec.activation) ? 512 : 0;
    tiles.prefetchHint = isPairs ? StreamHint::T0 : StreamHint::None;
  } else {
    tiles.rowBlocks = 3;
    tiles.tokens = spec.mClass == MClass::Large ? 24 : 0;
    tiles.prefetchHint = spec.mClass == MClass::One     ? StreamHint::None
                         : spec.mClass == MClass::Small ? StreamHint::T1
                                                        : StreamHint::T2;
    tiles.prefetchBytes = spec.mClass == MClass::One ? 0 : 1024;
  }
  if (spec.layout != Layout::X16) {
    tiles.prefetchHint.reset();
    tiles.prefetchBytes = 0;
  }
  return tiles;
}

/// The weights that a kernel multiplies by.
struct Weights {
  Doubles values;
  /// Bounds on the errors of `values`: 0 where the kernel's weights are exactly
  /// these.
  Doubles doubt;
};

/// Returns the weights that a kernel for `spec` multiplies by if a matrix holds
/// `exact`. With BF16x32, decoded weights are rounded to bfloat16. A decoded
/// weight has an error of a few roundings of float32, relative to the largest
/// weight of its block of `block` columns. Such an error may change the rounded
/// weight, so `doubt` is the range of the bfloat16 values that may result.
Weights weightsFor(const KernelSpec &spec, const Doubles &exact,
                   uint64_t block) {
  Weights weights = {exact, Doubles(exact.size(), 0.0)};
  if (spec.activation != Activation::BF16x32 || spec.dtype == DType::BF16) {
    return weights;
  }
  const auto rounded = [](double value) {
    const auto bits = floatToBfloat16(static_cast<float>(value));
    return static_cast<double>(bfloat16ToFloat(bits));
  };
  for (size_t first = 0; first < exact.size(); first += block) {
    double most = 0;
    for (size_t i = first; i < first + block; ++i) {
      most = std::max(most, std::abs(exact[i]));
    }
    for (size_t i = first; i < first + block; ++i) {
      const double low = rounded(exact[i] - 8 * kEpsilon * most);
      const double high = rounded(exact[i] + 8 * kEpsilon * most);
      weights.values[i] = rounded(exact[i]);
      weights.doubt[i] = high - low;
    }
  }
  return weights;
}

/// A bound on the error of a matmul. With bfloat16 activations, products are
/// exact, and every addition rounds. Each panel of columns has its own sum, and
/// these sums are then added up. A product thus goes through at most one
/// addition per column of a panel, and one per panel. `flushed` bounds the
/// error of flushing a subnormal term to zero.
Doubles matMulError(const KernelSpec &spec, const Doubles &x, const Weights &w,
                    uint64_t block, double flushed = FLT_MIN) {
  if (spec.activation != Activation::BF16x32) {
    return scaled(blockMagnitude(x, w.values, spec.n, spec.k, block),
                  24 * kEpsilon, 0);
  }
  const uint64_t chain =
      std::min(spec.k, kBf16PanelColumns) + ceilDiv(spec.k, kBf16PanelColumns);
  const Doubles doubt =
      reference::matMulMagnitude(x, w.doubt, {}, spec.n, spec.k);
  Doubles error =
      scaled(reference::matMulMagnitude(x, w.values, {}, spec.n, spec.k),
             static_cast<double>(chain) * kEpsilon,
             static_cast<double>(spec.k) * flushed);
  std::ranges::transform(error, doubt, error.begin(), std::plus());
  return error;
}

/// The number of columns with which a dtype without blocks is tested where
/// other dtypes have `blocks` blocks. With BF16x32, it exceeds the width of a
/// panel, and is odd if `blocks` is odd. With other activation formats, it is
/// always odd.
uint64_t plainColumns(const KernelSpec &spec, uint64_t blocks) {
  return spec.activation == Activation::BF16x32 ? 133 * blocks
                                                : 29 + 32 * blocks;
}

/// Binds random row scales, one for each row of `w`, and multiplies each row of
/// `w` by its scale.
void readsRowScales(KernelCase &test, Weights &w, Random &random) {
  const Floats scales = randomFloats(random, test.spec.n, 3.0F);
  test.reads(bytesOf(scales));
  w.values = reference::rowsScaled(w.values, widened(scales));
  w.doubt = reference::rowsScaled(w.doubt, widened(scales));
}

void addMatMul(std::vector<KernelCase> &cases, DType dtype, Layout layout,
               MClass mClass, Precision precision, const MatMulShape &shape,
               uint64_t tokens, Random &random) {
  const uint64_t block = info(dtype).blockElements;
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::MatMul;
  spec.dtype = dtype;
  spec.layout = layout;
  spec.mClass = mClass;
  spec.activation = activationFor(precision, mClass, dtype);
  spec.n = shape.n;
  spec.k = block == 1 ? plainColumns(spec, shape.blocks) : shape.blocks * block;
  spec.yOffset = shape.gapBefore;
  spec.yStride = shape.gapBefore + shape.n + shape.gapAfter;
  spec.accumulate = shape.accumulate;
  spec.hasRowScales = shape.hasRowScales;
  spec.hasBias = shape.hasBias;
  spec.rowsFrom = shape.rowsFrom;
  if (shape.hasOtherTiles) {
    spec.tiles = otherTiles(spec);
  }
  test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
  // x and y have one row per token, or per output when rowsFrom is Outputs.
  const uint64_t rows = shape.rowsFrom == RowsFrom::Outputs
                            ? test.batch.outputRows.size()
                            : tokens;
  test.label = labelOf(spec, rows);
  const Floats x = randomFloats(random, rows * spec.k);
  const Floats y = randomFloats(random, rows * spec.yStride);
  const Floats bias = randomFloats(random, shape.hasBias ? shape.n : 0);
  const Matrix matrix = randomMatrix(random, dtype, layout, spec.n, spec.k);
  Weights w = weightsFor(spec, matrix.values, block);
  const Doubles wide = test.readsActivations(x);
  test.reads(matrix.packed);
  if (shape.hasRowScales) {
    readsRowScales(test, w, random);
  }
  if (shape.hasBias) {
    test.reads(bytesOf(bias));
  }
  test.writesRows(y, spec.yStride);
  const Doubles product =
      reference::matMul(wide, w.values, widened(bias), spec.n, spec.k);
  const Doubles error = matMulError(spec, wide, w, block);
  Doubles want = widened(y);
  // Columns of y that this matmul does not write must keep their bits.
  Doubles bound(y.size(), 0.0);
  for (uint64_t m = 0; m < rows; ++m) {
    for (uint64_t j = 0; j < spec.n; ++j) {
      const uint64_t at = m * spec.yStride + spec.yOffset + j;
      const double sum = product[m * spec.n + j];
      bound[at] = error[m * spec.n + j] +
                  4 * kEpsilon * (std::abs(want[at]) + std::abs(sum));
      want[at] = (spec.accumulate ? want[at] : 0.0) + sum;
    }
  }
  test.check = [want, bound](const std::vector<Bytes> &after) {
    return compare("y", floatsOf(after.back()), want, bound);
  };
  cases.push_back(std::move(test));
}

/// Multiplies activations of any magnitude and compares with the exact product
/// of the original float32 activations and the unpacked weights. The bound is
/// the error of the packed format, plus the error of the kernel, plus the
/// smallest subnormal float32 (2^-149) for each column.
void addExtremeMatMul(std::vector<KernelCase> &cases, DType dtype,
                      Layout layout, MClass mClass, Precision precision,
                      RowsFrom from, Random &random) {
  const uint64_t block = info(dtype).blockElements;
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::MatMul;
  spec.dtype = dtype;
  spec.layout = layout;
  spec.mClass = mClass;
  spec.activation = activationFor(precision, mClass, dtype);
  spec.n = 37;
  spec.k = block == 1 ? 301 : ceilDiv(512, block) * block;
  spec.yStride = spec.n;
  spec.rowsFrom = from;
  const uint64_t tokens = mClass == MClass::Large ? 41 : 9;
  test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
  const uint64_t rows =
      from == RowsFrom::Outputs ? test.batch.outputRows.size() : tokens;
  test.label = labelOf(spec, rows) + " of any magnitude";
  Floats x = extremeRows(random, rows, spec.k,
                         precision == Precision::Float ? 0x1p80F : 0x1p112F);
  // With int8 activations, a NaN makes all results of its token NaN, and does
  // not affect other tokens.
  if (isInt8(spec.activation)) {
    x.back() = NAN;
  }
  const Matrix matrix = randomMatrix(random, dtype, layout, spec.n, spec.k);
  Weights w = weightsFor(spec, matrix.values, block);
  const Doubles packed = test.readsActivations(x);
  test.reads(matrix.packed);
  test.writesRows(randomFloats(random, rows * spec.n), spec.n);
  Doubles want =
      reference::matMul(widened(x), matrix.values, {}, spec.n, spec.k);
  // The error of rounding the weights counts, too.
  for (size_t i = 0; i < w.doubt.size(); ++i) {
    w.doubt[i] += std::abs(matrix.values[i] - w.values[i]);
  }
  Doubles bound = matMulError(spec, packed, w, block);
  const Doubles tinyBound =
      matMulError(spec, packed, w, block, FLT_MIN * kTinyRowFactor);
  const Doubles packing = reference::matMulMagnitude(
      activationError(x, spec.activation), matrix.values, {}, spec.n, spec.k);
  for (size_t i = 0; i < bound.size(); ++i) {
    const auto row = std::span(x).subspan(i / spec.n * spec.k, spec.k);
    const bool isTiny = std::ranges::all_of(
        row, [](float value) { return std::abs(value) < kTinyRow; });
    bound[i] = (isTiny ? tinyBound : bound)[i] + packing[i] +
               static_cast<double>(spec.k) * FLT_TRUE_MIN;
  }
  want.resize(want.size() - (isInt8(spec.activation) ? spec.n : 0));
  bound.resize(want.size());
  test.check = [want, bound](const std::vector<Bytes> &after) {
    Floats y = floatsOf(after.back());
    const std::string wrong = expectNaN(y, want.size(), y.size());
    y.resize(want.size());
    return wrong.empty() ? compare("y", y, want, bound) : wrong;
  };
  cases.push_back(std::move(test));
}

/// Scales that are NaN make all results NaN, even if all bits are set.
void addNaNScales(DType dtype, std::string_view field,
                  std::vector<KernelCase> &cases, Random &random) {
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.dtype = dtype;
  spec.mClass = MClass::Large;
  spec.activation = Activation::BF16x32;
  spec.n = spec.yStride = kRowLanes;
  spec.k = info(spec.dtype).blockElements;
  test.batch = makeBatch(random, BatchKind::Mixed, 9, 9);
  test.label = labelOf(spec, 9) + " with NaN as " + std::string(field);
  test.readsActivations(randomFloats(random, 9 * spec.k));
  Matrix matrix = randomMatrix(random, spec.dtype, spec.layout, spec.n, spec.k);
  std::memset(matrix.packed.data() +
                  kRowLanes * x16Place(spec.dtype, field, 0).offset,
              0xff, 2 * kRowLanes);
  test.reads(matrix.packed);
  test.writesRows(randomFloats(random, 9 * spec.n), spec.n);
  test.check = [](const std::vector<Bytes> &after) {
    return expectNaN(floatsOf(after.back()), 0, 9 * kRowLanes);
  };
  cases.push_back(std::move(test));
}

size_t turnOf(DType dtype, Layout layout) {
  return static_cast<size_t>(dtype) + static_cast<size_t>(layout);
}

// Adds all shapes for the most common dtypes, and one shape per M class for the
// others.
void addMatMuls(std::vector<KernelCase> &cases, DType dtype, Layout layout,
                MClass mClass, Precision precision, Random &random) {
  const size_t turn = turnOf(dtype, layout) + static_cast<size_t>(mClass);
  if (layout == Layout::X16 && dtype != DType::F64) {
    addExtremeMatMul(cases, dtype, layout, mClass, precision,
                     turn % 2 == 0 ? RowsFrom::Tokens : RowsFrom::Outputs,
                     random);
  }
  if (precision == Precision::Bf16 && mClass == MClass::Large &&
      (dtype == DType::Q6_K || dtype == DType::Q4_K)) {
    addNaNScales(dtype, dtype == DType::Q4_K ? "dmin" : "d", cases, random);
  }
  for (size_t i = 0; i < std::size(kMatMulShapes); ++i) {
    if (isCommon(dtype, precision) || i == turn % std::size(kMatMulShapes)) {
      for (const uint64_t tokens : tokenCounts(mClass)) {
        addMatMul(cases, dtype, layout, mClass, precision, kMatMulShapes[i],
                  tokens, random);
      }
      // About half of the tokens are outputs. These are more than kGemvRows, so
      // a large-M kernel does not multiply them with its GEMV code.
      if (mClass == MClass::Large &&
          kMatMulShapes[i].rowsFrom == RowsFrom::Outputs) {
        addMatMul(cases, dtype, layout, mClass, precision, kMatMulShapes[i],
                  5 * kGemvRows, random);
      }
    }
  }
}

/// Splits a matrix of two joined matrices, [n][2 k], into their values.
std::pair<Matrix, Matrix> splitJoined(const Matrix &joined, uint64_t n) {
  std::pair<Matrix, Matrix> halves;
  const auto half = static_cast<std::ptrdiff_t>(joined.values.size() / n / 2);
  for (auto at = joined.values.begin(); at != joined.values.end();) {
    for (Doubles *values : {&halves.first.values, &halves.second.values}) {
      values->insert(values->end(), at, at + half);
      at += half;
    }
  }
  return halves;
}

void addGluMatMul(std::vector<KernelCase> &cases, DType dtype, Layout layout,
                  MClass mClass, Precision precision, uint64_t tokens,
                  bool hasOtherTiles, bool isJoined, Random &random) {
  const uint64_t block = info(dtype).blockElements;
  KernelCase test;
  KernelSpec &spec = test.spec;
  spec.op = KernelOp::GluMatMul;
  spec.dtype = dtype;
  spec.layout = layout;
  spec.mClass = mClass;
  spec.activation = activationFor(precision, mClass, dtype);
  spec.n = 37;
  spec.k = block == 1 ? plainColumns(spec, 1) : ceilDiv(64, block) * block;
  spec.isJoined = isJoined;
  if (hasOtherTiles) {
    spec.tiles = otherTiles(spec);
    spec.hasRowScales = true;
  }
  test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
  test.label = labelOf(spec, tokens);
  const Floats x = randomFloats(random, tokens * spec.k, 0.5F);
  Matrix gates;
  Matrix ups;
  const Doubles wide = test.readsActivations(x);
  if (isJoined) {
    const Matrix both = randomMatrix(random, dtype, layout, spec.n, 2 * spec.k);
    std::tie(gates, ups) = splitJoined(both, spec.n);
    test.reads(both.packed);
  } else {
    gates = randomMatrix(random, dtype, layout, spec.n, spec.k);
    ups = randomMatrix(random, dtype, layout, spec.n, spec.k);
    test.reads(gates.packed);
    test.reads(ups.packed);
  }
  Weights gate = weightsFor(spec, gates.values, block);
  Weights up = weightsFor(spec, ups.values, block);
  if (spec.hasRowScales) {
    readsRowScales(test, gate, random);
    readsRowScales(test, up, random);
  }
  test.writesRows(randomFloats(random, tokens * spec.n), spec.n);
  const Doubles g = reference::matMul(wide, gate.values, {}, spec.n, spec.k);
  const Doubles u = reference::matMul(wide, up.values, {}, spec.n, spec.k);
  const Doubles want =
      reference::gluMatMul(wide, gate.values, up.values, spec.n, spec.k);
  const Doubles gError = matMulError(spec, wide, gate, block);
  const Doubles uError = matMulError(spec, wide, up, block);
  Doubles bound;
  for (size_t i = 0; i < want.size(); ++i) {
    // The bound follows from |silu'(g)| <= 1.1 and |silu(g)| <= |g|.
    bound.push_back(1.1 * gError[i] * std::abs(u[i]) +
                    uError[i] * std::abs(reference::silu(g[i])) +
                    gError[i] * uError[i] + 16 * kEpsilon * std::abs(want[i]) +
                    1e-30);
  }
  test.check = [want, bound](const std::vector<Bytes> &after) {
    return compare("h", floatsOf(after.back()), want, bound);
  };
  cases.push_back(std::move(test));
}

} // namespace

bool isCommon(DType dtype, Precision precision) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::Q8_0 ||
         dtype == DType::Q4_K ||
         (dtype == DType::BF16 && precision == Precision::Int8);
}

std::vector<KernelCase> makeCases(KernelOp op, DType dtype, Layout layout,
                                  MClass mClass, Precision precision,
                                  Random &random) {
  std::vector<KernelCase> cases;
  switch (op) {
  case KernelOp::EmbedRows:
    addEmbedRows(cases, dtype, layout, random);
    break;
  case KernelOp::RmsNorm:
    addRmsNorm(cases, random);
    addRmsNormOverflow(cases, random);
    break;
  case KernelOp::MatMul:
    addMatMuls(cases, dtype, layout, mClass, precision, random);
    break;
  case KernelOp::GluMatMul:
    if (isCommon(dtype, precision) || precision == Precision::Bf16 ||
        turnOf(dtype, layout) % 3 == static_cast<size_t>(mClass)) {
      for (const uint64_t tokens : tokenCounts(mClass)) {
        addGluMatMul(cases, dtype, layout, mClass, precision, tokens,
                     tokens % 2 == 1, /*isJoined=*/false, random);
        addGluMatMul(cases, dtype, layout, mClass, precision, tokens,
                     tokens % 2 == 1, /*isJoined=*/true, random);
      }
    }
    break;
  case KernelOp::RopeAngles:
    addRopeAngles(cases, random);
    break;
  case KernelOp::RopeAppend:
    addRopeAppends(cases, random);
    break;
  case KernelOp::Attention:
    addAttentions(cases, mClass, random);
    break;
  case KernelOp::AttentionMerge:
    addAttentionMerges(cases, random);
    break;
  case KernelOp::Add:
  case KernelOp::SiluMul:
    addElementwise(cases, op, random);
    break;
  case KernelOp::PackActivations:
    addPackActivations(cases, random);
    break;
  }
  return cases;
}

} // namespace air::codegen::test
