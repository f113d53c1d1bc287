//===- RandomModel.h - models of any shape with random weights --*- C++ -*-===//
//
// A deterministic stand-in for real checkpoints, with the same names, shapes,
// dtypes and sizes, and random values of realistic magnitude. Measurements use
// it, so that the repository needs no large files.
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

/// Shapes of published models: "1b" Llama 3.2 1B, "3b" Llama 3.2 3B, "8b",
/// "70b" and "405b" Llama 3.1 of that size.
const std::vector<ModelShape> &knownShapes();

/// Writes a "llama" GGUF into `file`. `type` is a dtype's name, which every
/// matrix gets, or one of llama.cpp's mixes "Q4_K_M", "Q5_K_M" (more bits for
/// attn_v and ffn_down of some layers, Q6_K for the head). The bytes depend
/// only on the arguments.
Status writeRandomModel(const ModelShape &shape, const std::string &type,
                        uint64_t seed, AtomicFile file);

/// Writes the same file with a hole in place of the tensors' bytes.
Status writeModelHeaders(const ModelShape &shape, const std::string &type,
                         AtomicFile file);

} // namespace air::gen

#endif // AIRPACK_TOOLS_AIRGEN_RANDOMMODEL_H
