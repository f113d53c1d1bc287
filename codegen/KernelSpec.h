//===- KernelSpec.h - what a kernel must do ---------------------*- C++ -*-===//
//
// The interface of codegen/: a KernelSpec goes in, a KernelArtifact comes out.
// This interface does not depend on dialects or models. Shapes are compile-time
// constants: a plan's kernels are generated for exactly the shapes they run on.
// Only the number of tokens, M, and the number of outputs are read from the
// batch at run time.
//
// Activations are row-major float32 with one row per token. After these come
// padding rows, up to a multiple of AIR_TOKEN_PADDING rows
// (formats/abi/KernelAbi.h). A matmul may take activations in a packed format
// instead (Activation), which PackActivations produces. An output is a token
// whose logits are requested; the batch lists the outputs in output_rows.
// rowsFrom states whether a kernel's rows are the batch's tokens or its
// outputs.
//
// The following list shows each op's bindings and what the op computes from
// them. codegen/KernelBindings.cpp specifies the bindings' access and shapes.
// A tile is the unit of work that a thread takes.
//
//   EmbedRows    table, x
//                  x[m] = scale * table[token_ids[m]]. The table is [n, k]. One
//                  tile per token.
//   RmsNorm      x, weight, y
//                  y[r] = x[row(r)] / rms(x[row(r)]) * weight, where rms(x) is
//                  sqrt(mean(x^2) + epsilon). A row has k floats. y[r] is NaN
//                  if the sum of squares overflows float32. If rowsFrom is
//                  Tokens, row(r) = r; if it is Outputs, row(r) =
//                  output_rows[r]. One tile per row of y.
//   MatMul       x, w, [rowScale,] [bias,] y
//                  y[m][yOffset + j] = rowScale[j] * dot(w[j], x[m]) + bias[j],
//                  or += if `accumulate` is set. w is [n, k], and a row of y
//                  has yStride floats. Without rowScale, the scales are 1. If
//                  rowsFrom is Outputs, row r of x and y belongs to output r.
//   GluMatMul    x, wGate, wUp, [gateScale, upScale,] h
//                  h = silu(wGate x) * (wUp x). Both matrices are [n, k] and
//                  have the same dtype and layout. gateScale and upScale hold
//                  one factor per row of wGate and of wUp, like MatMul's
//                  rowScale. A row of h has n floats. If isJoined is set, wGate
//                  and wUp are one binding, wGateUp. It is [n, 2 k], and each
//                  of its rows is a row of wGate followed by that row of wUp.
//   RopeAngles   inverseFrequency, angles
//                  For each token, scale * cos(position * inverseFrequency[i])
//                  for i in [0, ropeDim/2), followed by the same with sin.
//                  inverseFrequency is float64 [ropeDim/2], with values in
//                  [0, 2^19]; angles is float32 [M][ropeDim]. One tile per
//                  token.
//   RopeAppend   qkv, angles, [qNorm, kNorm,] kv
//                  A row of qkv holds heads*headDim floats of q, then
//                  kvHeads*headDim of k, then as many of v. QK-norm (RMS norm
//                  of each head, with weights [headDim]) and then RoPE are
//                  applied to q, in place, and to k. k and v are converted to
//                  kvDtype and appended to the layer's KV cache; an element
//                  that is infinite or too large for kvDtype becomes NaN. One
//                  tile per 4 tokens.
//   Attention    qkv, kv, out
//                  Causal attention. Query head h reads KV head
//                  h / (heads/kvHeads). A position's weight in the softmax is
//                  exp(score - largest score) before it is normalised; weights
//                  below 2^-126 count as 0. If `ranges` is 1, out[m] has
//                  heads*headDim floats. Otherwise, the KV pages of the token's
//                  sequence are divided into `ranges` ranges, some of which may
//                  be empty, and out[m] holds the state of each range: first
//                  float32 [ranges][heads][headDim], the sums of weight * v,
//                  where a position's weight is
//                  2^(score * log2(e) - largest); then float32
//                  [ranges][heads][2]: `largest`, which is the largest
//                  score * log2(e) in the range, and the sum of the weights. If
//                  the token attends to no position of a range, both of the
//                  range's sums are 0 and `largest` is finite. A tile covers
//                  one KV head, one range, and 8 tokens for MClass::Large or
//                  one token for the other classes.
//   AttentionMerge
//                states, out
//                  states[m] has the form of Attention's out[m] for `ranges`
//                  ranges. out[m], which has heads*headDim floats, is the
//                  result of attention: the states of all ranges, merged in the
//                  order of the ranges. One tile per token and KV head.
//   Add          x, y
//                  y += x, in rows of k floats. One tile per token.
//   SiluMul      gate, up, y
//                  y = silu(gate) * up, in rows of k floats. One tile per
//                  token.
//   PackActivations
//                x, xp
//                  xp = x in the format `activation`, which is not F32. A row
//                  of x has k floats. rowsFrom has the same meaning as for
//                  MatMul. A tile covers kPackColumns columns of one row for
//                  I8x2, and of 16 rows for any other format.
//
// Activation formats. Columns are divided into blocks of 32, and tokens into
// token tiles of 16. The contents of padding tokens are unspecified, except for
// two members of ActivationTile in I8Grid, which the comments on these members
// describe.
//
// F32 and F32x16 are plain float32. A kernel that reads F32 adds up the
// products of the columns that share a weight scale, and multiplies only the
// sum by that scale. (A kernel that reads F32x16 scales the weights instead.)
// The unscaled sum must be finite, which it is if |x| <= 2^90. For larger |x| a
// result may be infinite or NaN.
//
// F32x16 stores one token tile after another. A token tile is stored column by
// column, with the floats of its 16 tokens next to one another.
//
// BF16x32 stores one token tile after another. A token tile has one Bf16Tile
// per block of columns, followed by one float32 factor for each of its 16
// tokens. A value is bfloat16(x / factor), rounded to nearest with ties to
// even; a finite number never rounds to infinity, and NaN becomes a quiet NaN.
// The factor is 2^-88 for a row whose magnitudes are all below 2^-60
// (kTinyRow), and 1 for any other row. The relative error is at most 1/256,
// unless x is subnormal and the factor is 1. Bfloat16 dot products flush
// subnormal operands and results to zero; if the factor were always 1, a row of
// such small magnitudes could cause subnormal operands or results. Columns past
// k are zero. BF16 matrices are multiplied in this format and, on targets with
// tile registers, quantised ones, whose weights are rounded to bfloat16. The
// instructions take bfloat16 operands, which have 8 significant bits, but F16
// weights have 11 and F32 weights have 24.
//
// I8 stores one token tile after another. A token tile has one ActivationTile
// per block of columns. Let m be the largest |x| in a token's block. Quotients
// are rounded to float32, and q is the exact product, rounded only once:
//   scale = max(m / 127, 2^-126)
//   q = x * min(127 / m, 2^126), rounded to nearest, ties to even
// scale * q represents x with an error of at most scale / 2. This is 1/254 of
// m, or 2^-127 if that is larger.
//
// I8Grid has the same tiles as I8, but its scales are cheaper to apply
// (codegen/cpu/matmul/Int8Panel.h). A scale is the smallest number of the form
// (1 + step / 4) * 2^exponent, with step from 0 to 3, that is at least
// max(m / 127, 2^-126), and q = x * (1 / scale), rounded to nearest. The scale
// is up to 1.25 times I8's, and so is the error: at most 1/203 of m, or
// 2^-127 if that is larger.
//
// I8x2 stores one token after another. A token has one ActivationSection per
// kSectionColumns columns. If k is not a multiple of kSectionColumns, the
// blocks past k are unspecified. A block has
//   scale = max(m / 16256, 2^-126)
//   q = x * min(16256 / m, 2^126), rounded to nearest, ties to even
//   high = floor((q + 64) / 128), low = q - 128 * high
// scale * (128 * high + low) represents x with an error of at most 1/32512 of
// m, or 2^-127 if that is larger. This amounts to 15 bits of precision, at the
// cost of two int8 dot products: one with high and one with low.
//
// In all three int8 formats, a block that holds an infinity or a NaN has a NaN
// scale. Its integers q are then unspecified, and so is everything that is
// computed from them: all sums of the block and, in I8, its elements of
// ActivationTile::conversions.
//
// A `kv` binding gives access to the KV cache of one layer. The cache belongs
// to the cache group whose index in the plan is cacheGroup. Each page of the
// group has a separate part for every cache of the group. The binding points at
// this cache's part of page 0; the cache's part of page p begins
// p * kvPageBytes bytes later. A part holds, for each KV head, K as
// [headDim][64] and then V as [64][headDim], where 64 is the number of tokens
// per page. Both have the dtype kvDtype.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELSPEC_H
#define AIRPACK_CODEGEN_KERNELSPEC_H

