//===- KernelBindings.h - a kernel's operands, in order ---------*- C++ -*-===//
//
// kernelBindings() is the only complete description of the bindings of a kernel
// for CPUs: their order, what they point at, how the kernel accesses them, and
// their shapes. The compiler and its verifiers take the bindings of
// plan.dispatch from it, tools/tune allocates operands from it, and kernel
// tests check their cases against it. codegen/KernelSpec.h specifies what a
// kernel computes from its bindings. Kernels for GPUs have other bindings
// (codegen/cuda/CudaSpec.h), but of the same kinds.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELBINDINGS_H
#define AIRPACK_CODEGEN_KERNELBINDINGS_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// What a binding points at.
enum class BindingKind : uint8_t {
  Tensor, ///< constant weights or a constant table, made by airpack
  /// Rows of activations, one per token or per requested output. On GPUs, also
  /// any other memory that kernels write.
  Buffer,
  Kv,    ///< a cache's part of the KV pages (codegen/KernelSpec.h)
  Batch, ///< an array of the batch, such as the token ids; GPUs only
};

/// A bit mask: ReadWrite is Read | Write.
enum class BindingAccess : uint8_t { Read = 1, Write = 2, ReadWrite = 3 };

struct KernelBinding {
  const char *name;
  BindingKind kind;
  BindingAccess access;
  /// The number of columns of a tensor, or of 32-bit words in a row of a
  /// buffer. Unused for Kv.
  uint64_t columns = 0;
  /// The number of rows of a tensor. Unused for buffers and Kv.
  uint64_t rows = 1;
  /// The dtype and the layout of a tensor. For buffers they are F32 and
  /// Layout::Rows.
  DType dtype = DType::F32;
  Layout layout = Layout::Rows;
  /// Whether a buffer has a row for each token of the batch or only for each
  /// requested output.
  RowsFrom rowsFrom = RowsFrom::Tokens;
};

/// Returns the bindings of the kernel that `spec` describes, in the order in
/// which the kernel takes them. For a spec that describeKernel rejects, the
/// list is unspecified. This is a pure function.
std::vector<KernelBinding> kernelBindings(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELBINDINGS_H
