//===- Reference.cpp - every kernel op in double precision ----------------===//
#include "codegen/reference/Reference.h"

#include "formats/dtype/Half.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <limits>

namespace air::codegen::reference {
namespace {

// Replaces a row x by x / sqrt(mean(x^2) + epsilon) * weight.
void normalise(std::span<double> row, View weight, double epsilon) {
  assert(row.size() == weight.size());
  double squares = 0;
  for (const double x : row) {
    squares += x * x;
  }
  const double factor =
      1.0 / std::sqrt(squares / static_cast<double>(row.size()) + epsilon);
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] *= factor * weight[i];
  }
}

} // namespace

Doubles embedRows(View table, uint64_t k, std::span<const int32_t> ids,
                  double scale) {
  Doubles x;
  x.reserve(ids.size() * k);
  for (const int32_t id : ids) {
    const View row = table.subspan(static_cast<uint64_t>(id) * k, k);
    for (const double value : row) {
      x.push_back(scale * value);
    }
  }
  return x;
}

Doubles rmsNorm(View x, View weight, double epsilon) {
  const uint64_t k = weight.size();
  assert(x.size() % k == 0);
  Doubles y(x.begin(), x.end());
  for (uint64_t at = 0; at < y.size(); at += k) {
    normalise(std::span(y).subspan(at, k), weight, epsilon);
  }
  return y;
}

Doubles matMul(View x, View w, View bias, uint64_t n, uint64_t k) {
  assert(x.size() % k == 0 && w.size() == n * k);
  Doubles y;
  y.reserve(x.size() / k * n);
  for (uint64_t m = 0; m < x.size() / k; ++m) {
    for (uint64_t j = 0; j < n; ++j) {
      double sum = bias.empty() ? 0.0 : bias[j];
      for (uint64_t i = 0; i < k; ++i) {
        sum += w[j * k + i] * x[m * k + i];
      }
      y.push_back(sum);
    }
  }
  return y;
}

Doubles matMulMagnitude(View x, View w, View bias, uint64_t n, uint64_t k) {
  assert(x.size() % k == 0 && w.size() == n * k);
  Doubles y;
  y.reserve(x.size() / k * n);
  for (uint64_t m = 0; m < x.size() / k; ++m) {
    for (uint64_t j = 0; j < n; ++j) {
      double sum = bias.empty() ? 0.0 : std::abs(bias[j]);
      for (uint64_t i = 0; i < k; ++i) {
        sum += std::abs(w[j * k + i] * x[m * k + i]);
      }
      y.push_back(sum);
    }
  }
  return y;
}

double silu(double x) { return x / (1.0 + std::exp(-x)); }

Doubles gluMatMul(View x, View wGate, View wUp, uint64_t n, uint64_t k) {
  return siluMul(matMul(x, wGate, {}, n, k), matMul(x, wUp, {}, n, k));
}

Doubles rowsScaled(View w, View scale) {
  const size_t k = w.size() / scale.size();
  Doubles scaled;
  scaled.reserve(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    scaled.push_back(w[i] * scale[i / k]);
  }
  return scaled;
}

Doubles ropeAngles(View inverseFrequency, std::span<const uint32_t> positions,
                   double scale) {
  Doubles angles;
  angles.reserve(positions.size() * inverseFrequency.size() * 2);
  for (const uint32_t position : positions) {
    for (const double frequency : inverseFrequency) {
      angles.push_back(scale * std::cos(position * frequency));
    }
    for (const double frequency : inverseFrequency) {
      angles.push_back(scale * std::sin(position * frequency));
    }
  }
  return angles;
}

void rotate(std::span<double> head, View angles, uint64_t ropeDim,
            RopeKind kind) {
  if (kind == RopeKind::None) {
    return;
  }
  assert(ropeDim % 2 == 0 && ropeDim <= head.size());
  assert(angles.size() == ropeDim);
  const uint64_t half = ropeDim / 2;
  for (uint64_t i = 0; i < half; ++i) {
    double &a = kind == RopeKind::Norm ? head[2 * i] : head[i];
    double &b = kind == RopeKind::Norm ? head[2 * i + 1] : head[i + half];
    const double cosine = angles[i];
    const double sine = angles[half + i];
    const double rotated = a * cosine - b * sine;
    b = a * sine + b * cosine;
    a = rotated;
  }
}