#include "formats/abi/KernelAbi.h"
#include "formats/machine/MachineProfile.h"
#include "formats/plan/Layout.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace air::codegen {

enum class KernelOp : uint8_t {
  EmbedRows,
  RmsNorm,
  MatMul,
  GluMatMul,
  RopeAngles,
  RopeAppend,
  Attention,
  AttentionMerge,
  Add,
  SiluMul,
  PackActivations,
};
inline constexpr size_t kKernelOpCount =
    static_cast<size_t>(KernelOp::PackActivations) + 1;

/// The name of the op in the IR, which is also the prefix of its kernels'
/// symbols, for example "matmul" or "rope_append".
std::string_view opName(KernelOp op);

/// The formats in which MatMul and GluMatMul read x. PackActivations produces
/// all of them except F32, which is not packed.
enum class Activation : uint8_t { F32, F32x16, I8x2, I8, I8Grid, BF16x32 };
inline constexpr size_t kActivationCount =
    static_cast<size_t>(Activation::BF16x32) + 1;

/// Whether activations in this format are stored as ActivationTiles.
constexpr bool isInt8Tiled(Activation format) {
  return format == Activation::I8 || format == Activation::I8Grid;
}

constexpr bool isInt8(Activation format) {
  return format == Activation::I8x2 || isInt8Tiled(format);
}

