//===- DecodeMatMul.h - matmuls for 1 to 8 tokens as CUDA text --*- C++ -*-===//
//
// The kernels compute y[token][row] = sum over columns of W[row][column] *
// x[token][column], for up to 8 tokens. W is in layout T16
// (codegen/layout/T16.h), x is float16 and y is float32; x and y are stored
// token by token. Every size is a literal in the generated text.
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
// 2^-14. For dtypes with a zero point (8, 32 or 128), the accumulator starts at
// minus the zero point times the sum of the block's activations. Scales are
// applied in float32 to sums over 16 or 32 columns. The minima of Q4_K and Q5_K
// are multiplied by sums of 32 activations, each stored as two float16 numbers:
// a rounded value and the rounding error. For BF16, each activation is split
// exactly into two bfloat16 numbers.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H

#include "codegen/cuda/CudaTarget.h"
#include "formats/dtype/DType.h"

#include <string>

namespace air::codegen::cuda {

/// How weights reach the registers of a warp.
enum class WeightFetch : uint8_t {
  Registers, ///< ordinary loads, issued one group of units ahead
  AsyncCopy, ///< cp.async into a ring of slots (sm_80 and later)
  BulkCopy,  ///< cp.async.bulk into a ring of slots (sm_90 and later)
};

std::string_view fetchName(WeightFetch fetch); ///< "registers", "async", "bulk"

/// Sizes that affect only the speed of a kernel, except that `warps` and
/// `splits` also change the order in which float32 sums are added.
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
};

struct DecodeMatMul {
  DType dtype = DType::Q4_K;
  uint32_t rows = 0;
  uint32_t columns = 0; ///< a multiple of 8 and of the dtype's block size
  uint32_t tokens = 1;  ///< 1 to 8
  uint32_t multiprocessors = 0;
  /// Whether the kernel may start while the previous kernel still runs (sm_90
  /// and later). It then fetches weights before it waits for that kernel's
  /// results.
  bool dependentLaunch = false;
  DecodeTiling tiling;
};

struct CudaKernel {
  std::string name;
  std::string text; ///< the source: all types and functions, and the kernel
  uint32_t gridX = 0;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0; ///< dynamic shared memory of a block
  uint64_t weightBytes = 0; ///< size of the matrix in T16
  /// The size of the scratch for partial sums, which need not be initialised.
  uint64_t partialBytes = 0;
  /// The size of the scratch for counters. It must be zero before a launch, and
  /// is zero again after the launch.
  uint64_t counterBytes = 0;
};

/// Returns the default tiling, which depends on the arguments alone. Ignores
/// spec.tiling.
DecodeTiling defaultDecodeTiling(const DecodeMatMul &spec,
                                 const CudaTarget &target);

/// The name of the kernel that generateDecodeMatMul would generate.
std::string decodeMatMulName(const DecodeMatMul &spec,
                             const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: weights, x, y, partial
/// sums, counters. `intrinsics` is deviceIntrinsicsText(), or the tests' text
/// of the same functions for the host. Returns Unsupported when a size is out
/// of range, the target lacks an instruction or T16 does not cover the dtype,
/// and DoesNotFit when the kernel needs more shared memory than the target has.
Result<CudaKernel> generateDecodeMatMul(const DecodeMatMul &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
