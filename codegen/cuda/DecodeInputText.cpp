//===- DecodeInputText.cpp - norms and staging of activations -------------===//
#include "codegen/cuda/DecodeMatMulText.h"

namespace air::codegen::cuda {

std::string inputText(MatMulInput input) {
  constexpr const char *half = R"(
typedef u16 Activation;
AP_DEVICE void prepareActivations(u8 *, const Activation *, const More &, u32, u32) {}
AP_DEVICE void readActivations(float (&f)[8], const u8 *, const Activation *x, const More &,
                               u32 token, u32 column) {
  const Word4 v = *(const Word4 *)(x + token * kColumns + column);
  const u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (u32 i = 0; i < 8; ++i) {
    f[i] = ap_float_of_half(words[i / 2] >> (16 * (i % 2)) & 0xffff);
  }
}
AP_DEVICE float backScale(const u8 *, u32) { return 1; }
)";
  constexpr const char *floats = R"(
typedef float Activation;
// The numbers that normalise a token's activations and scale them by a power of
// two, and `back`, which is the inverse of that power.
struct alignas(16) TokenScale { float mean, factor, biasFactor, back; };
AP_DEVICE TokenScale *tokenScales(const u8 *shared) {
  return (TokenScale *)(shared + kTokenScaleOffset);
}
AP_DEVICE float backScale(const u8 *shared, u32 token) { return tokenScales(shared)[token].back; }

AP_DEVICE float sumOfWarp(float value) {
#pragma unroll
  for (u32 mask = 16; mask != 0; mask /= 2) {
    value += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(value), mask));
  }
  return value;
}
AP_DEVICE float largestOfWarp(float value) {
#pragma unroll
  for (u32 mask = 16; mask != 0; mask /= 2) {
    value = ap_max(value, ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(value), mask)));
  }
  return value;
}
AP_DEVICE void floatsOf(float (&f)[4], const float *p) {
  const Word4 v = *(const Word4 *)p;
  f[0] = ap_float_of_bits(v.x);
  f[1] = ap_float_of_bits(v.y);
  f[2] = ap_float_of_bits(v.z);
  f[3] = ap_float_of_bits(v.w);
}

// Computes every token's TokenScale. All threads of the block share the work.
AP_DEVICE void prepareActivations(u8 *shared, const float *x, const More &more, u32 warp,
                                  u32 lane) {
  const u32 thread = warp * 32 + lane;
  float *ofWarps = (float *)(shared + kTokenScaleOffset + kTokens * 16);
  TokenScale *scales = tokenScales(shared);
  if (kLayerNorm) {
    for (u32 token = 0; token < kTokens; ++token) {
      float sum = 0;
      for (u32 column = thread * 4; column < kColumns; column += kThreads * 4) {
        float f[4];
        floatsOf(f, x + token * kColumns + column);
        sum += (f[0] + f[1]) + (f[2] + f[3]);
      }
      sum = sumOfWarp(sum);
      if (lane == 0) {
        ofWarps[token * kWarps + warp] = sum;
      }
    }
    ap_barrier();
    if (thread < kTokens) {
      float sum = 0;
      for (u32 i = 0; i < kWarps; ++i) {
        sum += ofWarps[thread * kWarps + i];
      }
      scales[thread].mean = sum / kColumns;
    }
    ap_barrier();
  }
  for (u32 token = 0; token < kTokens; ++token) {
    const float mean = kLayerNorm ? scales[token].mean : 0;
    float squares = 0, largest = 0, largestBias = 0;
    for (u32 column = thread * 4; column < kColumns; column += kThreads * 4) {
      float f[4], w[4] = {1, 1, 1, 1}, b[4] = {0, 0, 0, 0};
      floatsOf(f, x + token * kColumns + column);
      if (kNorm) {
        floatsOf(w, more.normWeight + column);
      }
      if (kLayerNorm) {
        floatsOf(b, more.normBias + column);
      }
#pragma unroll
      for (u32 i = 0; i < 4; ++i) {
        const float centred = f[i] - mean;
        squares = ap_fma(centred, centred, squares);
        largest = ap_max(largest, ap_abs(centred * w[i]));
        largestBias = ap_max(largestBias, ap_abs(b[i]));
      }
    }
    squares = sumOfWarp(squares);
    largest = largestOfWarp(largest);
    largestBias = largestOfWarp(largestBias);
    if (lane == 0) {
      float *entry = ofWarps + (token * kWarps + warp) * 4;
      entry[0] = squares;
      entry[1] = largest;
      entry[2] = largestBias;
    }
  }
  ap_barrier();
  if (thread < kTokens) {
    float squares = 0, largest = 0, largestBias = 0;
    for (u32 i = 0; i < kWarps; ++i) {
      const float *entry = ofWarps + (thread * kWarps + i) * 4;
      squares += entry[0];
      largest = ap_max(largest, entry[1]);
      largestBias = ap_max(largestBias, entry[2]);
    }
    float factor = 1;
    if (kNorm) {
      factor = 1 / ap_sqrt(squares / kColumns + kEpsilon);
      if (ap_bits_of_float(squares) >= 0x7f800000) {
        factor = ap_float_of_bits(0x7fffffff); // NaN
      }
    }
    // No activation exceeds `bound` in magnitude. Multiplying by `power` brings
    // `bound` between 2^7 and 2^8. The exponent is clamped so that `power` and
    // its inverse are normal numbers.
    const float bound = ap_fma(largest, factor, largestBias);
    u32 exponent = ap_bits_of_float(bound) >> 23 & 0xff;
    exponent = exponent < 8 ? 8 : exponent > 254 ? 254 : exponent;
    const float power = ap_float_of_bits((261 - exponent) << 23);
    scales[thread].factor = factor * power;
    scales[thread].biasFactor = power;
    scales[thread].back = ap_float_of_bits((exponent - 7) << 23);
  }
  ap_barrier();
}

