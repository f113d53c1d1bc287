//===- KernelSpec.h - what a kernel must do ---------------------*- C++ -*-===//
//
// The interface of codegen/: a KernelSpec goes in, a KernelArtifact comes out.
// It knows nothing of dialects or models. Shapes are literals: a plan's kernels
// are generated for exactly the shapes they run on. The number of tokens M is
// read from the batch at run time.
//
// Activations are float32, row-major, one row a token, rows padded to
// AIR_TOKEN_PADDING (formats/abi/KernelAbi.h); a product may ask for them in
// another form (Activation), which PackActivations makes.
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
//                  w is [n, k], a row without a scale has 1;
//                  y's row has yStride floats; += when accumulate. rowsFrom
//                  counts rows (Outputs: row r of x is output r)
//   GluMatMul    x, wGate, wUp, [gateScale, upScale,] h
//                  h = silu(wGate x) * (wUp x), both [n, k], one dtype and
//                  layout, scaled row by row as MatMul's; h's row has n floats
//   RopeAngles   inverseFrequency, angles
//                  a token's ropeDim/2 cosines, then as many sines, of position
//                  * inverseFrequency[i], both times scale; the table is
//                  float64 [ropeDim/2] in [0, 2^20]; angles float32
//                  [M][ropeDim]. tile = token
//   RopeAppend   qkv, angles, [qNorm, kNorm,] kv
//                  qkv rows: heads*headDim of q, kvHeads*headDim of k, same of
//                  v. QK-norm (per head RMS, weights [headDim]) then RoPE on q
//                  (in place) and k; k and v are appended to the layer's KV,
//                  NaN where they overflow its dtype. tile = 4 tokens
//   Attention    qkv, kv, out                    out[m] = heads*headDim floats
//                  causal, GQA: query head h reads kv head h / (heads/kvHeads)
//   Add          x, y                            y += x, width k; tile = token
//   SiluMul      gate, up, y                     y = silu(gate)*up, width k
//   PackActivations
//                x, xp                          xp = x in the form `activation`
//                  (not F32), width k. rowsFrom counts rows as MatMul's does.
//                  I8x2: tile = row; else tile = kPackColumns columns of 16
//                  rows
//
// Forms of activations. Columns come in blocks of 32, tokens in tiles of 16;
// what belongs to tokens past the last one is unspecified, but that a step of
// I8Grid is one of those that there are.
//
// F32 and F32x16 multiply x by quantised weights before the weights' scale: sums
// of 32 such terms are finite up to |x| of 2^90, and NaN or infinity says so
// where they are not.
//
// F32x16: tile by tile, column by column, the 16 tokens' floats.
//
// BF16x32: token tile by token tile, one Bf16Tile per block of columns, then
// the 16 tokens' factors as float32. A value is bfloat16(x / factor), rounded
// to nearest, ties to even, and never from a finite number to infinity; NaN
// becomes a quiet NaN. x is off by at most 1/256 of itself. The factor is 1, or
// 2^-88 for a token whose row is below 2^-60 throughout (kTinyRow): bfloat16
// dot products flush subnormal factors and results to zero, and such a row
// would come near them. Columns past k are zeros. Only BF16 matrices are
// multiplied by this format: the instruction takes both factors as bfloat16,
// which would cost F16 weights three of their eleven significant bits and F32
// weights 16 of 24.
//
// I8: token tile by token tile, one ActivationTile per block of columns. With m
// the largest |x| of a token's block, and every step rounded to float32:
//   scale = max(m / 127, 2^-126)
//   q = x * min(127 / m, 2^126), rounded to the nearest integer, ties to even
// x is represented by scale * q and is off by at most scale / 2: by 1/254 of m,
// or by 2^-127 where m is below 2^-119.
//
// I8Grid: the same tiles, with a scale that matmuls apply with less work
// (codegen/cpu/matmul/Int8Panel.h): scale = (1 + step / 4) * 2^exponent is the
// smallest such number that is at least max(m / 127, 2^-126), and
// q = x * (1 / scale), rounded to the nearest integer. The scale is up to 1.25
// times that of I8, and so is the error: at most 1/203 of m, or 2^-127.
//
// I8x2: token by token, one ActivationBlock per block of columns:
//   scale = max(m / 16256, 2^-126)
//   q = x * min(16256 / m, 2^126), rounded to the nearest integer, ties to even
//   high = floor((q + 64) / 128), low = q - 128 * high
// x is represented by scale * (128 * high + low) and is off by at most 1/32512
// of m, or by 2^-127: 15 bits, of which int8 dot products take 8 at a time.
//
// A block that holds an infinity or a NaN has the scale NaN and any q.
//
// A `kv` binding points at the layer's part of KV page 0; page p lies p *
// kvPageBytes further; a page's layer part is, head by head, K as
// [headDim][64] then V as [64][headDim], of kvDtype.
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

