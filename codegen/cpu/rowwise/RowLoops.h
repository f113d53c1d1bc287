//===- RowLoops.h - loops over one row of floats ----------------*- C++ -*-===//
//
// What several kernels do to a row of float32 in memory. Rows are aligned to
// their element only; counts are literals of the kernel.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H
#define AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H

#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

/// Floats per step of a row loop: one AVX-512 register, two of AVX2, four of
/// NEON.
inline constexpr int64_t kFloatLanes = 16;

/// Covers [0, count): body(type, i) handles kFloatLanes elements from i when
/// `type` is a vector, one when it is scalar.
void rowLoop(
    KernelBuilder &b, int64_t count,
    llvm::function_ref<void(KernelBuilder::Type, KernelBuilder::Value)> body);

/// Sum of x[i]^2 over [0, count), in a fixed order.
KernelBuilder::Value sumOfSquares(KernelBuilder &b, KernelBuilder::Value x,
                                  int64_t count);

/// y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]; y may be x.
void normaliseRow(KernelBuilder &b, KernelBuilder::Value x,
                  KernelBuilder::Value weight, KernelBuilder::Value y,
                  int64_t count, float epsilon);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H
