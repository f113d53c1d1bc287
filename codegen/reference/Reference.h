//===- Reference.h - every kernel op, naively, in double --------*- C++ -*-===//
//
// The oracle of the kernel tests: one function per KernelOp
// (codegen/KernelSpec.h) on plain row-major arrays of double. Each follows its
// formula literally, without regard for speed. Weights are passed dequantised
// (formats/dtype), and KV as plain histories rather than pages. The caller must
// pass matching sizes (asserted).
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

/// w with row n multiplied by scale[n]; w is [N][K].
Doubles rowsScaled(View w, View scale);

/// The magnitude that a rounding error of y[m][n] is relative to: sum over k of
/// |w[n][k] * x[m][k]|, plus |bias[n]|.
Doubles matMulMagnitude(View x, View w, View bias, uint64_t n, uint64_t k);

/// x * sigmoid(x). Source: Elfwing et al., 2017 (SiLU); Ramachandran et al.,
/// 2017 (Swish with beta 1).
double silu(double x);

/// h = silu(wGate x) * (wUp x). Source: Shazeer, "GLU Variants Improve
/// Transformer", 2020, SwiGLU without biases.
Doubles gluMatMul(View x, View wGate, View wUp, uint64_t n, uint64_t k);

/// For each position: scale * cos(position * f[i]) for all i, then the sines.
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

/// Splits rows of qkv, normalises every head of q and k by its RMS if
/// spec.qkNorm is set (weights [D]), and rotates q and k. angles is
/// [M][ropeDim].
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

// The packed activation formats (KernelSpec.h). These return the exact bytes
// that kernels must produce, computed in float32 where the definition says so.
// Rows consist of whole blocks, except for BF16x32.

/// Quantises x to I8x2. x holds whole rows one after the other, and the blocks
/// are in the same order.
std::vector<ActivationBlock> quantizeToBlocks(std::span<const float> x);
/// I8 or I8Grid of rows of k columns. Padding tokens are zero.
std::vector<ActivationTile> quantizeToTiles(std::span<const float> x,
                                            uint64_t k, Activation format);
/// BF16x32 of rows of any number of columns k.
struct Bf16Rows {
  std::vector<Bf16Tile> tiles;
  std::vector<float> factors; ///< one per token, padded to whole token tiles
};
Bf16Rows roundToBf16(std::span<const float> x, uint64_t k);

/// The numbers that packed activations represent, row-major.
Doubles valuesOf(std::span<const ActivationBlock> blocks);
Doubles valuesOf(std::span<const ActivationTile> tiles, uint64_t rows,
                 uint64_t k);
Doubles valuesOf(const Bf16Rows &packed, uint64_t rows, uint64_t k);

} // namespace air::codegen::reference

#endif // AIRPACK_CODEGEN_REFERENCE_REFERENCE_H
