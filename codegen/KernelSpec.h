//===- KernelSpec.h - what a kernel must do ---------------------*- C++ -*-===//
//
// The interface of codegen/: a KernelSpec goes in, a KernelArtifact comes out.
// It knows nothing of dialects or models. Shapes are compile-time constants: a
// plan's kernels are generated for exactly the shapes they run on. Only the
// number of tokens, M, is read from the batch at run time.
//
// Activations are row-major float32 with one row per token, and rows are padded
// to AIR_TOKEN_PADDING (formats/abi/KernelAbi.h). A matmul may take them in a
// packed format instead (Activation), which PackActivations produces.
//
// What each op computes from its bindings, which codegen/KernelBindings.cpp
// lists in order, with their access and shapes:
//
//   EmbedRows    table, x                        x[m] = scale * table[id[m]]
//                                                table is [n, k]; tile = token
//   RmsNorm      x, weight, y                    y[r] = x[row r] / rms * weight
//                  width k; NaN where the sum of squares overflows float32.
//                  rowsFrom Tokens: row r = token r. rowsFrom Outputs: r-th
//                  output, row r = output_rows[r]. tile = row
//   MatMul       x, w, [rowScale,] [bias,] y
//                  y[m][yOffset + j] (+)= rowScale[j] * (w[j].x[m]) + bias[j];
//                  w is [n, k]; without rowScale, scales are 1;
//                  y's row has yStride floats; += when accumulate. rowsFrom
//                  counts rows (Outputs: row r of x is output r)
//   GluMatMul    x, wGate, wUp, [gateScale, upScale,] h
//                  h = silu(wGate x) * (wUp x), both [n, k], one dtype and
//                  layout, scaled row by row as MatMul's; h's row has n floats
//   RopeAngles   inverseFrequency, angles
//                  per token ropeDim/2 cosines, then ropeDim/2 sines, of
//                  position * inverseFrequency[i], times scale; the table is
//                  float64 [ropeDim/2] in [0, 2^20]; angles float32
//                  [M][ropeDim]. tile = token
//   RopeAppend   qkv, angles, [qNorm, kNorm,] kv
//                  qkv rows: heads*headDim of q, kvHeads*headDim each of k and
//                  v. QK-norm (per head RMS, weights [headDim]) then RoPE on q
//                  (in place) and k; k and v are appended to the layer's KV,
//                  NaN where they overflow its dtype. tile = 4 tokens
//   Attention    qkv, kv, out                    out[m] = heads*headDim floats
//                  causal, GQA: query head h reads kv head h / (heads/kvHeads)
//   Add          x, y                            y += x, width k; tile = token
//   SiluMul      gate, up, y                     y = silu(gate)*up, width k
//   PackActivations
//                x, xp                          xp = x in the format
//                  `activation` (not F32), width k. rowsFrom counts rows as
//                  MatMul's does. I8x2: tile = row; otherwise tile =
//                  kPackColumns columns of 16 rows
//
// Activation formats. Columns come in blocks of 32 and tokens in token tiles of
// 16. The contents of padding tokens are unspecified, except that I8Grid's
// `steps` hold valid offsets and its `exponents` lie on the grid.
//
// F32 and F32x16 are plain float32. Kernels that read them apply a quantised
// weight's scale to the sum of a scale group, so that sum must be finite, which
// it is up to |x| = 2^90. Beyond that a result may be infinite or NaN.
//
// F32x16: token tile by token tile, and within it column by column, the floats
// of the 16 tokens.
//
// BF16x32: token tile by token tile, one Bf16Tile per block of columns,
// followed by one float32 factor for each of the 16 tokens. A value is
// bfloat16(x / factor), rounded to nearest with ties to even; a finite number
// never rounds to infinity, and NaN becomes a quiet NaN. The relative error is
// at most 1/256. The factor is 1, or 2^-88 for a row whose magnitudes are all
// below 2^-60 (kTinyRow): bfloat16 dot products flush subnormal operands and
// results to zero, and without the factor they could occur in such a row.
// Columns past k are zero. Only BF16 matrices are multiplied in this format.
// The instruction takes both operands as bfloat16, which would cost F16 weights
// three of their eleven significant bits and F32 weights 16 of their 24.
//
// I8: token tile by token tile, one ActivationTile per block of columns. Let m
// be the largest |x| in a token's block. Every step is rounded to float32:
//   scale = max(m / 127, 2^-126)
//   q = x * min(127 / m, 2^126), rounded to nearest, ties to even
// scale * q represents x with an error of at most scale / 2, which is 1/254 of
// m, or 2^-127 where m is below 2^-119.
//
// I8Grid: the same tiles with a scale that is cheaper to apply
// (codegen/cpu/matmul/Int8Panel.h). The scale is the smallest number (1 + step
// / 4) * 2^exponent that is at least max(m / 127, 2^-126), and q = x * (1 /
// scale), rounded to nearest. The scale, and with it the error, is up to 1.25
// times that of I8: at most 1/203 of m, or 2^-127.
//
// I8x2: token by token, one ActivationBlock per block of columns:
//   scale = max(m / 16256, 2^-126)
//   q = x * min(16256 / m, 2^126), rounded to nearest, ties to even
//   high = floor((q + 64) / 128), low = q - 128 * high
// scale * (128 * high + low) represents x with an error of at most 1/32512 of
// m, or 2^-127. That is 15 bits of precision, at the cost of two int8 dot
// products: one with high and one with low.
//
// A block that holds an infinity or a NaN has a NaN scale, and its q are
// unspecified.
//
// A `kv` binding points at the layer's part of KV page 0, and page p lies p *
// kvPageBytes further. The layer's part of a page holds, for each head, K as
// [headDim][64] and then V as [64][headDim], both of kvDtype.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELSPEC_H
#define AIRPACK_CODEGEN_KERNELSPEC_H

