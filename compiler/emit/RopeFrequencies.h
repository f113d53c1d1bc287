//===- RopeFrequencies.h - rotation frequency of each pair ------*- C++ -*-===//
//
// Frequencies of rotary position embeddings (RoPE), in double precision, with
// the two scalings that depend on the pair alone:
//
//   plain   f[i] = base^(-2i/dim) / factors[i]
//   linear  f[i] / linearFactor (Chen et al., "Extending Context Window of
//           Large Language Models via Positional Interpolation", 2023)
//   YaRN    with kept = f[i] and slowed = f[i] / factor:
//           slowed * (1 - keep) + kept * keep, keep = mix * (1 - ramp),
//           ramp = (i - low) / (high - low), clamped to [0, 1],
//           low  = max(0, floor(pairOf(betaFast))),
//           high = min(dim - 1, ceil(pairOf(betaSlow))), at least low + 0.001,
//           pairOf(turns) = dim * ln(originalContext / (2 pi turns)) /
//           (2 ln base), which is the pair that makes `turns` rotations over
//           the original context
//           (Peng et al., "YaRN: Efficient Context Window Extension of Large
//           Language Models", 2023, section 3.2)
//
// The bounds are rounded as transformers' modeling_rope_utils does by default
// and as llama.cpp always does. The factor by which cosines and sines are
// multiplied is the same for every pair; see compiler/import/RopeScaling.h.
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
  double originalContext = 1; ///< tokens; the context of the original training
  double betaFast = 32; ///< pairs with more rotations keep their frequency
  double betaSlow = 1;  ///< pairs with fewer rotations are slowed down
  double mix = 1;       ///< 0: every pair is slowed down
};

struct RopeShape {
  uint64_t dim = 0; ///< rotated elements of a head; even
  double base = 0;
  double linearFactor = 1;
  std::vector<double> factors; ///< dim/2, or empty
  std::optional<YarnShape> yarn;
};

/// dim/2 frequencies in radians per position. An element is not finite where
/// the shape's numbers are not.
std::vector<double> ropeFrequencies(const RopeShape &shape);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H
