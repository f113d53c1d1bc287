//===- Reference.h - every kernel op in double precision --------*- C++ -*-===//
//
// The oracle of the kernel tests: the ops of KernelOp (codegen/KernelSpec.h) on
// plain row-major arrays, which are of double except in the functions for
// PackActivations. Each function follows its formula literally, without regard
// for speed. Weights are passed dequantised (formats/dtype), and a sequence's
// keys and values as contiguous arrays rather than in KV pages. The caller must
// pass matching sizes; most of them are asserted.
//
// No function depends on anything but its arguments, and none can fail.
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

/// Returns x with x[m] = scale * table[ids[m]]; the table is [rows][k].
Doubles embedRows(View table, uint64_t k, std::span<const int32_t> ids,
                  double scale);

/// Returns y = x / sqrt(mean(x^2) + epsilon) * weight, row by row. A row of x
/// has as many elements as `weight`. Source: Zhang and Sennrich, "Root Mean
/// Square Layer Normalization", 2019, eq. 4; epsilon is under the root, as in
/// Llama's published code.
Doubles rmsNorm(View x, View weight, double epsilon);

/// Returns y[m][j] = sum over i < k of w[j][i] * x[m][i], plus bias[j] unless
/// `bias` is empty. There are n rows in w and as many rows in y as in x.
Doubles matMul(View x, View w, View bias, uint64_t n, uint64_t k);

/// Returns w with each row j multiplied by scale[j]. `scale` has one element
/// per row of w.
Doubles rowsScaled(View w, View scale);

/// Returns the magnitudes to which the rounding errors of matMul's y[m][j] are
/// proportional: sum over i < k of |w[j][i] * x[m][i]|, plus |bias[j]|.
Doubles matMulMagnitude(View x, View w, View bias, uint64_t n, uint64_t k);

/// Returns x * sigmoid(x). Source: Elfwing et al., 2017 (SiLU); Ramachandran et
/// al., 2017 (Swish with beta 1).
double silu(double x);

/// Returns h = silu(wGate x) * (wUp x), which is SwiGLU without biases. wGate
/// and wUp are [n][k]. Source: Shazeer, "GLU Variants Improve Transformer",
/// 2020.
Doubles gluMatMul(View x, View wGate, View wUp, uint64_t n, uint64_t k);

/// For each position, returns scale * cos(position * inverseFrequency[i]) for
/// all i, followed by the same with sin.
Doubles ropeAngles(View inverseFrequency, std::span<const uint32_t> positions,
                   double scale = 1);

/// Rotates the first ropeDim elements of one head by `angles`, which holds
/// ropeDim/2 cosines and then ropeDim/2 sines. Each pair (a, b) becomes
/// (a cos - b sin, a sin + b cos). The pairs are (2i, 2i+1) for Norm and
/// (i, i + ropeDim/2) for Neox. Source: Su et al., "RoFormer", 2021, eq. 34;
/// the Neox pairs follow GPT-NeoX's published code.
void rotate(std::span<double> head, View angles, uint64_t ropeDim,
            RopeKind kind);

struct QkvRows {
  Doubles q; ///< [tokens][query heads * head dimension]
  Doubles k; ///< [tokens][key/value heads * head dimension]
  Doubles v; ///< [tokens][key/value heads * head dimension]
};

/// Splits the rows of qkv into q, k and v. If spec.qkNorm is set, normalises
/// every head of q and k by its RMS and multiplies it by qNorm or kNorm, which
/// have one weight per element of a head. Then rotates q and k by `angles`,
/// which is [tokens][spec.ropeDim].
QkvRows ropeAppend(const KernelSpec &spec, View qkv, View angles, View qNorm,
                   View kNorm);

/// The attention of one token: softmax(spec.scale * q k^T) v over `length`
/// positions of its sequence. q is [heads * headDim], and keys and values are
/// [length][kvHeads * headDim]. Query head h reads key/value head h / (heads /
/// kvHeads). Source: Vaswani et al., "Attention Is All You Need", 2017, eq. 1;
/// Ainslie et al., "GQA", 2023.
Doubles attention(const KernelSpec &spec, View q, View keys, View values,
                  uint64_t length);

/// Merges the states of ranges of positions. `states` has one row per token, as
/// AttentionMerge reads it (codegen/KernelSpec.h). The result has heads *
/// headDim numbers per token. Source: Dao et al., "Flash-Decoding for
/// long-context inference", 2023.
Doubles attentionMerge(const KernelSpec &spec, View states);

/// Returns x + y, element by element.
Doubles add(View x, View y);

/// Returns silu(gate) * up, element by element.
Doubles siluMul(View gate, View up);

// The following functions produce the packed activation formats of KernelSpec.h
// except F32x16. They return the exact bytes that kernels must produce, and
// compute in float32 where KernelSpec.h says so. Except for BF16x32, rows must
// consist of whole blocks of kActivationColumns columns.

/// Quantises rows of k columns to I8x2. In the last section of a row, blocks
/// beyond the end of the row are zero.
std::vector<ActivationSection> quantizeToSections(std::span<const float> x,
                                                  uint64_t k);
/// Quantises rows of k columns to `format`, which must be I8 or I8Grid. The
/// tiles' padding tokens are zero.
std::vector<ActivationTile> quantizeToTiles(std::span<const float> x,
                                            uint64_t k, Activation format);
/// Rows of activations in BF16x32. A row may have any number of columns.
struct Bf16Rows {
  std::vector<Bf16Tile> tiles;
  std::vector<float> factors; ///< one per token; 1 for padding tokens
};
Bf16Rows roundToBf16(std::span<const float> x, uint64_t k);

/// Returns the numbers that packed activations represent, in row-major order.
Doubles valuesOf(std::span<const ActivationSection> sections, uint64_t rows,
                 uint64_t k);
Doubles valuesOf(std::span<const ActivationTile> tiles, uint64_t rows,
                 uint64_t k);
Doubles valuesOf(const Bf16Rows &packed, uint64_t rows, uint64_t k);

} // namespace air::codegen::reference

#endif // AIRPACK_CODEGEN_REFERENCE_REFERENCE_H