#include "formats/machine/MachineProfile.h"
#include "formats/plan/Layout.h"

#include <cstdint>
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
  Add,
  SiluMul,
  PackActivations,
};
inline constexpr size_t kKernelOpCount =
    static_cast<size_t>(KernelOp::PackActivations) + 1;

/// The name of the op in the IR, and the prefix of its kernels' symbols:
/// "matmul", "rope_append".
std::string_view opName(KernelOp op);

/// The formats that MatMul and GluMatMul read x in, and that PackActivations
/// produces.
enum class Activation : uint8_t { F32, F32x16, I8x2, I8, I8Grid, BF16x32 };
inline constexpr size_t kActivationCount =
    static_cast<size_t>(Activation::BF16x32) + 1;

/// Whether the format consists of ActivationTiles.
constexpr bool isInt8Tiled(Activation format) {
  return format == Activation::I8 || format == Activation::I8Grid;
}

constexpr bool isInt8(Activation format) {
  return format == Activation::I8x2 || isInt8Tiled(format);
}

/// "f32", "f32x16", "i8x2", "i8", "i8grid", "bf16x32".
std::string_view activationName(Activation format);

inline constexpr uint64_t kActivationColumns = 32; ///< columns per block
inline constexpr uint64_t kActivationTokens = 16;  ///< tokens per token tile
/// Columns that one tile of PackActivations covers.
inline constexpr uint64_t kPackColumns = 512;

/// A row of activations is tiny if all its magnitudes are below kTinyRow.
/// BF16x32 stores it divided by kTinyRowFactor.
inline constexpr float kTinyRow = 0x1p-60F;
inline constexpr float kTinyRowFactor = 0x1p-88F;

/// One block of columns of one token in I8x2, 4-byte aligned.
struct ActivationBlock {
  int8_t high[kActivationColumns];
  int8_t low[kActivationColumns];
  float scale;
  /// Minus the sums of q over columns 0-15, 16-31 and 0-31. A weight bias of
  /// -2^n contributes one of them, shifted left by n.
  int32_t negatedSums[3];
  float sums[3]; ///< the sums of q over the same columns
  uint32_t zero;
};
static_assert(sizeof(ActivationBlock) == 96);

inline constexpr int64_t kGridSteps = 4; ///< scales per power of two in I8Grid
/// A scale is on the grid if its exponent lies in [kGridBaseExponent,
/// kGridBaseExponent + kGridExponents). A dot product of one block is below
/// 2^19, so on the grid its product with 2^(exponent - kGridBaseExponent) is a
/// finite float32.
inline constexpr int kGridBaseExponent = -64;
inline constexpr int64_t kGridExponents = 108;
inline constexpr int64_t kGridVectorBytes =
    64; ///< one float32 scale for each of 16 rows
/// The divisor of ActivationTile::scaledSums. It keeps the sum of a block's 32
/// columns finite whenever the columns are.
inline constexpr float kScaledSumDivisor = 64.0F;

