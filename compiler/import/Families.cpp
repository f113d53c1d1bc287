//===- Families.cpp - the table of architectures ----------------*- C++ -*-===//
#include "compiler/import/Families.h"

namespace air::compiler {

std::span<const Family> families() {
  static constexpr Family kFamilies[] = {
      {"llama", buildLlama},
      {"qwen2", buildQwen2},
      {"qwen3", buildQwen3},
  };
  return kFamilies;
}

} // namespace air::compiler
