//===- Bindings.h - the arguments of a kernel that vary ---------*- C++ -*-===//
//
// Private to codegen/cuda. Functions of a kernel's text get the arguments that
// only some variants of the kernel have as the members of a struct More.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_BINDINGS_H
#define AIRPACK_CODEGEN_CUDA_BINDINGS_H

#include "codegen/cuda/DecodeMatMul.h"

namespace air::codegen::cuda {

struct Binding {
  const char *name, *type, *member;
  bool used; ///< whether the kernel has the argument
};

/// Returns the text of struct More, which holds `bindings`, and of two macros:
/// the kernel's parameters for them, and the initialiser of More.
std::string bindingsText(const std::vector<Binding> &bindings);

/// Appends the names of the used bindings to those of the kernel.
void addBindings(CudaKernel &kernel, const std::vector<Binding> &bindings);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_BINDINGS_H
