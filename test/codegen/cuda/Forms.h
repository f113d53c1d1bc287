//===- Forms.h - the forms of weights for tests of GPUs ---------*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_FORMS_H
#define AIRPACK_TEST_CODEGEN_CUDA_FORMS_H

#include "formats/plan/T16.h"
#include "formats/plan/T16Indices.h"

#include <cstdlib>
#include <vector>

namespace air::codegen::cuda {

inline bool testsEverything() { return std::getenv("AIR_TEST_ALL") != nullptr; }

/// A dtype in one of the layouts for GPUs.
struct Form {
  DType dtype;
  Layout layout;
};

inline std::vector<Form> allForms() {
  std::vector<Form> forms;
  for (const DType dtype : t16DTypes()) {
    forms.push_back({dtype, Layout::T16});
  }
  for (const DType dtype : t16IndexDTypes()) {
    forms.push_back({dtype, Layout::T16Indices});
  }
  return forms;
}

} // namespace air::codegen::cuda

#endif // AIRPACK_TEST_CODEGEN_CUDA_FORMS_H
