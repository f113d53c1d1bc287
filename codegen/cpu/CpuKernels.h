//===- CpuKernels.h - the functions the registry points at ------*- C++ -*-===//
//
// This header declares the describe function and the emit function of every op.
// codegen/KernelSpec.h defines the ops and their bindings;
// codegen/cpu/KernelRegistry.h specifies the two functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CPUKERNELS_H
#define AIRPACK_CODEGEN_CPU_CPUKERNELS_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

// Defined in attention/AttentionKernels.cpp.
Status describeAttention(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitAttention(KernelBuilder &builder, const KernelSpec &spec);

// Defined in attention/AttentionMerge.cpp.
Status describeAttentionMerge(const KernelSpec &spec, const IsaTraits &isa,
                              KernelEntry &entry);
void emitAttentionMerge(KernelBuilder &builder, const KernelSpec &spec);

// Defined in rowwise/ElementwiseKernels.cpp.
Status describeAdd(const KernelSpec &spec, const IsaTraits &isa,
                   KernelEntry &entry);
void emitAdd(KernelBuilder &builder, const KernelSpec &spec);
Status describeSiluMul(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
void emitSiluMul(KernelBuilder &builder, const KernelSpec &spec);

// Defined in rowwise/EmbedRowsKernel.cpp.
Status describeEmbedRows(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitEmbedRows(KernelBuilder &builder, const KernelSpec &spec);

// Defined in matmul/MatMulKernel.cpp.
Status describeMatMul(const KernelSpec &spec, const IsaTraits &isa,
                      KernelEntry &entry);
Status describeGluMatMul(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitMatMul(KernelBuilder &builder, const KernelSpec &spec);

// Defined in rowwise/NormKernels.cpp.
Status describeRmsNorm(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
void emitRmsNorm(KernelBuilder &builder, const KernelSpec &spec);

// Defined in matmul/PackActivationsKernel.cpp.
Status describePackActivations(const KernelSpec &spec, const IsaTraits &isa,
                               KernelEntry &entry);
void emitPackActivations(KernelBuilder &builder, const KernelSpec &spec);

// Defined in attention/RopeKernels.cpp.
Status describeRopeAngles(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
void emitRopeAngles(KernelBuilder &builder, const KernelSpec &spec);
Status describeRopeAppend(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
void emitRopeAppend(KernelBuilder &builder, const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUKERNELS_H