/// "matmul", "rope_append": how the names of an op's kernels start, and its
/// name in the IR.
std::string_view opName(KernelOp op);

/// What MatMul and GluMatMul read as x, and PackActivations makes.
enum class Activation : uint8_t { F32, F32x16, I8x2, I8, I8Grid, BF16x32 };
inline constexpr size_t kActivationCount =
    static_cast<size_t>(Activation::BF16x32) + 1;

/// In ActivationTiles.
constexpr bool isOfByteTiles(Activation form) {
  return form == Activation::I8 || form == Activation::I8Grid;
}

constexpr bool isOfBytes(Activation form) {
  return form == Activation::I8x2 || isOfByteTiles(form);
}

/// "f32", "f32x16", "i8x2", "i8", "i8grid", "bf16x32".
std::string_view activationName(Activation form);

inline constexpr uint64_t kActivationColumns = 32; ///< of a block
inline constexpr uint64_t kActivationTokens = 16;  ///< of a tile
/// Columns of a tile of PackActivations.
inline constexpr uint64_t kPackColumns = 512;

/// A row of activations whose magnitudes are all below this is tiny: BF16x32
/// stores it multiplied by 1 / kTinyRowFactor.
inline constexpr float kTinyRow = 0x1p-60F;
inline constexpr float kTinyRowFactor = 0x1p-88F;

/// I8x2 columns of one token, 4-byte aligned.
struct ActivationBlock {
  int8_t high[kActivationColumns];
  int8_t low[kActivationColumns];
  float scale;
  /// Minus the sum of q over columns 0-15, 16-31 and all: a weight's bias of
  /// -2^n costs a shift of it.
  int32_t negatedSums[3];
  float sums[3]; ///< the sum of q, the same columns
  uint32_t zero;
};
static_assert(sizeof(ActivationBlock) == 96);

inline constexpr int64_t kGridSteps = 4; ///< scales per power of two (I8Grid)
/// Scales with exponents in [kGridBaseExponent, kGridBaseExponent +
/// kGridExponents) are on the grid: a dot product of a block, which is below
/// 2^19, times 2^(exponent - kGridBaseExponent) is a finite float32.
inline constexpr int kGridBaseExponent = -64;
inline constexpr int64_t kGridExponents = 108;
inline constexpr int64_t kGridVectorBytes =
    64; ///< one scale for each of 16 rows
/// ActivationTile::scaledSums are divided by this, so that the sum of a block's
/// 32 columns is finite wherever the columns are.
inline constexpr float kScaledSumDivisor = 64.0F;

/// I8 or I8Grid columns of 16 tokens, 64-byte aligned.
struct ActivationTile {
  int8_t q[kActivationTokens][kActivationColumns];
  float scale[kActivationTokens];
  /// -128 * (sum of q over columns 0-15, 16-31 and all): what a bias of -128 in
  /// the weights costs, and shifted right a smaller one.
  int32_t biasSums[3][kActivationTokens];
  /// scale / kScaledSumDivisor * (sum of q)
  float scaledSums[3][kActivationTokens];
  // I8Grid only, otherwise unspecified. Tokens past the last one have valid
  // values here too: exponents on the grid and one of the steps.
  /// (exponent - kGridBaseExponent) * 2^23, which multiplies a float by that
  /// power of two when it is added to the float's bits. As an unsigned number
  /// it is below kGridExponents * 2^23 exactly where the scale is on the grid.
  /// 0 where the scale is NaN or all of the block is zero.
  int32_t exponents[kActivationTokens];
  /// step * kGridVectorBytes; kGridSteps stands for a NaN scale.
  int32_t steps[kActivationTokens];
};
static_assert(sizeof(ActivationTile) == 1088);

/// BF16x32 columns of 16 tokens, 64-byte aligned: the upper 16 bits of float32.
struct Bf16Tile {
  uint16_t value[kActivationTokens][kActivationColumns];
};
static_assert(sizeof(Bf16Tile) == 1024);

