//===- Reference.h - every kernel op, naively, in double --------*- C++ -*-===//
//
// The oracle of kernel tests: one function per KernelOp (codegen/KernelSpec.h)
// on plain row-major arrays of double, written as its formula reads, with no
// thought of speed. Weights come dequantised (formats/dtype); KV comes as plain
// histories, not pages. All sizes are the caller's duty (asserted).
//
// Shapes: M tokens (or rows), N outputs, K inputs, D head dimension, H query
// heads, G key/value heads.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_REFERENCE_REFERENCE_H
#define AIRPACK_CODEGEN_REFERENCE_REFERENCE_H

#include "codegen/KernelSpec.h"

#include <cstdint>
#include <span>
#include <vector>

namespace air::codegen::reference {

using Doubles = std::vector<double>;
using View = std::span<const double>;

/// x[m] = scale * table[ids[m]]; table is [rows][K].
Doubles embedRows(View table, uint64_t k, std::span<const int32_t> ids,
                  double scale);

/// y = x / sqrt(mean(x^2) + epsilon) * weight, row by row; x is [M][K].
/// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019,
/// eq. 4; epsilon under the root as in Llama's published code.
Doubles rmsNorm(View x, View weight, double epsilon);

/// y[m][n] = sum over k of w[n][k] * x[m][k], plus bias[n] unless it is empty.
Doubles matMul(View x, View w, View bias, uint64_t n, uint64_t k);

/// w with row n times scale[n]; w is [N][K].
Doubles rowsScaled(View w, View scale);

/// The largest absolute sum that a rounding error of y[m][n] scales with:
/// sum over k of |w[n][k] * x[m][k]|, plus |bias[n]|.
Doubles matMulMagnitude(View x, View w, View bias, uint64_t n, uint64_t k);

/// x * sigmoid(x). Source: Elfwing et al., 2017 (SiLU); Ramachandran et al.,
/// 2017 (Swish with beta 1).
double silu(double x);

/// h = silu(wGate x) * (wUp x). Source: Shazeer, "GLU Variants Improve
/// Transformer", 2020, SwiGLU without biases.
Doubles gluMatMul(View x, View wGate, View wUp, uint64_t n, uint64_t k);

/// Per position: scale * cos(position * f[i]) for all i, then sin of the same.
Doubles ropeAngles(View inverseFrequency, std::span<const uint32_t> positions,
                   double scale = 1);

/// Rotates the first ropeDim elements of one head by `angles` (ropeDim/2
/// cosines, then sines), in pairs (2i, 2i+1) for Norm and (i, i + ropeDim/2)
/// for Neox: (a, b) -> (a cos - b sin, a sin + b cos). Source: Su et al.,
/// "RoFormer", 2021, eq. 34; the pairing of GPT-NeoX from its published code.
void rotate(std::span<double> head, View angles, uint64_t ropeDim,
            RopeKind kind);

struct QkvRows {
  Doubles q; ///< [M][H * D]
  Doubles k; ///< [M][G * D]
  Doubles v; ///< [M][G * D]
};

/// Splits rows of qkv, norms every head of q and k by its RMS when `spec`
/// says so (weights [D]), and rotates q and k. angles is [M][ropeDim].
QkvRows ropeAppend(const KernelSpec &spec, View qkv, View angles, View qNorm,
                   View kNorm);

/// softmax(scale * q k^T) v of one token against `length` keys of its sequence:
/// q is [H * D], keys and values are [length][G * D]; query head h reads
/// key/value head h / (H / G). Source: Vaswani et al., 2017, eq. 1; Ainslie et
/// al., "GQA", 2023.
Doubles attention(const KernelSpec &spec, View q, View keys, View values,
                  uint64_t length);

/// y + x.
Doubles add(View x, View y);

/// silu(gate) * up.
Doubles siluMul(View gate, View up);

// Forms of activations (KernelSpec.h), in float32 where it says so: bytes, not
// doubles. Rows have whole blocks.

/// I8x2, row after row.
std::vector<ActivationBlock> quantizeToBlocks(std::span<const float> x);
/// I8 or I8Grid of rows of k columns; tokens past the last one are zeros.
std::vector<ActivationTile> quantizeToTiles(std::span<const float> x,
                                            uint64_t k, Activation form);
/// BF16x32 likewise; k is any.
struct Bf16Rows {
  std::vector<Bf16Tile> tiles;
  std::vector<float> factors; ///< one per token, padded to whole token tiles
};
Bf16Rows roundToBf16(std::span<const float> x, uint64_t k);

/// The numbers that they stand for, row-major.
Doubles valuesOf(std::span<const ActivationBlock> blocks);
Doubles valuesOf(std::span<const ActivationTile> tiles, uint64_t rows,
                 uint64_t k);
Doubles valuesOf(const Bf16Rows &packed, uint64_t rows, uint64_t k);

} // namespace air::codegen::reference

#endif // AIRPACK_CODEGEN_REFERENCE_REFERENCE_H
