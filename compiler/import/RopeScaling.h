//===- RopeScaling.h - the rope.scaling.* keys ------------------*- C++ -*-===//
//
// GGUF's keys for stretched rotary positions, evaluated as transformers'
// modeling_rope_utils does. With g(m) = 0.1 * m * ln(factor) + 1 for a factor
// above 1, else 1, cosines and sines are multiplied
//
//   by g(1), or by g(1) / g(yarn_log_multiplier) where that key is not 0, or by
//   yarn_attn_factor where that key is there (the configuration's
//   attention_factor), all of these with YaRN only,
//   and by attn_factor with every kind of scaling.
//
// llama.cpp overwrites yarn_attn_factor by g(1) and so loses it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_ROPESCALING_H
#define AIRPACK_COMPILER_IMPORT_ROPESCALING_H

#include "compiler/import/SourceReader.h"

namespace air::compiler {

struct RopeScaling {
  double linearFactor = 1;
  double magnitude = 1; ///< of cosines and sines
  bool isYarn = false;
  // Of YaRN (compiler/emit/RopeFrequencies.h).
  double factor = 1;
  double originalContext = 0;
  double betaFast = 32;
  double betaSlow = 1;
  double mix = 1;
};

/// `trainedContext` is the original context where no key names another.
/// Unsupported names a kind that nothing here computes; Corrupt a number out
/// of its range.
Result<RopeScaling> readRopeScaling(SourceReader &reader,
                                    uint64_t trainedContext);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_ROPESCALING_H
