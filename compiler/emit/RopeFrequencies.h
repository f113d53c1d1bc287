//===- RopeFrequencies.h - rotation frequency of each pair ------*- C++ -*-===//
//
// Computes the frequencies of rotary position embeddings (RoPE) in double
// precision. Depending on the kind of scaling, the frequency of pair i of a
// head's elements, 0 <= i < dim/2, is one of these:
//
//   plain   f[i] = base^(-2i/dim) / factors[i]
//   linear  f[i] / linearFactor (Chen et al., "Extending Context Window of
//           Large Language Models via Positional Interpolation", 2023)
//   YaRN    keep * f[i] + (1 - keep) * f[i] / factor, where
//           keep = mix * (1 - ramp); mix is 1 in the paper, and ext_factor in
//           llama.cpp,
//           ramp = (i - low) / (high - low), clamped to [0, 1],
//           low  = max(0, floor(pairOf(betaFast))),
//           high = max(low + 0.001, min(dim - 1, ceil(pairOf(betaSlow)))),
//           pairOf(turns) = dim * ln(originalContext / (2 pi turns)) /
//           (2 ln base), which is the index of the pair that makes `turns`
//           rotations over the original context (Peng et al., "YaRN: Efficient
//           Context Window Extension of Large Language Models", 2023,
//           section 3.2)
//
// `low` and `high` are rounded as modeling_rope_utils.py of Hugging Face's
// `transformers` library does by default and as llama.cpp always does. The
// factor by which cosines and sines are multiplied is the same for every pair;
// see compiler/import/RopeScaling.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H
#define AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H

#include <cstdint>
#include <optional>
#include <vector>

namespace air::compiler {

struct YarnShape {
  double factor = 1;          ///< extended context / original context
  double originalContext = 1; ///< context of the original training, in tokens
  /// Pairs that make more rotations than this over the original context keep
  /// their frequency if `mix` is 1.
  double betaFast = 32;
  /// The frequency of pairs that make fewer rotations than this over the
  /// original context is divided by `factor`.
  double betaSlow = 1;
  /// In the formula for YaRN at the top of this file, the weight of the
  /// unscaled frequency is proportional to `mix`. If `mix` is 0, the frequency
  /// of every pair is divided by `factor`.
  double mix = 1;

  bool operator==(const YarnShape &) const = default;
};

struct RopeShape {
  uint64_t dim = 0; ///< number of rotated elements of a head; even
  double base = 0;
  double linearFactor = 1;
  /// One divisor for each of the dim/2 frequencies; empty if all divisors are
  /// 1.
  std::vector<double> factors;
  std::optional<YarnShape> yarn;

  bool operator==(const RopeShape &) const = default;
};

/// Returns dim/2 frequencies in radians per position. The numbers of `shape`
/// are not checked: a frequency may be infinite or NaN, for example if a factor
/// is 0.
std::vector<double> ropeFrequencies(const RopeShape &shape);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H
