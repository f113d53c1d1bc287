//===- KernelBindings.h - what a kernel is given, in order ------*- C++ -*-===//
//
// The one description of a kernel's bindings: their order, what they point at,
// what the kernel does to them, and their shape. The verifier of plan.dispatch
// checks plans against it, tools/tune makes operands from it, and kernel tests
// hold their cases to it. What a kernel computes from its bindings stands in
// codegen/KernelSpec.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELBINDINGS_H
#define AIRPACK_CODEGEN_KERNELBINDINGS_H

#include "codegen/KernelSpec.h"

namespace air::codegen {

/// What a binding points at.
enum class BindingKind : uint8_t {
  Tensor, ///< weights or a table: constant, made by airpack
  Buffer, ///< rows of activations, one a token or output
  Kv,     ///< a layer's part of the KV cache (codegen/KernelSpec.h)
};

/// Bits: Read and Write together are ReadWrite.
enum class BindingAccess : uint8_t { Read = 1, Write = 2, ReadWrite = 3 };

struct KernelBinding {
  const char *name;
  BindingKind kind;
  BindingAccess access;
  /// Columns of a tensor; 32-bit words in a row of a buffer. Unused for Kv.
  uint64_t columns = 0;
  /// Rows of a tensor.
  uint64_t rows = 1;
  /// Of a tensor; buffers are F32 and of Layout::Rows.
  DType dtype = DType::F32;
  Layout layout = Layout::Rows;
  /// Which rows of the batch a buffer holds.
  RowsFrom rowsFrom = RowsFrom::Tokens;
};

/// The bindings of the kernel that `spec` describes, in the order in which it
/// takes them. Pure; a spec that describeKernel refuses gives some list.
std::vector<KernelBinding> kernelBindings(const KernelSpec &spec);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELBINDINGS_H
