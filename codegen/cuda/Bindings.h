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

/// Returns CUDA source text that defines struct More, with one member for each
/// of `bindings`, and two macros. AP_PARAMETERS declares a further parameter of
/// the kernel for each binding whose `used` is true. AP_ARGUMENTS lists the
/// initial values of More's members: the binding's parameter or, if `used` is
/// false, nullptr.
std::string bindingsText(const std::vector<Binding> &bindings);

/// Appends the names of the bindings whose `used` is true to kernel.bindings.
void addBindings(CudaKernel &kernel, const std::vector<Binding> &bindings);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_BINDINGS_H
