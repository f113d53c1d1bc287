//===- RowLoops.h - loops over one row of floats ----------------*- C++ -*-===//
//
// These loops, which several kernels use, run over a row of float32 in memory.
// Rows need only be aligned to 4 bytes, and their lengths are compile-time
// constants.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H
#define AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H

#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

/// The number of floats per step: one AVX-512 register, two AVX2 registers or
/// four NEON registers.
inline constexpr int64_t kFloatLanes = 16;

/// Emits loops over [0, count). body(type, i) handles kFloatLanes elements that
/// start at i if `type` is a vector, and one element if it is a scalar.
void rowLoop(
    KernelBuilder &b, int64_t count,
    llvm::function_ref<void(KernelBuilder::Type, KernelBuilder::Value)> body);

/// The sum of x[i]^2 over [0, count), added in a fixed order.
KernelBuilder::Value sumOfSquares(KernelBuilder &b, KernelBuilder::Value x,
                                  int64_t count);

/// Computes y[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i], or NaN if the
/// sum of the squares overflows float32. y may be x.
void normaliseRow(KernelBuilder &b, KernelBuilder::Value x,
                  KernelBuilder::Value weight, KernelBuilder::Value y,
                  int64_t count, float epsilon);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_ROWWISE_ROWLOOPS_H
