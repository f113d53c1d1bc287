//===- DecodeMatMul.h - matmuls for 1 to 8 tokens as CUDA text --*- C++ -*-===//
//
// The kernels compute y[token][row] = sum over columns of W[row][column] *
// x[token][column], for up to 8 tokens. W is in layout t16
// (formats/plan/T16.h) or t16i (formats/plan/T16Indices.h), x is float16 or
// float32 and y is float32; x and y are stored token by token. Every size is a
// literal in the generated text.
//
// A kernel can also do the work around the matmul: normalise x before it
// (MatMulInput), and afterwards add a bias, add to a residual stream, apply a
// gated activation, or normalise, rotate and store the heads of q, k and v
// (MatMulOutput).
//
// float32 activations are converted to float16, after each token's activations
// have been multiplied by the power of two that brings their largest magnitude
// (or an upper bound of it, with MatMulInput::LayerNorm) between 2^7 and 2^8.
// The sums are divided by the same power, so large activations do not overflow
// and small ones keep their precision.
//
// A thread block multiplies consecutive tiles of 16 rows. Its warps divide the
// columns among themselves and add their sums through shared memory. The tokens
// are the 8 columns of an mma instruction, so 1 token costs as much as 8.
//
// Codes, the integers that represent quantised weights, are not converted
// before they are multiplied. A code below 1024 in the low bits of a float16 is
// the subnormal number code * 2^-24, which tensor cores multiply exactly (Fasi,
// Higham, Mikaitis, Pranesh: Numerical behavior of NVIDIA tensor cores, PeerJ
// Computer Science 7:e330, 2021). The sign, exponent and mantissa bits of an
// MXFP4 element are moved to those of a float16, which yields the element times
// 2^-14. For most dtypes with a zero point, such as 8 or 128, accumulators
// start at minus the zero point times the sum of a block's activations, or
// tensor cores multiply these sums by the scales. Scales are applied in float32
// to sums over 16 or 32 columns. In dtypes with minima, such as Q4_K, tensor
// cores multiply the minimum of a block by the mean of its 32 or 16
// activations, whose sum could overflow float16, and the factor 32 or 16 is
// applied afterwards. A mean is stored as two float16 numbers: the rounded mean
// and the rounding error. The zero points of Q3_K and Q6_K are treated as
// minima, unless weights are fetched to registers. For BF16, each activation
// becomes the sum of two bfloat16 numbers, which represents float16 activations
// exactly. F32 and F64 weights, and BF16 weights on targets whose tensor cores
// lack bfloat16, are multiplied in float32 without tensor cores.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H

#include "codegen/KernelSpec.h"
#include "codegen/cuda/CudaTarget.h"
#include "codegen/cuda/KvPages.h"
#include "formats/plan/Layout.h"

#include <string>
#include <vector>

namespace air::codegen::cuda {

/// How weights reach the registers of a warp.
enum class WeightFetch : uint8_t {
  Registers, ///< ordinary loads, issued one group of units ahead
  AsyncCopy, ///< cp.async into a ring of slots (sm_80 and later)
  BulkCopy,  ///< cp.async.bulk into a ring of slots (sm_90 and later)
};

std::string_view fetchName(WeightFetch fetch); ///< "registers", "async", "bulk"

/// Choices that affect only the speed of a kernel, with two exceptions: `warps`
/// and `splits` also change the order in which float32 sums are added, and with
/// Q2_K, Q3_K and Q6_K, WeightFetch::Registers rounds sums differently from the
/// other ways to fetch.
struct DecodeTiling {
  WeightFetch fetch = WeightFetch::Registers;
  uint32_t warps = 8;
  uint32_t groupUnits = 1; ///< T16 units that a warp fetches at once
  uint32_t stages = 2;     ///< prefetch slots per warp; unused with Registers
  uint32_t blocksPerMultiprocessor = 1;
  /// The number of parts into which the columns are split. Each part has its
  /// own thread blocks.
  uint32_t splits = 1;
  /// The warps of a block add up their sums for this number of tiles at a time,
  /// with one barrier each time.
  uint32_t reduceTiles = 1;
  /// The number of consecutive tiles of 16 rows that a warp multiplies by the
  /// same activations, which it then reads from shared memory only once. Only
  /// 16-bit weights can have more than 1 (canHoldActivations).
  uint32_t heldTiles = 1;
};

/// What x holds, and what happens to it before the matmul.
enum class MatMulInput : uint8_t {
  Half,  ///< float16, multiplied as it is
  Float, ///< float32
  /// float32, replaced by x / sqrt(mean(x^2) + epsilon) * weight; NaN where the
  /// sum of squares overflows float32
  RmsNorm,
  /// float32, replaced by (x - mean(x)) / sqrt(variance(x) + epsilon) * weight
  /// + normBias (Ba, Kiros, Hinton, "Layer Normalization", 2016); NaN where the
  /// sum of (x - mean(x))^2 overflows float32
  LayerNorm,
};

/// What happens to the products.
enum class MatMulOutput : uint8_t {
  Store, ///< y = product
  Add,   ///< y += product
  /// y = silu(gate) * up. Each tile of 16 rows of the matrix holds 8 rows of
  /// the gate and then the 8 rows of `up` that have the same indices (gluRow).
  SiluGlu,
  /// Like SiluGlu, but with gelu in place of silu: gelu(g) = g/2 * (1 +
  /// tanh(sqrt(2/pi) * (g + 0.044715 g^3))) (Hendrycks and Gimpel, "Gaussian
  /// Error Linear Units", 2016).
  GeluGlu,
  /// The matrix has the heads of q, then of k, then of v. The products are
  /// stored in y. Then q and k are normalised and rotated; q stays in y, and k
  /// and v are written to the KV cache (HeadRows).
  Heads,
  /// y = silu(y) * product. An earlier matmul has stored the gate in y, because
  /// the gate's matrix cannot be interleaved with this one.
  SiluUp,
};

/// The heads of q, k and v that a matmul with MatMulOutput::Heads computes. Any
/// of the three numbers of heads may be 0, so a model whose q, k and v differ
/// in dtype can have a matmul for each dtype. An element of k or v that
/// overflows float16 is stored as NaN.
struct HeadRows {
  uint32_t queryHeads = 0;
  uint32_t keyHeads = 0;
  uint32_t valueHeads = 0;
  bool qkNorm = false; ///< RMS norm of each head of q and k, before RoPE
  float qkEpsilon = 0;
  RopeKind rope = RopeKind::None;
  uint32_t ropeDim = 0; ///< number of rotated elements of a head; even
  /// Tokens are grouped by sequence: the sequence of row s of the block tables
  /// has the tokensPerSequence tokens from s * tokensPerSequence on. Their
  /// positions ascend.
  uint32_t tokensPerSequence = 1;
  KvPages pages;

