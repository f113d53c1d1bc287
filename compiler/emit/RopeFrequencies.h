//===- RopeFrequencies.h - how fast each pair of a head turns ---*- C++ -*-===//
//
// Frequencies of rotary positions, in double precision, with the two scalings
// that are a function of the pair alone:
//
//   plain   f[i] = base^(-2i/dim) / factors[i]
//   linear  f[i] / linearFactor (Chen et al., "Extending Context Window of
//           Large Language Models via Positional Interpolation", 2023)
//   YaRN    with kept = f[i] and slowed = f[i] / factor:
//           slowed * (1 - keep) + kept * keep, keep = mix * (1 - ramp),
//           ramp = (i - low) / (high - low), clamped to [0, 1],
//           low  = max(0, floor(pairOf(betaFast))),
//           high = min(dim - 1, ceil(pairOf(betaSlow))), above low by 0.001 at
//           least, pairOf(turns) = dim * ln(originalContext / (2 pi turns)) /
//           (2 ln base): the pair that turns so often in the original context
//           (Peng et al., "YaRN: Efficient Context Window Extension of Large
//           Language Models", 2023, section 3.2)
//
// Bounds are rounded as transformers' modeling_rope_utils does by default and
// llama.cpp always does. What cosines and sines are multiplied by is the same
// for every pair: compiler/import/RopeScaling.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H
#define AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H

#include <cstdint>
#include <optional>
#include <vector>

namespace air::compiler {

struct YarnShape {
  double factor = 1;          ///< how much longer the context became
  double originalContext = 1; ///< tokens that the model was first trained on
  double betaFast = 32;       ///< pairs that turn more often stay as they are
  double betaSlow = 1;        ///< pairs that turn less often are slowed
  double mix = 1;             ///< 0: every pair is slowed
};

struct RopeShape {
  uint64_t dim = 0; ///< elements that turn; even
  double base = 0;
  double linearFactor = 1;
  std::vector<double> factors; ///< dim/2, or empty
  std::optional<YarnShape> yarn;
};

/// Radians a position, dim/2 of them. Not finite where the shape is not.
std::vector<double> ropeFrequencies(const RopeShape &shape);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_ROPEFREQUENCIES_H
