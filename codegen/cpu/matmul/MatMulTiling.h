//===- MatMulTiling.h - how a product is cut into tiles ---------*- C++ -*-===//
//
// Which part of y = w x a tile is. A spec may say it (ProductTiles of
// codegen/KernelSpec.h, as `airpack --tune` measures it); where it does not, a
// cost model chooses.
//
// The cost model. G groups of 16 rows, T tiles of tokens beside each other and
// P cores; a group takes t, and a tile of g groups o more, whatever g is. While
// all cores work, o costs o G T / (g P); at the end each core waits for half a
// tile of another, g t / 2. The sum is least where
//
//   g = sqrt(2 o G T / (P t))
//
// t is the longer of reading a group's weights and multiplying them, at nominal
// speeds: those of the target's vectors and of a core's share of memory. o is
// what it takes to hand a tile out, and of many tokens to bring the tile's
// activations to the core.
//
// All is a function of the spec and the target alone. Sizes change no result:
// every sum is made of the same terms in the same order.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H
#define AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/decode/WeightReader.h"

namespace air::codegen {

inline constexpr int64_t kSumBytes = kRowLanes * 4; ///< of a token and group

/// Many tokens: weights are decoded once into a panel, which serves a tile's
/// tokens. Else a group is decoded straight into dot products.
bool usesPanel(const KernelSpec &spec);

/// A pass of many tokens may ask for one token's logits. Up to so many rows go
/// as they would in a pass of few tokens, decoded for eight at a time: of Q6_K
/// one row takes a sixth of the time, 16 two thirds, and 32 would take longer.
/// In floats the two classes read x in different forms.
inline constexpr int64_t kFewRows = 16;
bool mayHaveFewRows(const KernelSpec &spec);

struct ProductTiling {
  uint64_t groups;        ///< of 16 rows, in all
  uint64_t tileGroups;    ///< of a tile
  uint64_t tileTokens;    ///< of a tile; 0: all
  uint64_t passTokens;    ///< most tokens that one pass without a panel serves
  uint64_t tileColumns;   ///< that all groups of a tile meet before the next
  uint64_t panelColumns;  ///< of a panel; tileColumns is a multiple
  uint64_t panelBytes;    ///< of one group
  uint64_t dotBytes;      ///< beside the panels, where tiles multiply bytes
  uint64_t prefetchBytes; ///< ahead of the decoder, without a panel; else 0
                          ///< unless mayHaveFewRows()
  // What many tokens' inner loop multiplies at a time.
  uint64_t groupsTogether; ///< divides tileGroups
  uint64_t tokensTogether; ///< divides kActivationTokens
};
/// Of a spec that checkTiles takes, whose matrix is not empty.
ProductTiling productTiling(const KernelSpec &spec, const IsaTraits &isa);

/// Internal names the field of `tiles` that cannot be, its value and what it
/// may be.
Status checkTiles(const KernelSpec &spec, const IsaTraits &isa);

/// tileVariants (codegen/KernelSpec.h).
std::vector<std::vector<ProductTiles>> productVariants(const KernelSpec &spec,
                                                       const IsaTraits &isa);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_MATMULTILING_H
