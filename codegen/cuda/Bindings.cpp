//===- Bindings.cpp - the arguments of a kernel that vary -----------------===//
#include "codegen/cuda/Bindings.h"

namespace air::codegen::cuda {

std::string bindingsText(const std::vector<Binding> &bindings) {
  std::string members;
  std::string parameters;
  std::string arguments;
  for (const Binding &one : bindings) {
    members += std::string("  ") + one.type + one.member + ";\n";
    if (one.used) {
      parameters += std::string(", ") + one.type + one.member;
    }
    arguments += std::string(arguments.empty() ? "" : ", ") +
                 (one.used ? one.member : "nullptr");
  }
  return "struct More {\n" + members + "};\n#define AP_PARAMETERS " +
         parameters + "\n#define AP_ARGUMENTS " + arguments + "\n";
}

void addBindings(CudaKernel &kernel, const std::vector<Binding> &bindings) {
  for (const Binding &one : bindings) {
    if (one.used) {
      kernel.bindings.emplace_back(one.name);
    }
  }
}

} // namespace air::codegen::cuda