/// The name of a format in kernel symbols: "f32", "f32x16", "i8x2", "i8",
/// "i8grid" or "bf16x32".
std::string_view activationName(Activation format);

inline constexpr uint64_t kActivationColumns = 32; ///< columns per block
inline constexpr uint64_t kActivationTokens = 16;  ///< tokens per token tile
/// The number of columns that one tile of PackActivations covers.
inline constexpr uint64_t kPackColumns = 512;

/// A row of activations is tiny if all its magnitudes are below kTinyRow. To
/// avoid subnormal numbers, BF16x32 divides the elements of a tiny row by
/// kTinyRowFactor, which makes them 2^88 times as large.
inline constexpr float kTinyRow = 0x1p-60F;
inline constexpr float kTinyRowFactor = 0x1p-88F;

inline constexpr uint64_t kSectionBlocks = 8; ///< blocks per section in I8x2
inline constexpr uint64_t kSectionColumns = kSectionBlocks * kActivationColumns;

/// In I8x2: the activations of one token in eight blocks of 32 columns. Aligned
/// to 64 bytes.
///
/// The weights of a row block often evict the activations from the L1 cache, so
/// that every row block reads the activations from L2 again. The activations
/// are therefore packed into as few cache lines as possible. A kernel whose
/// weights have one scale per 32 columns reads only the first nine of a
/// section's ten cache lines.
struct ActivationSection {
  struct Bytes {
    int8_t high[kActivationColumns];
    int8_t low[kActivationColumns];
  };
  /// Block i is element kSectionBlocks - 1 - i. Kernels process blocks and
  /// sections in ascending order, so they read the cache lines of a section in
  /// descending order. If blocks were stored in ascending order, Zen 4 would
  /// read the weights from memory more slowly, presumably because its
  /// prefetcher would take the activations for another stream.
  Bytes bytes[kSectionBlocks];
  float scale[kSectionBlocks];
  /// The negated sums of q over columns 0-31, 0-15 and 16-31 of each block. If
  /// every stored weight is the true weight plus 2^n, kernels correct the dot
  /// product of these columns by adding 2^n times the negated sum.
  int32_t negatedSums[3][kSectionBlocks];
};
static_assert(sizeof(ActivationSection) == 640);

