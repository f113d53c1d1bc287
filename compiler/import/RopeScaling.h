//===- RopeScaling.h - the rope.scaling.* keys ------------------*- C++ -*-===//
//
// Reads GGUF's keys for context extension by RoPE scaling, and evaluates them
// as modeling_rope_utils.py of Hugging Face's `transformers` library does. Let
// g(m) = 0.1 * m * ln(factor) + 1 if the factor is above 1, and 1 otherwise.
// Cosines and sines are multiplied by attn_factor with every kind of scaling.
// With YaRN they are also multiplied by the first of the following factors
// whose condition holds:
//
//   yarn_attn_factor (attention_factor in the model's configuration), if that
//   key is present and not 0;
//   1, if yarn_ext_factor is 0;
//   g(1) / g(yarn_log_multiplier), if that key is present and not 0;
//   g(1).
//
// llama.cpp ignores the value of yarn_attn_factor, because it overwrites the
// value with g(1).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_ROPESCALING_H
#define AIRPACK_COMPILER_IMPORT_ROPESCALING_H

#include "compiler/import/SourceReader.h"

namespace air::compiler {

struct RopeScaling {
  double linearFactor = 1;
  double magnitude = 1; ///< factor that multiplies cosines and sines
  bool isYarn = false;
  // The fields below are used only with YaRN (see
  // compiler/emit/RopeFrequencies.h).
  double factor = 1;
  double originalContext = 0;
  double betaFast = 32;
  double betaSlow = 1;
  double mix = 1;
};

/// Reads and checks the keys for RoPE scaling. `trainedContext` is the original
/// context unless a key states a different one. An Unsupported error names a
/// kind of scaling that is not implemented, or a value that is supported only
/// with YaRN; a Corrupt error names a key whose value is out of range or has
/// the wrong type.
Result<RopeScaling> readRopeScaling(SourceReader &reader,
                                    uint64_t trainedContext);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_ROPESCALING_H