/// The 32-bit words of a block of 32 columns per token, averaged over a token
/// tile.
constexpr uint64_t activationBlockWords(Activation form) {
  switch (form) {
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

/// 32-bit words per token of k packed columns, averaged over a token tile. k is
/// a multiple of kActivationColumns for the int8 formats.
constexpr uint64_t activationWords(Activation form, uint64_t k) {
  const uint64_t blocks = (k + kActivationColumns - 1) / kActivationColumns;
  switch (form) {
  case Activation::BF16x32:
    return blocks * activationBlockWords(form) + 1; // the factor
  case Activation::I8x2:
  case Activation::I8:
  case Activation::I8Grid:
    return blocks * activationBlockWords(form);
  case Activation::F32:
  case Activation::F32x16:
    break;
  }
  return k;
}

/// How many tokens a kernel is made for. Every kernel is right for every M;
/// its class says where it is fast.
enum class MClass : uint8_t { One, Small, Wide }; // 1, 2-8, 9 and more

enum class RopeKind : uint8_t {
  None,
  Norm, ///< pairs (2i, 2i+1): GGUF "llama"
  Neox, ///< pairs (i, i + ropeDim/2): GGUF "qwen2", "qwen3"
};

enum class RowsFrom : uint8_t { Tokens, Outputs };

/// How exactly a product takes its activations: as they are, or with some 15 or
/// 8 significant bits.
enum class Precision : uint8_t { Float, Int15, Int8 };

/// The form that has a precision, for weights of `dtype`. Of eight tokens of
/// BF16 and fewer memory is the limit: floats cost nothing there. Formats with
/// blocks of 256 columns round more coarsely than others of as many bits: they
/// take the grid's error.
inline Activation activationOf(Precision precision, MClass mClass,
                               DType dtype) {
  if (dtype == DType::BF16 && precision == Precision::Int8) {
    return mClass == MClass::Wide ? Activation::BF16x32 : Activation::F32;
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
  return mClass == MClass::Wide ? Activation::F32x16 : Activation::F32;
}

/// How MatMul and GluMatMul are cut; 0 is the cost model's choice
/// (codegen/cpu/matmul/MatMulTiling.h). It changes time and scratch, never a
/// result.
struct ProductTiles {
  uint64_t groups = 0;        ///< of 16 rows, of a tile
  uint64_t tokens = 0;        ///< of a tile: many tokens only
  uint64_t panelColumns = 0;  ///< decoded at once: in a panel of bytes
  uint64_t prefetchBytes = 0; ///< asked for ahead: where there is none

  bool operator==(const ProductTiles &) const = default;
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
  ProductTiles tiles; ///< MatMul, GluMatMul

  bool operator==(const KernelSpec &) const = default;
};

/// What a kernel multiplies with, as plan.fbs defines it.
enum class Arithmetic : uint8_t { Float32, Int8, Int15, BFloat16 };

/// Float32 but for a MatMul or GluMatMul whose activations are something else.
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

/// The largest head: its queries, keys and values of a page, widened, are what
/// attention keeps in the second cache.
inline constexpr uint64_t kMaxHeadElements = 1024;
/// The most query heads on one KV head: attention's scratch grows with them.
inline constexpr uint64_t kMaxHeadsPerKvHead = 256;

/// Symbol name: a function of the spec alone, unique among unequal specs, e.g.
/// "matmul_q4_k_x16_m1_n4096_k4096_add".
std::string kernelName(const KernelSpec &spec);

struct KernelEntry {
  std::string name;
  // Grid, as plan.fbs: tiles = baseTiles * ceil(rows / tokensPerTile), the
  // second factor 1 when tokensPerTile is 0.
  uint64_t baseTiles = 1;
  uint64_t tokensPerTile = 0;
  RowsFrom rowsFrom = RowsFrom::Tokens;
  uint64_t scratchBytes = 0; ///< per thread
  uint64_t weightBytes = 0;  ///< read once per run (EmbedRows: one token's row)
  uint64_t flopsPerRow = 0;
};

struct KernelArtifact {
  std::vector<uint8_t> object;      ///< relocatable ELF
  std::vector<KernelEntry> entries; ///< sorted by name
};

/// Whether an op's code depends on the MClass. The kernels of the others work
/// token by token: one serves every batch.
bool hasMClasses(KernelOp op);

/// Which layouts a backend has for a dtype on a target, best first. Empty when
/// the dtype is no weight format.
std::vector<Layout> supportedLayouts(DType dtype, const MachineProfile &target);

/// The fastest form for a MatMul or GluMatMul of at least `precision`, whatever
/// `spec` says of it; F32 for any other op.
Activation bestActivation(const KernelSpec &spec, const MachineProfile &target,
                          Precision precision);

/// Tilings worth measuring for a MatMul or GluMatMul: one list for each size
/// that its kernel has, maybe empty, of tiles that differ from the spec's in
/// that size only. Empty for any other op, and for what describeKernel refuses.
std::vector<std::vector<ProductTiles>>
tileVariants(const KernelSpec &spec, const MachineProfile &target);

/// Grid and resources of a kernel without compiling it. Unsupported names the
/// op, dtype, layout or ISA feature that is missing.
Result<KernelEntry> describeKernel(const KernelSpec &spec,
                                   const MachineProfile &target);

/// Compiles `specs` (duplicates allowed) into one object for `target`, on
/// `threads` threads; the bytes do not depend on `threads`. Never aborts:
/// what the ISA lacks is Unsupported.
Result<KernelArtifact> compileKernels(std::span<const KernelSpec> specs,
                                      const MachineProfile &target,
                                      unsigned threads);

/// Names the compiler and kernel set: goes into the plan.
std::string codegenFingerprint();

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELSPEC_H
