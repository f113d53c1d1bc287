//===- DecodeMatMul.h - matmuls for 1 to 8 tokens as CUDA text --*- C++ -*-===//
//
// y[token][row] = sum over columns of W[row][column] * x[token][column], for up
// to 8 tokens. W is in layout T16 (codegen/layout/T16.h), x is float16 and y is
// float32, both token by token. Every size is a literal in the text.
//
// A thread block multiplies consecutive tiles of 16 rows. Its warps divide the
// columns among themselves and add their sums through shared memory. The tokens
// are the 8 columns of an mma, so 1 token costs as much as 8.
//
// Codes are not converted before they are multiplied. A code below 1024 in the
// low bits of a float16 is the subnormal number code * 2^-24, which tensor
// cores multiply exactly (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior
// of NVIDIA tensor cores, PeerJ Computer Science 7:e330, 2021). The four bits
// of an MXFP4 element are moved to their places in a float16, which gives the
// element times 2^-14. For a zero point (8, 32 or 128), the accumulator starts
// at minus the zero point times the sum of the block's activations. Scales are
// applied in float32 to sums over 16 or 32 columns. The minima of Q4_K and Q5_K
// multiply the sums of 32 activations, each kept as a float16 and its
// remainder. For BF16 each activation is split into two bfloat16 numbers, which
// is exact.
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
  Registers, ///< ordinary loads, one group of units ahead
  AsyncCopy, ///< cp.async into a ring of slots (sm_80 and later)
  BulkCopy,  ///< cp.async.bulk into the same ring (sm_90 and later)
};

std::string_view fetchName(WeightFetch fetch); ///< "registers", "async", "bulk"

/// Sizes that affect only the speed, except that warps and splits change the
/// order of float32 sums.
struct DecodeTiling {
  WeightFetch fetch = WeightFetch::Registers;
  uint32_t warps = 8;
  uint32_t groupUnits = 1; ///< T16 units that a warp fetches at once
  uint32_t stages = 2;     ///< slots of a warp's ring; 1 with Registers
  uint32_t blocksPerMultiprocessor = 1;
  uint32_t splits = 1;      ///< parts of the columns, each with its own blocks
  uint32_t reduceTiles = 1; ///< tiles whose sums are added at one barrier
};

struct DecodeMatMul {
  DType dtype = DType::Q4_K;
  uint32_t rows = 0;
  uint32_t columns = 0; ///< a multiple of 8 and of the dtype's block
  uint32_t tokens = 1;  ///< 1 to 8
  uint32_t multiprocessors = 0;
  /// The kernel may start while the previous one still runs, and fetches
  /// weights before it waits for that kernel's results (sm_90 and later).
  bool dependentLaunch = false;
  DecodeTiling tiling;
};

struct CudaKernel {
  std::string name;
  std::string text; ///< self-contained: types, functions and the kernel
  uint32_t gridX = 0;
  uint32_t gridY = 1;
  uint32_t threads = 0;
  uint32_t sharedBytes = 0;  ///< dynamic shared memory of a block
  uint64_t weightBytes = 0;  ///< size of the matrix in T16
  uint64_t partialBytes = 0; ///< scratch for the sums of splits, uninitialised
  uint64_t counterBytes = 0; ///< scratch that is zero before and after a launch
};

/// The default tiling. It depends on the arguments alone.
DecodeTiling defaultDecodeTiling(const DecodeMatMul &spec,
                                 const CudaTarget &target);

/// The name of the kernel that generateDecodeMatMul would generate.
std::string decodeMatMulName(const DecodeMatMul &spec,
                             const CudaTarget &target);

/// Generates the kernel. Its bindings are, in order: weights, x, y, partial
/// sums, counters. `intrinsics` is deviceIntrinsicsText(), or the tests' text
/// for the host. Unsupported when the target lacks an instruction or T16 does
/// not cover the dtype; DoesNotFit when the shared memory does not suffice.
Result<CudaKernel> generateDecodeMatMul(const DecodeMatMul &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMUL_H
