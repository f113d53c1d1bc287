//===- MatMulFormulas.cpp - fused matmuls in double precision -------------===//
#include "test/codegen/cuda/MatMulFormulas.h"

#include "formats/plan/T16Indices.h"

#include <cmath>

namespace air::codegen::cuda {
namespace {

double geluTanh(double x) {
  return x / 2 *
         (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

} // namespace

std::vector<float> randomFloats(std::mt19937_64 &random, uint64_t count,
                                double low, double high) {
  std::uniform_real_distribution<double> between(low, high);
  std::vector<float> values(count);
  for (float &value : values) {
    value = static_cast<float>(between(random));
  }
  return values;
}

Doubles weightsOf(DType dtype, Layout layout, uint64_t rows, uint64_t columns,
                  std::span<const uint8_t> packed) {
  const DTypeInfo &type = info(dtype);
  const uint64_t rowBytes = columns / type.blockElements * type.blockBytes;
  std::vector<uint8_t> source(rows * rowBytes);
  const auto unpack =
      layout == Layout::T16Indices ? unpackT16Indices : unpackT16;
  unpack(dtype, rows, columns, packed, source);
  std::vector<float> row(columns);
  Doubles weights;
  for (uint64_t i = 0; i < rows; ++i) {
    dequantize(dtype, source.data() + i * rowBytes, row.data(), columns);
    weights.insert(weights.end(), row.begin(), row.end());
  }
  return weights;
}

Doubles normalised(const DecodeMatMul &spec, const Doubles &x,
                   const Doubles &weight, const Doubles &bias) {
  Doubles y = x;
  const uint64_t k = spec.columns;
  for (uint64_t row = 0; row < y.size(); row += k) {
    double mean = 0;
    for (uint64_t i = 0; i < k; ++i) {
      mean += y[row + i] / static_cast<double>(k);
    }
    if (spec.input != MatMulInput::LayerNorm) {
      mean = 0;
    }
    double variance = 0;
    for (uint64_t i = 0; i < k; ++i) {
      variance += std::pow(y[row + i] - mean, 2) / static_cast<double>(k);
    }
    for (uint64_t i = 0; i < k; ++i) {
      double &value = y[row + i];
      value = (value - mean) / std::sqrt(variance + spec.epsilon) * weight[i];
      value += spec.input == MatMulInput::LayerNorm ? bias[i] : 0;
    }
  }
  return y;
}

void scaleRows(Doubles &w, const DecodeMatMul &spec,
               std::span<const float> scales) {
  const bool glu = spec.output == MatMulOutput::SiluGlu ||
                   spec.output == MatMulOutput::GeluGlu;
  for (size_t at = 0; at < scales.size(); ++at) {
    const uint64_t row =
        glu ? gluRow(at % spec.rows, at >= spec.rows) : uint64_t{at};
    for (uint64_t i = 0; i < spec.columns; ++i) {
      w[row * spec.columns + i] *= double{scales[at]};
    }
  }
}

Expected expectedOf(const DecodeMatMul &spec, const Doubles &x,
                    const Doubles &w, const Doubles &bias,
                    const Doubles &before) {
  // The relative error that rounding may cause. Activations are rounded to one
  // float16, or to a pair of float16 or of bfloat16, or they stay float32.
  // Products are added in float32.
  const double unit = spec.splitActivations || spec.dtype == DType::F32
                          ? 0x1p-18
                      : spec.dtype == DType::BF16 ? 0x1p-15
                                                  : 0x1p-11 + 0x1p-18;
  const bool glu = spec.output == MatMulOutput::SiluGlu ||
                   spec.output == MatMulOutput::GeluGlu;
  const uint64_t k = spec.columns;
  Expected expected;
  for (uint64_t m = 0; m < spec.tokens; ++m) {
    const auto dot = [&](uint64_t row, uint64_t biasAt, double &magnitude) {
      double sum = bias.empty() ? 0 : bias[biasAt];
      magnitude = std::abs(sum) * 0x1p-13;
      for (uint64_t i = 0; i < k; ++i) {
        const double term = w[row * k + i] * x[m * k + i];
        sum += term;
        magnitude += std::abs(term);
      }
      return sum;
    };
    for (uint64_t row = 0; row < spec.rows; ++row) {
      double size = 0;
      double otherSize = 0;
      const double first = dot(glu ? gluRow(row, false) : row, row, size);
      double value = first;
      double error = size * unit;
      if (glu) {
        const double up = dot(gluRow(row, true), spec.rows + row, otherSize);
        const double gate = spec.output == MatMulOutput::SiluGlu
                                ? reference::silu(first)
                                : geluTanh(first);
        // The slopes of SiLU and GELU are at most 1.2.
        error = unit * (1.2 * size * std::abs(up) + std::abs(gate) * otherSize +
                        1.2 * size * otherSize * unit) +
                0x1p-18 * std::abs(gate * up);
        value = gate * up;
      } else if (spec.output == MatMulOutput::SiluUp) {
        const double gate = reference::silu(before[m * spec.rows + row]);
        value *= gate;
        error = error * std::abs(gate) + 0x1p-18 * std::abs(value);
      } else if (spec.output == MatMulOutput::Add) {
        value += before[m * spec.rows + row];
        error += 0x1p-23 * std::abs(value);
      }
      expected.y.push_back(value);
      expected.allowed.push_back(error + 1e-30);
    }
  }
  return expected;
}

double worstShare(std::span<const float> y, const Expected &expected) {
  double worst = 0;
  for (size_t at = 0; at < y.size(); ++at) {
    const double share =
        std::abs(double{y[at]} - expected.y[at]) / expected.allowed[at];
    worst = std::max(worst, std::isnan(share) ? 1e9 : share);
  }
  return worst;
}

} // namespace air::codegen::cuda
