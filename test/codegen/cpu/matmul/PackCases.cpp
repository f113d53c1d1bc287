//===- PackCases.cpp - activations in packed formats ----------------------===//
#include "test/codegen/cpu/KernelCases.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>

namespace air::codegen::test {
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
      // One value of the block becomes `mark` below. The others depend on it.
      // If it is infinite or NaN, or if |mark| <= 1, they are mark / 4. If it
      // is 127 or 127 * 128, the block has a scale of 1 in one of the formats,
      // and they are multiples of 0.5, so that many lie halfway between
      // integers. For other marks they stay random.
      block[j] = !(std::abs(mark) > 1) || std::isinf(mark) ? 0.25F * mark
                 : mark == 127 * 128
                     ? 0.5F * static_cast<float>(random() % 32512) - 8128
                 : mark == 127.0F
                     ? 0.5F * static_cast<float>(random() % 254) - 63.5F
                     : block[j];
    }
    block[row % kBlock * 3 % kBlock] = mark;
  }
  // Makes all values tiny in every second row after those that contain marked
  // values. Some of these rows then get one larger value.
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

} // namespace

void addPackActivations(std::vector<KernelCase> &cases, Random &random) {
  for (const RowsFrom from : {RowsFrom::Tokens, RowsFrom::Outputs}) {
    // 544 columns are a whole tile and one more block of 32.
    for (const uint64_t width : {32, 96, 544, 2048}) {
      for (const Activation format :
           {Activation::F32x16, Activation::I8x2, Activation::I8,
            Activation::I8Grid, Activation::I8Wide, Activation::BF16x32}) {
        addPackActivations(cases, format, width, from, random);
      }
    }
    for (const uint64_t width : {5, 33, 530}) {
      addPackActivations(cases, Activation::F32x16, width, from, random);
      addPackActivations(cases, Activation::BF16x32, width, from, random);
    }
  }
}

} // namespace air::codegen::test
