//===- CpuKernels.h - the functions the registry points at ------*- C++ -*-===//
//
// A describe/emit pair for each op, each in a file of its own.
// codegen/KernelSpec.h defines the ops and their bindings,
// codegen/cpu/KernelRegistry.h the signatures.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CPUKERNELS_H
#define AIRPACK_CODEGEN_CPU_CPUKERNELS_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/builder/KernelBuilder.h"

namespace air::codegen {

// AttentionKernels.cpp
Status describeAttention(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitAttention(KernelBuilder &builder, const KernelSpec &spec);

// ElementwiseKernels.cpp
Status describeAdd(const KernelSpec &spec, const IsaTraits &isa,
                   KernelEntry &entry);
void emitAdd(KernelBuilder &builder, const KernelSpec &spec);
Status describeSiluMul(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
void emitSiluMul(KernelBuilder &builder, const KernelSpec &spec);

// EmbedRowsKernel.cpp
Status describeEmbedRows(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitEmbedRows(KernelBuilder &builder, const KernelSpec &spec);

// MatMulKernel.cpp
Status describeMatMul(const KernelSpec &spec, const IsaTraits &isa,
                      KernelEntry &entry);
Status describeGluMatMul(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
void emitMatMul(KernelBuilder &builder, const KernelSpec &spec);

// NormKernels.cpp
Status describeRmsNorm(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
void emitRmsNorm(KernelBuilder &builder, const KernelSpec &spec);

// PackActivationsKernel.cpp
Status describePackActivations(const KernelSpec &spec, const IsaTraits &isa,
                               KernelEntry &entry);
void emitPackActivations(KernelBuilder &builder, const KernelSpec &spec);

// RopeKernels.cpp
Status describeRopeAngles(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
void emitRopeAngles(KernelBuilder &builder, const KernelSpec &spec);
Status describeRopeAppend(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
void emitRopeAppend(KernelBuilder &builder, const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUKERNELS_H
