//===- RandomModel.h - models of any shape with random weights --*- C++ -*-===//
//
// Writes models that replace real checkpoints in measurements, so that the
// repository needs no large files. They have the names, shapes, dtypes and
// sizes of the real models, and random but reproducible weights of realistic
// magnitude.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRGEN_RANDOMMODEL_H
#define AIRPACK_TOOLS_AIRGEN_RANDOMMODEL_H

#include "formats/support/AtomicFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::gen {

struct ModelShape {
  std::string name;
  uint32_t layers = 0;
  uint32_t width = 0;
  uint32_t heads = 0;
  uint32_t kvHeads = 0;
  uint32_t headDim = 0;
  uint32_t ffn = 0;
  uint32_t vocabulary = 0;
  uint32_t context = 0;
  bool tiedEmbeddings = false;
};

/// The shapes of published models: "1b" and "3b" are Llama 3.2 1B and 3B; "8b",
/// "70b" and "405b" are Llama 3.1 8B, 70B and 405B.
const std::vector<ModelShape> &knownShapes();

/// Writes a GGUF file of the architecture "llama" to `file`. `type` is the name
/// of a dtype for all matrices, or "Q4_K_M" or "Q5_K_M". These two are mixed
/// types of llama.cpp that use more bits for attn_v and ffn_down of some
/// layers, and Q6_K for the output matrix. The bytes depend only on the
/// arguments.
Status writeRandomModel(const ModelShape &shape, const std::string &type,
                        uint64_t seed, AtomicFile file);

/// Writes the same file as writeRandomModel, but with a hole in place of the
/// tensors' bytes.
Status writeModelHeaders(const ModelShape &shape, const std::string &type,
                         AtomicFile file);

} // namespace air::gen

#endif // AIRPACK_TOOLS_AIRGEN_RANDOMMODEL_H
