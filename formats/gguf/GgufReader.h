//===- GgufReader.h - GGUF v2/v3 -> ModelSource -----------------*- C++ -*-===//
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Split
// files (NAME-00001-of-000NN.gguf, split.* keys) are read from the first one's
// name. Big-endian files and the type ids of forks are refused by name.
//
// Errors: Io (can't open), Corrupt (what, at which byte, both numbers),
// Unsupported (version, endianness, type id).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFREADER_H
#define AIRPACK_FORMATS_GGUF_GGUFREADER_H

#include "formats/model/ModelSource.h"

namespace air {

/// Opens `path` and, when it is the first of a split, its siblings.
Result<ModelSource> readGguf(const std::string &path);

/// Parses one file's bytes; `bytes` must outlive the result. For fuzzing.
Result<ModelSource> parseGguf(std::span<const uint8_t> bytes,
                              const std::string &name);

/// tokenizer.ggml.* -> TokenizerData. Corrupt when arrays disagree in length or
/// an id lies outside the vocabulary; Unsupported names the model ("t5", ...)
/// and what is supported.
Result<TokenizerData> readGgufTokenizer(const ModelSource &source);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFREADER_H