inline constexpr int64_t kGridSteps = 4; ///< I8Grid scales per power of two
/// Each scale of I8Grid has the form (1 + step / 4) * 2^exponent (see above). A
/// scale is called "on the grid" if its exponent lies in [kGridBaseExponent,
/// kGridBaseExponent + kGridExponents).
inline constexpr int kGridBaseExponent = -64;
inline constexpr int64_t kGridExponents = 108;
/// The bits of the float 1.5 * 2^23. If the magnitude of an integer i is below
/// 2^22, kConversionBits + i are the bits of the float 1.5 * 2^23 + i. The int8
/// dot product of a block is always such an integer.
inline constexpr int32_t kConversionBits = 0x4B400000;
/// In I8Grid, ActivationTile::conversions holds the bits of the float 1.5 *
/// 2^(23 - kConversionShift + e) for a scale with the exponent
/// kGridBaseExponent + e.
inline constexpr int kConversionShift = 40;
/// In I8Grid, the value that ActivationTile::conversions holds for a scale with
/// the exponent kGridBaseExponent: the bits of the float 1.5 * 2^(23 -
/// kConversionShift).
inline constexpr int32_t kGridConversionBits =
    kConversionBits - (kConversionShift << 23);
/// In I8Grid, the value that ActivationTile::conversions holds for a NaN scale.
inline constexpr int32_t kNanConversionBits = kGridConversionBits - (1 << 23);
inline constexpr int64_t kGridVectorBytes =
    64; ///< the size of 16 float32 weight scales, one per row
/// ActivationTile::scaledSums holds sums divided by this number, so that the
/// sum of 32 finite activations is always finite.
inline constexpr float kScaledSumDivisor = 64.0F;

/// In I8 and I8Grid: the activations of 16 tokens in one block of 32 columns.
/// Aligned to 64 bytes.
struct ActivationTile {
  int8_t q[kActivationTokens][kActivationColumns];
  float scale[kActivationTokens];
  /// -128 times the sums of q over columns 0-15, 16-31 and 0-31. If every
  /// stored weight is the true weight plus 128, kernels correct a dot product
  /// by adding the number for its columns. If every stored weight is the true
  /// weight plus 2^n with n < 7, they first shift this number right by 7 - n
  /// bits.
  int32_t biasSums[3][kActivationTokens];
  /// The sums of q over columns 0-15, 16-31 and 0-31, times scale /
  /// kScaledSumDivisor.
  float scaledSums[3][kActivationTokens];

  /// In I8, each element is kConversionBits + biasSums[2].
  ///
  /// In I8Grid, each element is kGridConversionBits + e * 2^23, modulo 2^32,
  /// where e is the scale's exponent minus kGridBaseExponent. For a scale on
  /// the grid, these are the bits of the float c = 1.5 * 2^(23 -
  /// kConversionShift + e). Kernels add a dot product to these bits, read the
  /// sum as a float and subtract c. The result is exactly the dot product times
  /// 2^(e - kConversionShift). For a block of zeros, e is 0; for a NaN scale, e
  /// is -1, which is off the grid. The elements of padding tokens are on the
  /// grid.
  int32_t conversions[kActivationTokens];
  /// In I8Grid, each element is kGridVectorBytes times the step of the token's
  /// scale (see I8Grid above); the step of a NaN scale is 0. The element is the
  /// byte offset of the vector of weight scales for this step in an int8 panel.
  /// The elements of padding tokens are valid offsets, too. In I8, the elements
  /// are unspecified.
  int32_t steps[kActivationTokens];
};
static_assert(sizeof(ActivationTile) == 1088);

/// In BF16x32: the activations of 16 tokens in one block of 32 columns. Aligned
/// to 64 bytes.
struct Bf16Tile {
  uint16_t value[kActivationTokens][kActivationColumns];
};
static_assert(sizeof(Bf16Tile) == 1024);

/// The number of 32-bit words that a block of 32 columns takes per token,
/// averaged over a token tile or, in I8x2, over a section.
constexpr uint64_t activationBlockWords(Activation format) {
  switch (format) {
  case Activation::I8x2:
    return sizeof(ActivationSection) / 4 / kSectionBlocks;
  case Activation::I8:
  case Activation::I8Grid:
    return sizeof(ActivationTile) / 4 / kActivationTokens;
  case Activation::BF16x32:
    return sizeof(Bf16Tile) / 4 / kActivationTokens;
  case Activation::F32:
  case Activation::F32x16:
    break;
  }
  return kActivationColumns;
}

