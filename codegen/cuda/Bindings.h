//===- Bindings.h - the arguments of a kernel that vary ---------*- C++ -*-===//
//
// Private to codegen/cuda. Some arguments exist only in some variants of a
// kernel. In the text of a kernel, a struct called More passes these arguments
// to the functions that need them.
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

/// Returns the text of struct More, whose members are `bindings`, and of macros
/// for the kernel's parameters and for the initialiser of More.
std::string bindingsText(const std::vector<Binding> &bindings);

/// Appends the names of the bindings whose `used` is true to kernel.bindings.
void addBindings(CudaKernel &kernel, const std::vector<Binding> &bindings);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_BINDINGS_H
