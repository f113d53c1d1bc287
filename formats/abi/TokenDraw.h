//===- TokenDraw.h - how a GPU draws the next token -------------*- C++ -*-===//
//
// The runtime writes a TokenDraw for each token of a batch, and the kernel that
// chooses the next tokens reads it (BatchArray in plan.fbs). The kernel
// supports some of the stages of the host's sampler, and applies them in this
// order: top-k, top-p, min-p, temperature, draw (docs/sampling.md). The record
// contains the parameters of these stages.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_ABI_TOKENDRAW_H
#define AIRPACK_FORMATS_ABI_TOKENDRAW_H

#include <cstdint>

namespace air {

struct TokenDraw {
  uint64_t seed = 0;
  double scale = 1; ///< the factor of all logits: 1 / temperature
  double topP = 1;  ///< 1 keeps all tokens
  /// The logarithm of min-p, which is 0 or negative. Min-p keeps the tokens
  /// whose logit is at least the largest logit plus this number, so that minus
  /// infinity keeps all tokens.
  double minPDistance = 0;
  uint32_t topK = 0; ///< 1 to kMostKeptTokens, unless isBest is not 0
  /// The number of draws that have been made with `seed` before this one. When
  /// the kernel has drawn a token, it adds 1 to this field for the next pass.
  uint32_t draws = 0;
  /// If this is not 0, the best token is chosen, and nothing is drawn.
  uint32_t isBest = 1;
  uint32_t reserved = 0;
  bool operator==(const TokenDraw &) const = default;
};
static_assert(sizeof(TokenDraw) == 48);

/// The offset in bytes of the first TokenDraw in BatchArray::TokenCount, an
/// array that begins with the number of tokens.
inline constexpr uint32_t kTokenDrawOffset = 64;
/// The largest vocabulary from which a GPU can draw tokens. In the draw, the
/// weight of a token is an integer of at most 2^32 (docs/sampling.md), so the
/// sum of 2^21 weights is at most 2^53, and a double represents it exactly.
inline constexpr uint32_t kMostDrawnTokens = uint32_t{1} << 21;
/// The largest top-k with which a GPU can draw. The kernel has a list of the
/// tokens that top-k keeps. The list lies in the shared memory of a thread
/// block, which limits its length; each token takes 16 bytes.
inline constexpr uint32_t kMostKeptTokens = 1024;

} // namespace air

#endif // AIRPACK_FORMATS_ABI_TOKENDRAW_H