/// The number of 32-bit words that k columns take per token in `format`,
/// averaged over a token tile. For the int8 formats, k must be a multiple of
/// kActivationColumns.
constexpr uint64_t activationWords(Activation format, uint64_t k) {
  const uint64_t blocks = (k + kActivationColumns - 1) / kActivationColumns;
  switch (format) {
  case Activation::BF16x32:
    // After its blocks, a token tile has one float32 factor for each token.
    return blocks * activationBlockWords(format) + 1;
  case Activation::I8x2:
    return (k + kSectionColumns - 1) / kSectionColumns *
           (sizeof(ActivationSection) / 4);
  case Activation::I8:
  case Activation::I8Grid:
    return blocks * activationBlockWords(format);
  case Activation::F32:
  case Activation::F32x16:
    break;
  }
  return k;
}

/// The batch sizes M that a kernel is tuned for: 1 (One), 2 to 8 (Small), or 9
/// and more (Large). Every kernel is correct for every M.
enum class MClass : uint8_t { One, Small, Large };

enum class RopeKind : uint8_t {
  None,
  Norm, ///< rotates pairs (2i, 2i+1), for GGUF's "llama"
  Neox, ///< rotates pairs (i, i + ropeDim/2), for GGUF's "qwen2" and "qwen3"
};

enum class RowsFrom : uint8_t { Tokens, Outputs };

/// The precision in which a matmul takes its activations: float32, integers of
/// about 15 or 8 bits, or bfloat16, which has 8 significant bits.
enum class Precision : uint8_t { Float, Int15, Int8, Bf16 };

/// The activation format that provides `precision` with weights of `dtype`.
///
/// Precision::Bf16 means BF16x32 for nine and more tokens. For fewer tokens it
/// means float32, which is as fast because memory bandwidth is the limit. For
/// BF16 weights, Precision::Int8 means the same as Precision::Bf16.
///
/// For other weights, Precision::Int8 means I8Grid if a block of the dtype has
/// 256 columns, and otherwise I8. I8Grid has larger errors than I8, but for
/// dtypes with such blocks the measured KL divergence from a float64 evaluation
/// is still well below llama.cpp's (docs/cpu-kernels.md).
inline Activation activationFor(Precision precision, MClass mClass,
                                DType dtype) {
  if (dtype == DType::BF16 && precision == Precision::Int8) {
    precision = Precision::Bf16;
  }
  switch (precision) {
  case Precision::Bf16:
    return mClass == MClass::Large ? Activation::BF16x32 : Activation::F32;
  case Precision::Int8:
    return info(dtype).blockElements == 256 ? Activation::I8Grid
                                            : Activation::I8;
  case Precision::Int15:
    return Activation::I8x2;
  case Precision::Float:
    break;
  }
  return mClass == MClass::Large ? Activation::F32x16 : Activation::F32;
}

/// The tile sizes of MatMul and GluMatMul, and how their kernels prefetch
/// weights. The cost model (codegen/cpu/matmul/MatMulTiling.h) chooses each of
/// rowBlocks, tokens and panelColumns that is 0. If prefetchHint is not set,
/// prefetchBytes must be 0, and the cost model chooses both the hint and the
/// distance. No choice ever changes a result.
///
/// Only weights in layout x16 are prefetched; for other layouts, prefetchHint
/// must not be set.
///
/// Most large-M kernels decode weights into panels
/// (codegen/cpu/matmul/WeightPanel.h). While such a kernel multiplies the
/// current panels, it prefetches the weights of the next ones, so it has no
/// prefetch distance, prefetchBytes must be 0, and prefetchHint must not be
/// T1T0. In all other kernels, prefetchBytes must be 0 for the hint None, and
/// positive for any other hint.
struct MatMulTiles {
  uint64_t rowBlocks = 0;     ///< row blocks (16 rows each) per tile
  uint64_t tokens = 0;        ///< tokens per tile, in large-M kernels
  uint64_t panelColumns = 0;  ///< columns per panel of decoded int8 weights
  uint64_t prefetchBytes = 0; ///< prefetch distance, in kernels without panels
  /// The cache level into which weights are prefetched; StreamHint::None means
  /// that there are no prefetches.
  std::optional<StreamHint> prefetchHint;

  bool operator==(const MatMulTiles &) const = default;
};

