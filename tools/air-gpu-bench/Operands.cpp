//===- Operands.cpp - random blocks and matmuls in double -----------------===//
#include "tools/air-gpu-bench/Operands.h"

#include "formats/dtype/Half.h"
#include "formats/plan/PackLayout.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string_view>

namespace air::gpubench {
namespace {

double uniform(std::mt19937_64 &random, double low, double high) {
  return low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
}

/// Fills `block` with random bits, but with moderate values for scales (the
/// float16 fields d, dmin and m, the float16 that IQ1_M has in four parts, and
/// the exponent of MXFP4) and for the elements of F16, BF16, F32 and F64.
void randomBlock(const DTypeInfo &type, uint8_t *block,
                 std::mt19937_64 &random) {
  for (uint32_t i = 0; i < type.blockBytes; ++i) {
    block[i] = static_cast<uint8_t>(random() >> 24);
  }
  auto put = [&](uint32_t at, uint16_t bits) {
    block[at] = static_cast<uint8_t>(bits);
    block[at + 1] = static_cast<uint8_t>(bits >> 8);
  };
  if (type.id == DType::F16) {
    put(0, floatToHalf(static_cast<float>(uniform(random, -1, 1))));
  } else if (type.id == DType::BF16) {
    put(0, floatToBfloat16(static_cast<float>(uniform(random, -1, 1))));
  } else if (type.id == DType::F32) {
    const auto value = static_cast<float>(uniform(random, -1, 1));
    std::memcpy(block, &value, sizeof value);
  } else if (type.id == DType::F64) {
    const double value = uniform(random, -1, 1);
    std::memcpy(block, &value, sizeof value);
  }
  if (type.id == DType::IQ1_M) {
    // The upper 4 bits of each of four words hold a nibble of d.
    const uint16_t d =
        floatToHalf(static_cast<float>(uniform(random, 0.001, 0.002)));
    for (uint32_t w = 0; w < 4; ++w) {
      uint8_t &byte = block[49 + 2 * w];
      byte = static_cast<uint8_t>((byte & 15) | (d >> (4 * w) & 15) << 4);
    }
  }
  for (const BlockField &field : type.fields) {
    const std::string_view name = field.name;
    if ((name == "d" || name == "dmin" || name == "m") && field.unit == 2) {
      const double value = uniform(random, 0.001, 0.002);
      put(field.offset,
          floatToHalf(static_cast<float>(random() & 1 ? value : -value)));
    } else if (type.id == DType::MXFP4 && name == "e") {
      block[field.offset] = static_cast<uint8_t>(110 + random() % 16);
    }
  }
}

} // namespace

Operands makeOperands(DType dtype, Layout layout, uint32_t rows,
                      uint32_t columns, uint32_t tokens, uint64_t seed) {
  std::mt19937_64 random(seed);
  const DTypeInfo &type = info(dtype);
  const uint64_t rowSize = columns / type.blockElements * type.blockBytes;
  std::vector<uint8_t> source(rows * rowSize);
  for (uint64_t at = 0; at < source.size(); at += type.blockBytes) {
    randomBlock(type, source.data() + at, random);
  }
  Operands operands;
  operands.rows = rows;
  operands.packed.resize(*layoutBytes(dtype, layout, rows, columns));
  packRows(dtype, layout, rows, columns, source, operands.packed);
  for (uint64_t i = 0; i < uint64_t{tokens} * columns; ++i) {
    operands.x.push_back(
        floatToHalf(static_cast<float>(uniform(random, -1, 1))));
  }
  operands.expected.resize(uint64_t{tokens} * rows);
  operands.magnitudes.resize(uint64_t{tokens} * rows);
  std::vector<float> weights(columns);
  std::vector<float> x(operands.x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = halfToFloat(operands.x[i]);
  }
  for (uint32_t row = 0; row < rows; ++row) {
    dequantize(dtype, source.data() + row * rowSize, weights.data(), columns);
    for (uint32_t token = 0; token < tokens; ++token) {
      double sum = 0;
      double magnitude = 0;
      for (uint32_t k = 0; k < columns; ++k) {
        const double term = static_cast<double>(weights[k]) *
                            static_cast<double>(x[token * columns + k]);
        sum += term;
        magnitude += std::fabs(term);
      }
      operands.expected[uint64_t{token} * rows + row] = sum;
      operands.magnitudes[uint64_t{token} * rows + row] = magnitude;
    }
  }
  return operands;
}

Difference compare(const Operands &operands, const std::vector<float> &y,
                   uint32_t rows, uint32_t tokens) {
  Difference difference;
  double errors = 0;
  double values = 0;
  for (uint32_t token = 0; token < tokens; ++token) {
    for (uint32_t row = 0; row < rows; ++row) {
      const uint64_t from =
          uint64_t{token} * operands.rows + row % operands.rows;
      const uint64_t at = uint64_t{token} * rows + row;
      double error =
          std::fabs(static_cast<double>(y[at]) - operands.expected[from]);
      if (!(error < std::numeric_limits<double>::infinity())) {
        error = std::numeric_limits<double>::infinity();
      }
      const double share = error / (operands.magnitudes[from] * 0x1p-16);
      if (share > difference.worstShare) {
        difference.worstShare = share;
        difference.worstAt = at;
      }
      errors += error * error;
      values += operands.expected[from] * operands.expected[from];
    }
  }
  difference.relative = std::sqrt(errors / values);
  return difference;
}

} // namespace air::gpubench