// Reads 8 activations and normalises them.
AP_DEVICE void readActivations(float (&f)[8], const u8 *shared, const float *x, const More &more,
                               u32 token, u32 column) {
  const TokenScale scale = tokenScales(shared)[token];
#pragma unroll
  for (u32 i = 0; i < 8; i += 4) {
    float v[4], w[4] = {1, 1, 1, 1}, b[4] = {0, 0, 0, 0};
    floatsOf(v, x + token * kColumns + column + i);
    if (kNorm) {
      floatsOf(w, more.normWeight + column + i);
    }
    if (kLayerNorm) {
      floatsOf(b, more.normBias + column + i);
    }
#pragma unroll
    for (u32 j = 0; j < 4; ++j) {
      const float centred = kLayerNorm ? v[j] - scale.mean : v[j];
      f[i + j] = centred * w[j] * scale.factor;
      if (kLayerNorm) {
        f[i + j] = ap_fma(b[j], scale.biasFactor, f[i + j]);
      }
    }
  }
}
)";
  return input == MatMulInput::Half ? half : floats;
}

std::string_view roundingText() {
  return R"(
// Stores `value` as two float16 numbers: rounded, and `distance` numbers
// further, the rounding error.
AP_DEVICE void storeSplit(u16 *entry, u32 distance, float value) {
  const u32 high = ap_half_of_float(value);
  entry[0] = (u16)high;
  entry[distance] = (u16)ap_half_of_float(value - ap_float_of_half(high));
}
// Stores the sum of a group of activations in the form in which multiplyUnits
// reads it.
AP_DEVICE void storeSum(u8 *sums, u32 token, u32 group, float sum) {
  if (kScaledSums) {
    // Lane 4g+t supplies the sums of blocks t and t+4 of token g, as right
    // operands: first those for the scales, then those for the ones, and then
    // the rounding errors of both.
    const u32 odd = group / 4 % 2;
    u16 *entry = (u16 *)(sums + (group / 8 * kSumTokens + token) * 4 * kSumLane +
                         group % 4 * kSumLane) + odd;
    storeSplit(entry, 4, sum * (odd != 0 ? kZeroFactor * kOddFactor : kZeroFactor));
    storeSplit(entry + 2, 4, sum * (kZeroFactor * kBiasFactor));
  } else if (kSumsAsHalves) {
    // The 256 columns of a unit form 8 or 16 groups. An mma multiplies the
    // minimum of each group by the mean of the group's activations. Lane 4g+t
    // supplies the means of a fourth of the groups of token g, so these means
    // are stored next to each other: first the means, rounded to float16, and
    // then their rounding errors. If a lane has four groups, they are in the
    // order 0, 2, 1, 3, in which their minima are stored, too.
    constexpr u32 kGroups = 256 / kSumDivisor;
    constexpr u32 kPart = kGroups / 4;
    u16 *entry = (u16 *)(sums + (group / kGroups * kSumTokens + token) * 4 * kSumLane +
                         group % kGroups / kPart * kSumLane);
    const u32 at = kPart == 2 ? group % 2 : group % 2 * 2 + group % 4 / 2;
    storeSplit(entry + at, kPart, sum * (1.0f / kSumDivisor));
  } else {
    const u32 field = group * kSumDivisor / 32 % kFields;
    const u32 shift = kSixes ? (group % 4 == 3 ? 0 : 4) : field * kFieldBits;
    const float value = sum * (kZeroFactor * (float)(1u << shift));
    float *entry = (float *)(sums + group * kSumEntry);
    if (kSumTokens == 1) {
      entry[0] = entry[1] = entry[2] = entry[3] = value;
    } else {
      // In the mma's accumulator, lane 4g+t holds columns 2t and 2t+1 of rows g
      // and g+8.
      for (u32 column = token; column < 8; column += kSumTokens) {
        float *quad = entry + column / 2 * 4 + column % 2;
        quad[0] = value;
        quad[2] = value;
      }
    }
  }
}

AP_DEVICE u32 bfloatOfFloat(float value) {
  const u32 bits = ap_bits_of_float(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Holds 8 activations: `high` has them rounded to float16 or, if kBfloat is
// set, to bfloat16. If activations are split into two numbers, `low` has the
// rounded remainders. Activations that stay float32 have their upper 16 bits in
// `high` and their lower 16 bits in `low`.
struct Rounded { u32 high[4], low[4]; };
// Converts the activations `f` to `rounded`. Returns the sum of the float16
// numbers in rounded.high, or 0 for other formats, which need no sums.
AP_DEVICE float roundActivations(Rounded &rounded, const float (&f)[8]) {
  rounded = {};
  float sum = 0;
#pragma unroll
  for (u32 i = 0; i < 8; ++i) {
    u32 h, l;
    if (kFloats) {
      h = ap_bits_of_float(f[i]) >> 16;
      l = ap_bits_of_float(f[i]) & 0xffff;
    } else if (kBfloat) {
      h = bfloatOfFloat(f[i]);
      l = bfloatOfFloat(f[i] - ap_float_of_bits(h << 16));
    } else {
      h = ap_half_of_float(f[i]);
      const float value = ap_float_of_half(h);
      l = kSplitActivations ? ap_half_of_float(f[i] - value) : 0;
      sum += value;
    }
    rounded.high[i / 2] |= h << (16 * (i % 2));
    rounded.low[i / 2] |= l << (16 * (i % 2));
  }
  return sum;
}

// Stores the activations of columns 8*at to 8*at+7 of a token. Blocks of 32
// columns are kBlockStride bytes apart.
AP_DEVICE void storeActivations(u8 *row, u32 at, const Rounded &rounded) {
  const u32 (&high)[4] = rounded.high;
  const u32 (&low)[4] = rounded.low;
  if (kCoreMatrices) {
    // wgmma reads the activations from core matrices of 8 tokens by 8 columns.
    // Lane 4g+t multiplies columns 2t and 2t+1 of each core matrix by its
    // weights. A lane has weights of more than two columns, so the pairs of
    // columns that belong to one lane go to different core matrices.
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
      const u32 matrix = kHalves ? at % 4 / 2 * 2 + i % 2 : i;
      const u32 t = kHalves ? at % 2 * 2 + i / 2 : at % 4;
      u8 *to = row + (at / 4) * kBlockStride + matrix * 128 + t * 4;
      *(u32 *)to = high[i];
      if (kSplitActivations) {
        *(u32 *)(to + kXLow) = low[i];
      }
    }
  } else if (kHalves) {
    // In every 32 columns, lane 4g+t needs columns 4t to 4t+3 of the first 16
    // and of the second 16, so these are stored next to each other.
    u8 *to = row + (at / 4) * kBlockStride + (at % 2) * 32 + (at % 4) / 2 * 8;
    *(Word2 *)to = Word2{high[0], high[1]};
    *(Word2 *)(to + 16) = Word2{high[2], high[3]};
  } else {
    u8 *to = row + (at / 4) * kBlockStride + (at % 4) * 16;
    *(Word4 *)to = Word4{high[0], high[1], high[2], high[3]};
    if (kSplitActivations) {
      *(Word4 *)(to + kXLow) = Word4{low[0], low[1], low[2], low[3]};
    }
  }
}

// Each lane has a sum of 8 activations. Adds the sums of neighbouring lanes,
// and returns sums of kSumColumns activations.
AP_DEVICE float sumOfColumns(float sum) {
  sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 1));
  if (kSumColumns == 32) {
    sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 2));
  }
  return sum;
}
)";
}