/// Describes one kernel. Fields that the op does not use keep their defaults,
/// so two specs of the same kernel compare equal.
struct KernelSpec {
  KernelOp op = KernelOp::MatMul;
  MClass mClass = MClass::One;
  DType dtype = DType::F32;
  Layout layout = Layout::X16;
  Activation activation = Activation::F32;
  uint64_t n = 0; ///< number of output elements (rows of the matrix)
  uint64_t k = 0; ///< number of input elements (columns of the matrix)
  uint64_t yStride = 0;
  uint64_t yOffset = 0;
  bool accumulate = false;
  bool hasRowScales = false; ///< used by MatMul and GluMatMul
  bool isJoined = false;     ///< used by GluMatMul
  bool hasBias = false;
  RowsFrom rowsFrom = RowsFrom::Tokens;
  /// The factor by which the results of EmbedRows and RopeAngles, and the
  /// scores of Attention, are multiplied.
  float scale = 1.0F;
  float epsilon = 0.0F; ///< used by RmsNorm, and by RopeAppend with qkNorm
  uint64_t heads = 0;
  uint64_t kvHeads = 0;
  uint64_t headDim = 0;
  uint64_t ropeDim = 0;
  RopeKind rope = RopeKind::None;
  bool qkNorm = false;
  DType kvDtype = DType::F16;
  uint32_t cacheGroup = 0; ///< used by RopeAppend and Attention
  uint64_t kvPageBytes = 0;
  MatMulTiles tiles; ///< used by MatMul and GluMatMul
  /// The number of ranges of positions. Used by AttentionMerge and by
  /// Attention. In Attention it may differ from 1 only for MClass::One.
  uint64_t ranges = 1;

  bool operator==(const KernelSpec &) const = default;
};

/// The number format in which a kernel multiplies, as plan.fbs defines it.
enum class Arithmetic : uint8_t { Float32, Int8, Int15, BFloat16 };

/// Returns Float32, except for a MatMul or GluMatMul with int8 or bfloat16
/// activations.
inline Arithmetic arithmeticOf(const KernelSpec &spec) {
  if (spec.op != KernelOp::MatMul && spec.op != KernelOp::GluMatMul) {
    return Arithmetic::Float32;
  }
  switch (spec.activation) {
  case Activation::F32:
  case Activation::F32x16:
    break;
  case Activation::I8x2:
    return Arithmetic::Int15;
  case Activation::I8:
  case Activation::I8Grid:
    return Arithmetic::Int8;
  case Activation::BF16x32:
    return Arithmetic::BFloat16;
  }
  return Arithmetic::Float32;
}

/// The largest supported headDim. It limits what attention keeps in the L2
/// cache: its queries, and the keys and values of one KV page, widened to
/// float32.
inline constexpr uint64_t kMaxHeadElements = 1024;
/// The largest supported number of query heads per KV head. The size of
/// attention's scratch memory grows with this number.
inline constexpr uint64_t kMaxHeadsPerKvHead = 256;

/// The largest supported number of ranges of positions (KernelSpec::ranges).
inline constexpr uint64_t kMaxAttentionRanges = 64;
/// A range that is not empty has at least this number of KV pages, unless the
/// whole sequence has fewer. Reading this many pages takes several times as
/// long as starting a tile, so the tiles of additional ranges cost little.
inline constexpr uint64_t kAttentionRangePages = 16;

/// Returns the number of ranges into which attention with one token should
/// divide the positions of a sequence, if sequences have up to `context`
/// positions. If this context is long enough for ranges of kAttentionRangePages
/// pages, there are enough ranges for about kMaxAttentionRanges tiles, so that
/// many cores share the work of a few KV heads. The number depends on the shape
/// alone, and not on the number of cores, because it affects the last bits of
/// the result.
constexpr uint64_t attentionRanges(uint64_t kvHeads, uint64_t context) {
  const uint64_t wanted = (kMaxAttentionRanges + kvHeads - 1) / kvHeads;
  const uint64_t most = context / AIR_KV_PAGE_TOKENS / kAttentionRangePages;
  return most < 1 ? 1 : most < wanted ? most : wanted;
}

/// The number of floats in a token's row of states (see Attention at the top of
/// this file). The number includes padding, which makes the size of the row a
/// multiple of 64 bytes.
constexpr uint64_t attentionStateFloats(const KernelSpec &spec) {
  return (spec.ranges * spec.heads * (spec.headDim + 2) + 15) / 16 * 16;
}

