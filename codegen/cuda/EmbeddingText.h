//===- EmbeddingText.h - elements of GGUF's blocks as CUDA text -*- C++ -*-===//
//
// Private to codegen/cuda.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_EMBEDDINGTEXT_H
#define AIRPACK_CODEGEN_CUDA_EMBEDDINGTEXT_H

#include "formats/dtype/DType.h"

#include <string>

namespace air::codegen::cuda {

/// Returns the text of elementOf(block, i), which returns element i of a block
/// that is stored as in GGUF. `dtype` must be a dtype of weights.
std::string elementText(DType dtype);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_EMBEDDINGTEXT_H