std::string_view activationText() {
  return R"(
// Returns the byte offset of the sums of activations that lane 4g+t reads for
// the columns from `column` on.
AP_DEVICE u32 sumLaneOffset(u32 column, u32 token, u32 t) {
  if (kSumColumns == 0) {
    return 0;
  }
  return kSumsAsHalves ? (column / 256 * kTokens + token) * 4 * kSumLane + t * kSumLane
                       : column / kSumDivisor * kSumEntry + (kTokens == 1 ? 0 : t * 16);
}

// Stores the activations of this block's columns in shared memory, as
// [token][column], and also, if kSumColumns is not 0, the sum of every
// kSumColumns activations. A lane handles 8 columns of a token at a time.
AP_DEVICE void stageActivations(u8 *shared, const Activation *x, const More &more, u32 part,
                                u32 warp, u32 lane) {
  constexpr u32 kPieces = kPartColumns / 8;
  constexpr u32 kTotal = kTokens * kPieces;
  prepareActivations(shared, x, more, warp, lane);
  for (u32 first = warp * 32; first < kTotal; first += kThreads) {
    const u32 piece = first + lane;
    const bool inside = piece < kTotal;
    const u32 token = inside ? piece / kPieces : 0;
    const u32 at = piece - token * kPieces;
    const u32 column = part * kPartColumns + at * 8;
    float f[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (inside && column < kColumns) {
      readActivations(f, shared, x, more, token, column);
    }
    Rounded rounded;
    float sum = roundActivations(rounded, f);
    if (inside) {
      storeActivations(shared + kXOffset + token * kXStride, at, rounded);
    }
    if (kSumColumns != 0) {
      sum = sumOfColumns(sum);
      if (inside && at % (kSumColumns == 32 ? 4 : 2) == 0) {
        storeSum(shared + kSumOffset, token, at * 8 / kSumDivisor, sum);
      }
    }
  }
}
)";
}

} // namespace air::codegen::cuda