QkvRows ropeAppend(const KernelSpec &spec, View qkv, View angles, View qNorm,
                   View kNorm) {
  const uint64_t d = spec.headDim;
  const uint64_t heads = spec.heads + 2 * spec.kvHeads;
  assert(qkv.size() % (heads * d) == 0);
  QkvRows rows;
  for (uint64_t m = 0; m < qkv.size() / (heads * d); ++m) {
    for (uint64_t h = 0; h < heads; ++h) {
      const View source = qkv.subspan((m * heads + h) * d, d);
      Doubles head(source.begin(), source.end());
      const bool isQuery = h < spec.heads;
      const bool isValue = h >= spec.heads + spec.kvHeads;
      if (!isValue) {
        if (spec.qkNorm) {
          normalise(head, isQuery ? qNorm : kNorm, spec.epsilon);
        }
        if (spec.rope != RopeKind::None) {
          rotate(head, angles.subspan(m * spec.ropeDim, spec.ropeDim),
                 spec.ropeDim, spec.rope);
        }
      }
      Doubles &target = isQuery ? rows.q : isValue ? rows.v : rows.k;
      target.insert(target.end(), head.begin(), head.end());
    }
  }
  return rows;
}

Doubles attentionMerge(const KernelSpec &spec, View states) {
  const uint64_t d = spec.headDim;
  const uint64_t width = attentionStateFloats(spec);
  assert(states.size() % width == 0);
  Doubles out;
  for (uint64_t row = 0; row < states.size(); row += width) {
    for (uint64_t h = 0; h < spec.heads; ++h) {
      const View ranges = states.subspan(row, width);
      const uint64_t ends = spec.ranges * spec.heads * d;
      const auto largestOf = [&](uint64_t r) {
        return ranges[ends + (r * spec.heads + h) * 2];
      };
      double largest = largestOf(0);
      for (uint64_t r = 1; r < spec.ranges; ++r) {
        largest = std::max(largest, largestOf(r));
      }
      double sum = 0;
      Doubles values(d, 0.0);
      for (uint64_t r = 0; r < spec.ranges; ++r) {
        const double factor = std::exp2(largestOf(r) - largest);
        sum += factor * ranges[ends + (r * spec.heads + h) * 2 + 1];
        for (uint64_t i = 0; i < d; ++i) {
          values[i] += factor * ranges[(r * spec.heads + h) * d + i];
        }
      }
      for (const double value : values) {
        out.push_back(value / sum);
      }
    }
  }
  return out;
}

Doubles attention(const KernelSpec &spec, View q, View keys, View values,
                  uint64_t length) {
  const uint64_t d = spec.headDim;
  const uint64_t row = spec.kvHeads * d;
  assert(q.size() == spec.heads * d && length > 0);
  assert(keys.size() >= length * row && values.size() >= length * row);
  Doubles out(q.size(), 0.0);
  for (uint64_t h = 0; h < spec.heads; ++h) {
    const uint64_t g = h / (spec.heads / spec.kvHeads);
    Doubles scores(length);
    for (uint64_t p = 0; p < length; ++p) {
      for (uint64_t i = 0; i < d; ++i) {
        scores[p] += q[h * d + i] * keys[p * row + g * d + i];
      }
      scores[p] *= spec.scale;
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double &score : scores) {
      score = std::exp(score - largest);
      sum += score;
    }
    for (uint64_t p = 0; p < length; ++p) {
      for (uint64_t i = 0; i < d; ++i) {
        out[h * d + i] += scores[p] / sum * values[p * row + g * d + i];
      }
    }
  }
  return out;
}

Doubles add(View x, View y) {
  assert(x.size() == y.size());
  Doubles sum(y.begin(), y.end());
  for (size_t i = 0; i < sum.size(); ++i) {
    sum[i] += x[i];
  }
  return sum;
}

Doubles siluMul(View gate, View up) {
  assert(gate.size() == up.size());
  Doubles y;
  y.reserve(gate.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    y.push_back(silu(gate[i]) * up[i]);
  }
  return y;
}

