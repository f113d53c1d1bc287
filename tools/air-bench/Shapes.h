//===- Shapes.h - the real shapes that kernels are timed on -----*- C++ -*-===//
//
// The shapes of Llama 3.2 1B and Llama 3.1 8B, from the published
// configurations of these models (hidden_size, intermediate_size,
// num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_SHAPES_H
#define AIRPACK_TOOLS_AIR_BENCH_SHAPES_H

#include "codegen/KernelSpec.h"

#include <array>
#include <cstdint>

namespace air::bench {

struct MatrixShape {
  uint64_t n; ///< rows, one per output
  uint64_t k; ///< columns, one per input
};

inline constexpr std::array<MatrixShape, 5> kProjections = {
    {{2048, 2048}, {8192, 2048}, {2048, 8192}, {4096, 4096}, {14336, 4096}}};
inline constexpr std::array<MatrixShape, 2> kGatedProjections = {
    {{8192, 2048}, {14336, 4096}}};
/// Embedding tables with about a quarter of the models' 128,256 rows, so that
/// they fit in memory in every dtype.
inline constexpr std::array<MatrixShape, 2> kTables = {
    {{32768, 2048}, {32768, 4096}}};
inline constexpr std::array<uint64_t, 2> kWidths = {2048, 4096};
inline constexpr std::array<uint64_t, 2> kFeedForwardWidths = {8192, 14336};

struct HeadShape {
  uint64_t heads;
  uint64_t kvHeads;
  uint64_t headDim;
  uint64_t layers;
};
inline constexpr std::array<HeadShape, 2> kHeads = {
    {{32, 8, 64, 16}, {32, 8, 128, 32}}};
/// The contexts with which attention is timed for every MClass.
inline constexpr std::array<uint32_t, 2> kContexts = {512, 4096};
/// Further contexts with which attention is timed: kLongContexts for
/// MClass::One (decode), and kLongPrompts for MClass::Large (prefill).
inline constexpr std::array<uint32_t, 3> kLongContexts = {16384, 65536, 131072};
inline constexpr std::array<uint32_t, 2> kLongPrompts = {16384, 65536};
/// The maximum size, in bytes, of the KV cache with which attention is timed.
/// If a cache for all layers of the model would be larger, attention is timed
/// with a cache for only as many layers as fit.
inline constexpr uint64_t kMostKvBytes = uint64_t{1} << 30;

/// For each MClass, the number of tokens with which its kernels are timed.
inline constexpr std::array<uint32_t, 3> kClassTokens = {1, 4, 64};
/// Kernels whose code does not depend on the MClass are timed with these token
/// counts.
inline constexpr std::array<uint32_t, 2> kPlainTokens = {1, 64};

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_SHAPES_H