/// The symbol name of the kernel that `spec` describes. It depends on the spec
/// alone, and unequal specs have unequal names. Example:
/// "matmul_q4_k_x16_m1_n4096_k4096_ys4096_add".
std::string kernelName(const KernelSpec &spec);

struct KernelEntry {
  std::string name;
  // A dispatch has baseTiles * ceil(rows / tokensPerTile) tiles, where `rows`
  // is the batch's number of tokens or outputs (rowsFrom). If tokensPerTile is
  // 0, it has baseTiles tiles.
  uint64_t baseTiles = 1;
  uint64_t tokensPerTile = 0;
  /// If this is not 0, tile t computes up to rowsPerTile of the kernel's n
  /// results, beginning with result (t % baseTiles) * rowsPerTile. For result
  /// i, it reads only row i of each weight matrix. If this is 0, a tile may
  /// read any row.
  uint64_t rowsPerTile = 0;
  RowsFrom rowsFrom = RowsFrom::Tokens;
  uint64_t scratchBytes = 0; ///< scratch memory that each thread needs
  /// The number of bytes of weights that a dispatch reads. A byte that it reads
  /// several times counts once. For EmbedRows, this is the size of one row of
  /// the table.
  uint64_t weightBytes = 0;
  uint64_t flopsPerRow = 0;
};

struct KernelArtifact {
  std::vector<uint8_t> object;      ///< a relocatable ELF file
  std::vector<KernelEntry> entries; ///< sorted by name
};

/// Whether the code of an op's kernels depends on the MClass. If not, one
/// kernel serves every batch size.
bool hasMClasses(KernelOp op);

/// The layouts in which the target's kernels can read matrices of `dtype`, best
/// first. Empty when no kernel reads matrices of this dtype.
std::vector<Layout> supportedLayouts(DType dtype, const MachineProfile &target);

/// For a MatMul or GluMatMul, returns the fastest activation format that has at
/// least the given precision. For any other op, returns F32. Ignores
/// spec.activation.
Activation bestActivation(const KernelSpec &spec, const MachineProfile &target,
                          Precision precision);

/// For a MatMul or GluMatMul that describeKernel accepts, returns spec.tiles,
/// completed by the cost model where the spec leaves a choice open. Sizes that
/// the kernel does not use are 0. prefetchHint is set only for weights in
/// layout x16.
MatMulTiles usedTiles(const KernelSpec &spec, const MachineProfile &target);

/// Returns the tile sizes that are worth measuring for a MatMul or GluMatMul.
/// There is one list, possibly empty, for each member of MatMulTiles that the
/// kernel uses. The entries of a list differ from spec.tiles in this member
/// alone, except that an entry that changes prefetchBytes or prefetchHint sets
/// both. The result is empty for any other op and for specs that describeKernel
/// rejects.
std::vector<std::vector<MatMulTiles>>
tileVariants(const KernelSpec &spec, const MachineProfile &target);

/// Determines the grid and resources of a kernel without compiling it.
///
/// Errors: Corrupt if a row of the matrix is not a whole number of the dtype's
/// blocks, or if the size of the matrix overflows 64 bits. Internal if the spec
/// is invalid otherwise, for example if the matrix has no rows. Unsupported if
/// the spec is valid but the target's kernels do not support it; the message
/// then names what is not supported, such as an op, a dtype, a layout or a
/// size, or the ISA feature that the target lacks.
Result<KernelEntry> describeKernel(const KernelSpec &spec,
                                   const MachineProfile &target);

/// Returns the entries that compileKernels() would return for `specs`, in which
/// duplicates are allowed, but compiles nothing. Errors are those of
/// describeKernel(); Internal, too, if different specs have the same name.
Result<std::vector<KernelEntry>>
describeKernels(std::span<const KernelSpec> specs,
                const MachineProfile &target);

/// Compiles `specs` (duplicates are allowed) for `target` into one object file,
/// using up to `threads` threads. The bytes of the file do not depend on
/// `threads`. Errors are those of describeKernels(), and Internal if MLIR or
/// LLVM fails. An error never ends the process.
Result<KernelArtifact> compileKernels(std::span<const KernelSpec> specs,
                                      const MachineProfile &target,
                                      unsigned threads);

/// Returns a text that identifies the versions of the kernels, the kernel ABI
/// and LLVM. Plans record this text.
std::string codegenFingerprint();

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELSPEC_H