namespace {

/// A block of activations, quantised to integers from -most to most, where
/// `most` is the argument of quantize().
struct Quantized {
  int q[kActivationColumns] = {};
  float scale = 0;
  int sums[3] = {}; ///< sums of q over columns 0-15, 16-31 and 0-31
  int exponent = 0; ///< exponent of the scale, for I8Grid only
  int step = 0;
  float scaledSum(size_t i) const {
    return std::isnan(scale)
               ? scale
               : scale / kScaledSumDivisor * static_cast<float>(sums[i]);
  }
};

/// Returns the largest magnitude in `columns`, or NaN if a value is not finite.
float largestOf(std::span<const float> columns) {
  float largest = 0;
  for (const float value : columns) {
    if (!std::isfinite(value)) {
      return std::numeric_limits<float>::quiet_NaN();
    }
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

void round(std::span<const float> columns, float inverse, Quantized &block) {
  for (size_t j = 0; j < kActivationColumns; ++j) {
    // The product of two floats is exact in double, so this rounds only once.
    block.q[j] =
        static_cast<int>(std::nearbyint(double{columns[j]} * double{inverse}));
    block.sums[j / 16] += block.q[j];
    block.sums[2] += block.q[j];
  }
}

Quantized quantize(std::span<const float> columns, float most) {
  Quantized block;
  const float largest = largestOf(columns);
  if (std::isnan(largest)) {
    block.scale = largest;
  } else {
    block.scale = std::max(largest / most, FLT_MIN);
    round(columns, std::min(most / largest, 1 / FLT_MIN), block);
  }
  return block;
}

/// Quantises a block to I8Grid.
Quantized quantizeOnGrid(std::span<const float> columns) {
  Quantized block;
  const float largest = largestOf(columns);
  if (std::isnan(largest)) {
    block.scale = largest;
    return block;
  }
  const float least = std::max(largest / 127, FLT_MIN);
  block.exponent = -126;
  while (std::ldexp(2.0F, block.exponent) <= least) {
    ++block.exponent;
  }
  auto scale = [&] {
    return std::ldexp(1 + static_cast<float>(block.step) / kGridSteps,
                      block.exponent);
  };
  while (scale() < least) {
    ++block.step;
  }
  if (block.step == kGridSteps) {
    ++block.exponent;
    block.step = 0;
  }
  block.scale = scale();
  round(columns, 1 / block.scale, block);
  return block;
}

} // namespace

std::vector<ActivationSection> quantizeToSections(std::span<const float> x,
                                                  uint64_t k) {
  const uint64_t rowSections = (k + kSectionColumns - 1) / kSectionColumns;
  std::vector<ActivationSection> sections(x.size() / k * rowSections);
  for (uint64_t i = 0; i < x.size(); i += kActivationColumns) {
    const Quantized made =
        quantize(x.subspan(i, kActivationColumns), 127 * 128);
    const uint64_t column = i % k;
    ActivationSection &section =
        sections[i / k * rowSections + column / kSectionColumns];
    const uint64_t block = column % kSectionColumns / kActivationColumns;
    section.scale[block] = made.scale;
    for (size_t j = 0; j < kActivationColumns; ++j) {
      const int high = static_cast<int>(std::floor((made.q[j] + 64) / 128.0));
      ActivationSection::Bytes &bytes =
          section.bytes[kSectionBlocks - 1 - block];
      bytes.high[j] = static_cast<int8_t>(high);
      bytes.low[j] = static_cast<int8_t>(made.q[j] - 128 * high);
    }
    section.negatedSums[0][block] = -made.sums[2];
    section.negatedSums[1][block] = -made.sums[0];
    section.negatedSums[2][block] = -made.sums[1];
  }
  return sections;
}

std::vector<ActivationTile> quantizeToTiles(std::span<const float> x,
                                            uint64_t k, Activation format) {
  const uint64_t blocks = k / kActivationColumns;
  const uint64_t rows = x.size() / k;
  std::vector<ActivationTile> tiles((rows + kActivationTokens - 1) /
                                    kActivationTokens * blocks);
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t i = 0; i < blocks; ++i) {
      const auto columns =
          x.subspan(row * k + i * kActivationColumns, kActivationColumns);
      const bool isGrid = format == Activation::I8Grid;
      const Quantized made =
          isGrid ? quantizeOnGrid(columns) : quantize(columns, 127);
      ActivationTile &tile = tiles[row / kActivationTokens * blocks + i];
      const uint64_t token = row % kActivationTokens;
      std::copy_n(made.q, kActivationColumns, tile.q[token]);
      tile.scale[token] = made.scale;
      for (size_t j = 0; j < 3; ++j) {
        tile.biasSums[j][token] = -128 * made.sums[j];
        tile.scaledSums[j][token] = made.scaledSum(j);
      }
      tile.conversions[token] = kConversionBits + tile.biasSums[2][token];
      if (isGrid) {
        const bool isZero = made.scale == FLT_MIN &&
                            std::ranges::all_of(columns, [](float value) {
                              return value == 0;
                            });
        const int power = std::isnan(made.scale) ? -1
                          : isZero ? 0
                                   : made.exponent - kGridBaseExponent;
        tile.conversions[token] = static_cast<int32_t>(
            int64_t{kGridConversionBits} + int64_t{power} * (1 << 23));
        tile.steps[token] = made.step * kGridVectorBytes;
      }
    }
  }
  return tiles;
}