  bool operator==(const HeadRows &) const = default;
};

/// The row of the matrix of a GLU that holds row `row` of the gate or of `up`.
constexpr uint64_t gluRow(uint64_t row, bool up) {
  return row / 8 * 16 + row % 8 + (up ? 8 : 0);
}

struct DecodeMatMul {
  DType dtype = DType::Q4_K;
  Layout layout = Layout::T16; ///< t16 or t16i
  uint32_t rows = 0;           ///< rows of the matrix; for a GLU, of the gate
  uint32_t columns = 0; ///< a multiple of 8 and of the dtype's block size
  uint32_t tokens = 1;  ///< 1 to 8
  uint32_t multiprocessors = 0;
  /// Whether the kernel may start while the previous kernel still runs (sm_90
  /// and later). It then fetches weights before it waits for that kernel's
  /// results.
  bool dependentLaunch = false;
  MatMulInput input = MatMulInput::Half;
  float epsilon = 0; ///< used by RmsNorm and LayerNorm
  /// Whether an activation is represented as the sum of two float16 numbers,
  /// which together have 22 significant bits. This requires dtype F16 and an
  /// input other than Half. With BF16, every activation is the sum of two
  /// bfloat16 numbers.
  bool splitActivations = false;
  MatMulOutput output = MatMulOutput::Store;
  bool hasBias = false; ///< a float32 per row; a GLU has the gate's rows first
  /// Whether the products of each row are multiplied by a float32 scale of this
  /// row before the bias is added. The scales are in the same order as the
  /// elements of the bias.
  bool hasRowScales = false;
  HeadRows heads; ///< used if the output is Heads
  DecodeTiling tiling;
};

struct CudaKernel {
  std::string name;
  std::string text; ///< the source: all types and functions, and the kernel
  uint32_t gridX = 0;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0; ///< dynamic shared memory of a block
  uint64_t weightBytes = 0; ///< size of the matrix in its layout
  /// The size of the scratch for partial sums, which need not be initialised.
  uint64_t partialBytes = 0;
  /// The size of the scratch for counters. All counters must be zero before a
  /// launch, and they are zero again after it.
  uint64_t counterBytes = 0;
  /// The names of the kernel's arguments, which are all addresses.
  std::vector<std::string> bindings;
};

/// Whether the kernel of `spec` can have more than one tile in
/// DecodeTiling::heldTiles: its weights are F16 or BF16, multiplied by tensor
/// cores, and they are copied to shared memory (DecodeTiling::fetch).
bool canHoldActivations(const DecodeMatMul &spec, const CudaTarget &target);

/// Returns the default tiling, which does not depend on spec.tiling.
DecodeTiling defaultDecodeTiling(const DecodeMatMul &spec,
                                 const CudaTarget &target);

/// The name of the kernel that generateDecodeMatMul would generate.
std::string decodeMatMulName(const DecodeMatMul &spec,
                             const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "weights", "x", "y",
/// "partials" (partial sums), "counters", and then, if the kernel uses them,
/// "norm_weight", "norm_bias", "bias", "row_scales", "angles" (as RopeAngles in
/// codegen/KernelSpec.h), "q_norm", "k_norm", "positions" (uint32 [tokens]),
/// "block_tables" (uint32 [sequences][pages.tablePages]), "kv_cache".
/// `intrinsics` is deviceIntrinsicsText(), or the tests' text of the same
/// functions for the host. Returns Unsupported when a size is out of range,
/// members of the spec contradict each other, the target lacks an instruction,
/// or the layout does not cover the dtype, and DoesNotFit when the kernel needs
/// more shared memory than the target has.
Result<CudaKernel> generateDecodeMatMul(const DecodeMatMul &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