/// One block of columns of 16 tokens in I8 or I8Grid, 64-byte aligned.
struct ActivationTile {
  int8_t q[kActivationTokens][kActivationColumns];
  float scale[kActivationTokens];
  /// -128 times the sums of q over columns 0-15, 16-31 and 0-31, which is the
  /// contribution of a weight bias of -128. For a smaller bias it is shifted
  /// right.
  int32_t biasSums[3][kActivationTokens];
  /// scale / kScaledSumDivisor times the sums of q over the same columns.
  float scaledSums[3][kActivationTokens];
  // The rest is used by I8Grid only and otherwise unspecified. Padding tokens,
  // too, have exponents on the grid and a valid step.
  /// (exponent - kGridBaseExponent) * 2^23. Adding it to the bits of a float
  /// multiplies the float by that power of two. As an unsigned number it is
  /// below kGridExponents * 2^23 if and only if the scale is on the grid. It is
  /// 0 for a NaN scale and for a block of zeros.
  int32_t exponents[kActivationTokens];
  /// step * kGridVectorBytes. The step kGridSteps marks a NaN scale.
  int32_t steps[kActivationTokens];
};
static_assert(sizeof(ActivationTile) == 1088);

/// One block of columns of 16 tokens in BF16x32, 64-byte aligned.
struct Bf16Tile {
  uint16_t value[kActivationTokens][kActivationColumns];
};
static_assert(sizeof(Bf16Tile) == 1024);

