//===- PrefillMatMul.h - matmuls for many tokens as CUDA text ---*- C++ -*-===//
//
// The matmuls of a prefill, for 9 tokens and more. A kernel is generated for a
// maximum number of tokens and reads the actual number M from device memory, so
// one kernel serves prompts of any length up to its maximum. The arithmetic is
// that of decode matmuls (DecodeMatMul.h).
//
// Each matmul consists of two kernels. The first (PrefillInput) normalises the
// activations, once for each token, and stores them in the order in which the
// second (PrefillMatMul) multiplies them. Each thread block of the second
// multiplies a tile of rows by a tile of tokens. It loops over the columns, one
// T16 unit at a time: it copies the weights and the activations of a unit to a
// slot in shared memory, with cp.async where the target has it. Each warp
// multiplies several tiles of 16 rows by several groups of 8 tokens, so each
// decoded weight and each loaded activation is used in several mma
// instructions.
//
// The first kernel stores the activations in the array "operands", from which
// the second reads them. The array consists of chunks. Chunk [g][u] holds the
// activations of tokens 8g to 8g+7 in the columns of T16 unit u. It has up to
// three parts, in this order:
//   - The activations as 16-bit numbers. For every 32 columns, each lane of a
//     warp has 16 bytes: lane 4t+j has eight columns of token 8g+t, in the
//     order of the unit's weights (formats/plan/T16.h). With wgmma, every 32
//     columns are instead four core matrices of 8 tokens by 8 columns, two for
//     each of two multiplications.
//   - Only if each activation is stored as two 16-bit numbers: the second
//     numbers of all activations, in the same order. They are the rounding
//     errors of the first numbers (splitActivations, or BF16 weights). If
//     activations stay float32, the first numbers are instead their upper 16
//     bits, and the second numbers their lower 16 bits.
//   - Only for dtypes with zero points or minima: for each token and every 16
//     or 32 columns, the correction for a zero point, or the mean activation,
//     by which a minimum is multiplied (DecodeMatMul.h).
// Columns beyond the matrix are 0, and tokens beyond the last one are copies of
// the last one. All activations of a token are multiplied by a power of two
// before they are stored (DecodeMatMul.h). A separate array, "scales", has the
// inverse of this power for each token; the results are multiplied by it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_PREFILLMATMUL_H
#define AIRPACK_CODEGEN_CUDA_PREFILLMATMUL_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

inline constexpr uint32_t kMaxPrefillTokens = 1U << 16;

struct PrefillInput {
  DType dtype = DType::Q4_K;              ///< dtype of the weights
  uint32_t columns = 0;                   ///< as in DecodeMatMul
  uint32_t maxTokens = 0;                 ///< 1 to kMaxPrefillTokens
  MatMulInput input = MatMulInput::Float; ///< any but Half
  float epsilon = 0;                      ///< used by RmsNorm and LayerNorm
  bool splitActivations = false;          ///< as in DecodeMatMul
  bool wgmma = false;                     ///< as in PrefillMatMul
  bool outputs = false;                   ///< as in PrefillMatMul
  bool dependentLaunch = false;           ///< as in DecodeMatMul
};

/// Whether matmuls of this dtype can use wgmma on `target`.
bool canUseWgmma(DType dtype, const CudaTarget &target);

/// The size in bytes of the array "operands" that the kernel of `spec` writes
/// for maxTokens tokens (see the top of this file). Errors are those of
/// generatePrefillInput.
Result<uint64_t> prefillOperandBytes(const PrefillInput &spec);

/// The name of the kernel that generatePrefillInput would generate.
std::string prefillInputName(const PrefillInput &spec,
                             const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "x" (float32
/// [M][columns]), "operands" (see the top of this file), "scales" (float32
/// [8 * ceil(M / 8)]), "token_count" (uint32 M, at most maxTokens), and then,
/// if the kernel uses them, "norm_weight" and "norm_bias". If `outputs` is set,
/// x has a row for every token of the batch, and M is the number of requested
/// rows. "output_count" (uint32 M) then takes the place of "token_count", and
/// the last binding is "output_rows" (uint32 [M]), which lists the indices of
/// the requested rows of x. Errors are those of generateDecodeMatMul.
Result<CudaKernel> generatePrefillInput(const PrefillInput &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

/// Sizes that affect only the speed of a kernel, except that a tokenGroups of 1
/// can also change the order in which float32 sums are added. A thread block
/// has rowWarps * tokenWarps warps.
struct PrefillTiling {
  uint32_t rowWarps = 4;    ///< warps along the rows of a block
  uint32_t rowTiles = 2;    ///< tiles of 16 rows per warp
  uint32_t tokenWarps = 1;  ///< warps along the tokens of a block
  uint32_t tokenGroups = 4; ///< groups of 8 tokens per warp
  uint32_t stages = 2;      ///< slots, each for one unit of columns
};

struct PrefillMatMul {
  DType dtype = DType::Q4_K;
  Layout layout = Layout::T16; ///< as in DecodeMatMul
  uint32_t rows = 0;           ///< as in DecodeMatMul
  uint32_t columns = 0;        ///< as in DecodeMatMul
  uint32_t maxTokens = 0;      ///< 1 to kMaxPrefillTokens
  bool splitActivations = false;
  /// Whether warpgroups of four warps multiply with wgmma (sm_90a), which needs
  /// "operands" in an order of its own (see the top of this file). If so, a
  /// warp has one tile of rows, rowWarps is a multiple of 4, and tokenGroups is
  /// a power of two.
  bool wgmma = false;
  /// Whether the results are computed only for the tokens for which the batch
  /// requests outputs. `maxTokens` is then the largest number of such tokens.
  bool outputs = false;
  MatMulOutput output = MatMulOutput::Store; ///< any but Heads
  bool hasBias = false;                      ///< as in DecodeMatMul
  bool hasRowScales = false;                 ///< as in DecodeMatMul
  bool dependentLaunch = false;              ///< as in DecodeMatMul
  PrefillTiling tiling;
};

/// Returns the PrefillInput whose "operands" the matmul can read. `spec` does
/// not say how they are computed, so the result's `input` and `epsilon` have
/// their default values.
PrefillInput prefillInputOf(const PrefillMatMul &spec);

/// Returns the default tiling for a GPU with this number of multiprocessors.
/// Ignores spec.tiling.
PrefillTiling defaultPrefillTiling(const PrefillMatMul &spec,
                                   const CudaTarget &target,
                                   uint32_t multiprocessors);

/// The name of the kernel that generatePrefillMatMul would generate.
std::string prefillMatMulName(const PrefillMatMul &spec,
                              const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: "weights", "operands" and
/// "scales" (of a PrefillInput with the same dtype, columns, splitActivations,
/// wgmma and outputs), "y" (float32 [M][rows]), "token_count" (uint32 M; this
/// binding is named "output_count" if `outputs` is set) and, if the kernel has
/// them, "bias" and "row_scales". Thread blocks without any of the M tokens do
/// nothing. They have the highest indices in gridX, so a launch may leave them
/// out. Errors are those of generateDecodeMatMul.
Result<CudaKernel> generatePrefillMatMul(const PrefillMatMul &spec,
                                         const CudaTarget &target,
                                         std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_PREFILLMATMUL_H
