//===- CpuKernels.h - the functions the registry points at ------*- C++ -*-===//
//
// A describe/emit pair per op, each in its own file. Bindings and meaning of
// each op: codegen/KernelSpec.h. Signatures: codegen/cpu/KernelRegistry.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_CPUKERNELS_H
#define AIRPACK_CODEGEN_CPU_CPUKERNELS_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/KernelBuilder.h"

namespace air::codegen {

// AttentionKernels.cpp
Status describeAttention(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
Status emitAttention(KernelBuilder &builder, const KernelSpec &spec);

// ElementwiseKernels.cpp
Status describeAdd(const KernelSpec &spec, const IsaTraits &isa,
                   KernelEntry &entry);
Status emitAdd(KernelBuilder &builder, const KernelSpec &spec);
Status describeSiluMul(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
Status emitSiluMul(KernelBuilder &builder, const KernelSpec &spec);

// EmbedRowsKernel.cpp
Status describeEmbedRows(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
Status emitEmbedRows(KernelBuilder &builder, const KernelSpec &spec);

// MatMulKernel.cpp
Status describeMatMul(const KernelSpec &spec, const IsaTraits &isa,
                      KernelEntry &entry);
Status describeGluMatMul(const KernelSpec &spec, const IsaTraits &isa,
                         KernelEntry &entry);
Status emitProduct(KernelBuilder &builder, const KernelSpec &spec);

// NormKernels.cpp
Status describeRmsNorm(const KernelSpec &spec, const IsaTraits &isa,
                       KernelEntry &entry);
Status emitRmsNorm(KernelBuilder &builder, const KernelSpec &spec);

// PackActivationsKernel.cpp
Status describePackActivations(const KernelSpec &spec, const IsaTraits &isa,
                               KernelEntry &entry);
Status emitPackActivations(KernelBuilder &builder, const KernelSpec &spec);

// RopeKernels.cpp
Status describeRopeAngles(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
Status emitRopeAngles(KernelBuilder &builder, const KernelSpec &spec);
Status describeRopeAppend(const KernelSpec &spec, const IsaTraits &isa,
                          KernelEntry &entry);
Status emitRopeAppend(KernelBuilder &builder, const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_CPUKERNELS_H
