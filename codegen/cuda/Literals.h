//===- Literals.h - constants in the text of kernels ------------*- C++ -*-===//
//
// Private to codegen/cuda. Each function appends the definition of a constant
// to `text`, which is the text of a kernel. A float is written in hexadecimal,
// so its value is exact.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_LITERALS_H
#define AIRPACK_CODEGEN_CUDA_LITERALS_H

#include <cstdint>
#include <string>

namespace air::codegen::cuda {

void literal(std::string &text, const char *name, uint32_t value);
void literal(std::string &text, const char *name, uint64_t value);
void literal(std::string &text, const char *name, bool value);
void literal(std::string &text, const char *name, float value);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_LITERALS_H