namespace {

/// Rounds to bfloat16, to nearest with ties to even, except that a finite
/// number never becomes infinity.
uint16_t roundFinite(float value) {
  const uint16_t rounded = floatToBfloat16(value);
  const bool isInfinite = (rounded & 0x7FFF) == 0x7F80;
  return isInfinite && std::isfinite(value) ? static_cast<uint16_t>(rounded - 1)
                                            : rounded;
}

} // namespace

Bf16Rows roundToBf16(std::span<const float> x, uint64_t k) {
  const uint64_t blocks = (k + kActivationColumns - 1) / kActivationColumns;
  const uint64_t rows = x.size() / k;
  const uint64_t tokenTiles =
      (rows + kActivationTokens - 1) / kActivationTokens;
  Bf16Rows packed = {std::vector<Bf16Tile>(tokenTiles * blocks),
                     std::vector<float>(tokenTiles * kActivationTokens, 1)};
  for (uint64_t row = 0; row < rows; ++row) {
    const auto columns = x.subspan(row * k, k);
    const bool isTiny = std::ranges::all_of(
        columns, [](float value) { return std::abs(value) < kTinyRow; });
    const float factor = isTiny ? kTinyRowFactor : 1;
    packed.factors[row] = factor;
    for (uint64_t column = 0; column < k; ++column) {
      packed
          .tiles[row / kActivationTokens * blocks + column / kActivationColumns]
          .value[row % kActivationTokens][column % kActivationColumns] =
          roundFinite(columns[column] / factor);
    }
  }
  return packed;
}

Doubles valuesOf(std::span<const ActivationSection> sections, uint64_t rows,
                 uint64_t k) {
  const uint64_t rowSections = (k + kSectionColumns - 1) / kSectionColumns;
  Doubles values;
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t column = 0; column < k; ++column) {
      const ActivationSection &section =
          sections[row * rowSections + column / kSectionColumns];
      const uint64_t block = column % kSectionColumns / kActivationColumns;
      const ActivationSection::Bytes &bytes =
          section.bytes[kSectionBlocks - 1 - block];
      const uint64_t j = column % kActivationColumns;
      values.push_back(double{section.scale[block]} *
                       (128 * bytes.high[j] + bytes.low[j]));
    }
  }
  return values;
}

Doubles valuesOf(std::span<const ActivationTile> tiles, uint64_t rows,
                 uint64_t k) {
  const uint64_t blocks = k / kActivationColumns;
  Doubles values;
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t column = 0; column < k; ++column) {
      const ActivationTile &tile =
          tiles[row / kActivationTokens * blocks + column / kActivationColumns];
      const uint64_t token = row % kActivationTokens;
      values.push_back(double{tile.scale[token]} *
                       tile.q[token][column % kActivationColumns]);
    }
  }
  return values;
}

Doubles valuesOf(const Bf16Rows &packed, uint64_t rows, uint64_t k) {
  const uint64_t blocks = (k + kActivationColumns - 1) / kActivationColumns;
  Doubles values;
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t column = 0; column < k; ++column) {
      const Bf16Tile &tile = packed.tiles[row / kActivationTokens * blocks +
                                          column / kActivationColumns];
      values.push_back(
          double{packed.factors[row]} *
          bfloat16ToFloat(tile.value[row % kActivationTokens]
                                    [column % kActivationColumns]));
    }
  }
  return values;
}

} // namespace air::codegen::reference
