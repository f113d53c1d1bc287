//===- KernelBindings.h - a kernel's operands, in order ---------*- C++ -*-===//
//
// The only description of a kernel's bindings: their order, what they point at,
// how the kernel accesses them, and their shapes. The verifier of plan.dispatch
// checks plans against it, tools/tune allocates operands by it, and kernel
// tests check their cases against it. codegen/KernelSpec.h specifies what a
// kernel computes from its bindings.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELBINDINGS_H
#define AIRPACK_CODEGEN_KERNELBINDINGS_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// What a binding points at.
enum class BindingKind : uint8_t {
  Tensor, ///< weights or a table: constant, made by airpack
  Buffer, ///< rows of activations, one per token or output
  Kv,     ///< a layer's part of the KV cache (codegen/KernelSpec.h)
};

/// A bit mask: ReadWrite is Read | Write.
enum class BindingAccess : uint8_t { Read = 1, Write = 2, ReadWrite = 3 };

struct KernelBinding {
  const char *name;
  BindingKind kind;
  BindingAccess access;
  /// Columns of a tensor; 32-bit words in a row of a buffer. Unused for Kv.
  uint64_t columns = 0;
  /// Rows of a tensor.
  uint64_t rows = 1;
  /// The dtype and layout of a tensor. Buffers are F32 in Layout::Rows.
  DType dtype = DType::F32;
  Layout layout = Layout::Rows;
  /// Which rows of the batch a buffer holds.
  RowsFrom rowsFrom = RowsFrom::Tokens;
};

/// The bindings of the kernel that `spec` describes, in the order in which it
/// takes them. Pure. For a spec that describeKernel rejects, the list is
/// unspecified.
std::vector<KernelBinding> kernelBindings(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELBINDINGS_H
