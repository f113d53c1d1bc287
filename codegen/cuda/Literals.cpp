//===- Literals.cpp - constants in the text of kernels --------------------===//
#include "codegen/cuda/Literals.h"

#include <cstdio>

namespace air::codegen::cuda {

void literal(std::string &text, const char *name, uint32_t value) {
  text += std::string("constexpr u32 ") + name + " = " + std::to_string(value) +
          ";\n";
}

void literal(std::string &text, const char *name, uint64_t value) {
  text += std::string("constexpr u64 ") + name + " = " + std::to_string(value) +
          ";\n";
}

void literal(std::string &text, const char *name, bool value) {
  text += std::string("constexpr bool ") + name + " = " +
          (value ? "true" : "false") + ";\n";
}

void literal(std::string &text, const char *name, float value) {
  char digits[64];
  std::snprintf(digits, sizeof digits, "%a", static_cast<double>(value));
  text += std::string("constexpr float ") + name + " = " + digits + "f;\n";
}

} // namespace air::codegen::cuda
