//===- DecodeMatMul.h - matrix times few tokens, as CUDA text ---*- C++ -*-===//
//
// y[token][row] = sum over columns of W[row][column] * x[token][column], for up
// to 8 tokens. W is in layout T16 (codegen/layout/T16.h), x is float16 and y
// float32, both token after token. Every shape is a literal of the text.
//
// One block of threads multiplies consecutive tiles of 16 rows; its warps share
// the columns and add their sums through shared memory. 8 tokens are the 8
// columns of a tensor core's product, so 1 token costs what 8 do.
//
// Codes are multiplied without being converted: a code below 1024 in the low
// bits of a float16 is the subnormal code * 2^-24, which tensor cores multiply
// exactly (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior of NVIDIA tensor
// cores, PeerJ Computer Science 7:e330, 2021). MXFP4's four bits are moved to
// their places in a float16, which makes the element times 2^-14. A code's zero
// point (8, 32, 128) enters as the start of the sum: minus the zero point times
// the sum of the block's activations. Scales are applied to sums of 16 or 32
// columns in float32. Minima of Q4_K and Q5_K multiply the sums of 32
// activations, which are kept as a float16 and its remainder. BF16 multiplies
// each activation as two bfloat16, which is exact.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H

#include "codegen/cuda/CudaTarget.h"
#include "formats/dtype/DType.h"

#include <string>

namespace air::codegen::cuda {

/// How weights come to the registers of a warp.
enum class WeightFetch : uint8_t {
  Registers, ///< loads, one group of units ahead
  AsyncCopy, ///< cp.async into a ring of slots (sm_80 and later)
  BulkCopy,  ///< cp.async.bulk into the same ring (sm_90 and later)
};

std::string_view fetchName(WeightFetch fetch); ///< "registers", "async", "bulk"

/// Sizes that change the speed and nothing else (warps and splits change the
/// order of float32 sums).
struct DecodeTiling {
  WeightFetch fetch = WeightFetch::Registers;
  uint32_t warps = 8;
  uint32_t groupUnits = 1; ///< units of T16 that a warp fetches at once
  uint32_t stages = 2;     ///< slots of a warp's ring; 1 with Registers
  uint32_t blocksPerMultiprocessor = 1;
  uint32_t splits = 1;      ///< parts of the columns, blocks of their own
  uint32_t reduceTiles = 1; ///< tiles between two barriers
};

struct DecodeMatMul {
  DType dtype = DType::Q4_K;
  uint32_t rows = 0;
  uint32_t columns = 0; ///< a multiple of 8 and of the dtype's block
  uint32_t tokens = 1;  ///< 1 to 8
  uint32_t multiprocessors = 0;
  /// Starts while the kernel before it ends: weights are fetched before it
  /// waits for that kernel's results (sm_90 and later).
  bool dependentLaunch = false;
  DecodeTiling tiling;
};

struct CudaKernel {
  std::string name;
  std::string text; ///< stands alone: types, functions, kernel
  uint32_t gridX = 0;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0;  ///< dynamic shared memory of a block
  uint64_t weightBytes = 0;  ///< of the matrix in T16
  uint64_t partialBytes = 0; ///< scratch for sums of splits; any contents
  uint64_t counterBytes = 0; ///< scratch that is zero before and after
};

/// What the tiling's fields are when nobody says: a function of its arguments.
DecodeTiling defaultDecodeTiling(const DecodeMatMul &spec,
                                 const CudaTarget &target);

/// The kernel's name without its text.
std::string decodeMatMulName(const DecodeMatMul &spec,
                             const CudaTarget &target);

/// Bindings, in order: weights, x, y, partial sums, counters. Unsupported where
/// the target lacks an instruction or the dtype a layout; DoesNotFit where
/// shared memory is exceeded.
/// `intrinsics` is deviceIntrinsicsText() or the host's text of the tests.
Result<CudaKernel> generateDecodeMatMul(const DecodeMatMul &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