/// The 32-bit words of a block of 32 columns per token, averaged over a token
/// tile.
constexpr uint64_t activationBlockWords(Activation format) {
  switch (format) {
  case Activation::I8x2:
    return sizeof(ActivationBlock) / 4;
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

/// The 32-bit words that k packed columns take per token, averaged over a token
/// tile. For the int8 formats k is a multiple of kActivationColumns.
constexpr uint64_t activationWords(Activation format, uint64_t k) {
  const uint64_t blocks = (k + kActivationColumns - 1) / kActivationColumns;
  switch (format) {
  case Activation::BF16x32:
    return blocks * activationBlockWords(format) + 1; // the factor
  case Activation::I8x2:
  case Activation::I8:
  case Activation::I8Grid:
    return blocks * activationBlockWords(format);
  case Activation::F32:
  case Activation::F32x16:
    break;
  }
  return k;
}

/// The batch sizes that a kernel is tuned for. Every kernel is correct for
/// every M.
enum class MClass : uint8_t { One, Small, Large }; // 1, 2-8, 9 and more

enum class RopeKind : uint8_t {
  None,
  Norm, ///< pairs (2i, 2i+1): GGUF "llama"
  Neox, ///< pairs (i, i + ropeDim/2): GGUF "qwen2", "qwen3"
};

enum class RowsFrom : uint8_t { Tokens, Outputs };

/// The precision in which a matmul takes its activations: float32, or about 15
/// or 8 significant bits.
enum class Precision : uint8_t { Float, Int15, Int8 };

/// The activation format that provides `precision` with weights of `dtype`.
/// With up to eight tokens, BF16 weights are limited by memory bandwidth, so
/// float32 activations cost nothing. Dtypes with 256-column blocks round more
/// coarsely than others with the same number of bits, and can afford the larger
/// error of I8Grid.
inline Activation activationFor(Precision precision, MClass mClass,
                                DType dtype) {
  if (dtype == DType::BF16 && precision == Precision::Int8) {
    return mClass == MClass::Large ? Activation::BF16x32 : Activation::F32;
  }
  switch (precision) {
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

/// The tile sizes of MatMul and GluMatMul. 0 leaves a size to the cost model
/// (codegen/cpu/matmul/MatMulTiling.h). Sizes affect time and scratch, never a
/// result.
struct MatMulTiles {
  uint64_t rowBlocks = 0;     ///< row blocks (16 rows each) per tile
  uint64_t tokens = 0;        ///< tokens per tile, in large-M kernels
  uint64_t panelColumns = 0;  ///< columns per int8 panel
  uint64_t prefetchBytes = 0; ///< prefetch distance, in kernels without panels

  bool operator==(const MatMulTiles &) const = default;
};

/// Unused fields keep their defaults, so equal specs compare equal.
struct KernelSpec {
  KernelOp op = KernelOp::MatMul;
  MClass mClass = MClass::One;
  DType dtype = DType::F32;
  Layout layout = Layout::X16;
  Activation activation = Activation::F32;
  uint64_t n = 0; ///< output elements (rows of the matrix)
  uint64_t k = 0; ///< input elements (columns)
  uint64_t yStride = 0;
  uint64_t yOffset = 0;
  bool accumulate = false;
  bool hasRowScales = false; ///< MatMul, GluMatMul
  bool hasBias = false;
  RowsFrom rowsFrom = RowsFrom::Tokens;
  float scale = 1.0F;   ///< EmbedRows, Attention (of scores), RopeAngles
  float epsilon = 0.0F; ///< RmsNorm, RopeAppend with qkNorm
  uint64_t heads = 0;
  uint64_t kvHeads = 0;
  uint64_t headDim = 0;
  uint64_t ropeDim = 0;
  RopeKind rope = RopeKind::None;
  bool qkNorm = false;
  DType kvDtype = DType::F16;
  uint64_t kvPageBytes = 0;
  MatMulTiles tiles; ///< MatMul, GluMatMul

  bool operator==(const KernelSpec &) const = default;
};

/// The number format that a kernel multiplies in, as plan.fbs defines it.
enum class Arithmetic : uint8_t { Float32, Int8, Int15, BFloat16 };

/// Float32, except for MatMul and GluMatMul with packed activations.
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

/// The largest supported headDim. Attention keeps the widened queries, keys and
/// values of one page in L2, and their size is proportional to it.
inline constexpr uint64_t kMaxHeadElements = 1024;
/// The largest supported number of query heads per KV head. The size of
/// attention's scratch grows with it.
inline constexpr uint64_t kMaxHeadsPerKvHead = 256;

/// The kernel's symbol name, a function of the spec alone. Unequal specs have
/// unequal names. Example: "matmul_q4_k_x16_m1_n4096_k4096_add".
std::string kernelName(const KernelSpec &spec);

struct KernelEntry {
  std::string name;
  // The grid, as in plan.fbs: tiles = baseTiles * ceil(rows / tokensPerTile).
  // When tokensPerTile is 0, the second factor is 1.
  uint64_t baseTiles = 1;
  uint64_t tokensPerTile = 0;
  RowsFrom rowsFrom = RowsFrom::Tokens;
  uint64_t scratchBytes = 0; ///< per thread
  /// The bytes of weights that a dispatch reads, each once (EmbedRows: the
  /// bytes of one row of the table).
  uint64_t weightBytes = 0;
  uint64_t flopsPerRow = 0;
};

struct KernelArtifact {
  std::vector<uint8_t> object;      ///< relocatable ELF
  std::vector<KernelEntry> entries; ///< sorted by name
};

/// Whether an op's code depends on the MClass. Kernels of the other ops work
/// token by token, so one kernel serves every batch size.
bool hasMClasses(KernelOp op);

/// The layouts that a backend supports for a dtype on a target, best first.
/// Empty when the dtype is not a weight format.
std::vector<Layout> supportedLayouts(DType dtype, const MachineProfile &target);

/// The fastest activation format of at least `precision` for a MatMul or
/// GluMatMul. spec.activation is ignored. F32 for any other op.
Activation bestActivation(const KernelSpec &spec, const MachineProfile &target,
                          Precision precision);

/// Tile sizes worth measuring for a MatMul or GluMatMul. There is one list,
/// possibly empty, for each size that its kernel has; the entries of a list
/// differ from spec.tiles in that size only. Empty for any other op and for
/// specs that describeKernel rejects.
std::vector<std::vector<MatMulTiles>>
tileVariants(const KernelSpec &spec, const MachineProfile &target);

/// The grid and resources of a kernel, without compiling it. An Unsupported
/// error names the op, dtype, layout or ISA feature that is missing.
Result<KernelEntry> describeKernel(const KernelSpec &spec,
                                   const MachineProfile &target);

/// Compiles `specs` (duplicates are allowed) into one object for `target` on
/// `threads` threads. The bytes do not depend on `threads`. Never aborts;
/// returns Unsupported if the ISA lacks a feature.
Result<KernelArtifact> compileKernels(std::span<const KernelSpec> specs,
                                      const MachineProfile &target,
                                      unsigned threads);

/// Identifies the compiler and the kernel set. Plans record it.
std::string codegenFingerprint();

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELSPEC_H
