//===- GgufReader.h - GGUF v2/v3 -> ModelSource -----------------*- C++ -*-===//
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Split
// files (NAME-00001-of-000NN.gguf, split.* keys) are read from the first one's
// name. Big-endian files and the type ids of forks are refused by name.
//
// Errors: Io (can't open a file or a part), Corrupt (what, at which byte, both
// numbers), Unsupported (version, endianness, type id, arrays of arrays), Usage
// (a later part of a split was given). Messages start with the file's name.
//
// A header (metadata and tensor index) may take 64 MiB. Memory is proportional
// to it, time to n log n of its entries; tensor data is not looked at.
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

/// tokenizer.ggml.* -> TokenizerData; kind None when the file has no tokenizer.
/// Absent keys get llama.cpp's defaults; an id of -1 or 2^32 - 1 means none.
/// Types that a piece's text contradicts are corrected (KnownPieces.h), with a
/// note. The result need not pass checkTokenizer().
/// Corrupt when an array is shorter than the vocabulary (surplus entries are
/// cut, with a note), a piece comes twice or an id that generation needs lies
/// outside the vocabulary (others become none, with a note);
/// Unsupported names the model ("t5", ...) and what is supported.
Result<TokenizerData> readGgufTokenizer(const ModelSource &source);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFREADER_H
