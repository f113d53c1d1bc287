//===- GgufReader.h - GGUF v2/v3 -> ModelSource -----------------*- C++ -*-===//
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A split
// model (NAME-00001-of-000NN.gguf, split.* keys) is opened by the name of its
// first file. Big-endian files and the type ids of forks are refused; the
// message names them.
//
// Errors: Io (can't open a file or a part), Corrupt (with what is wrong, at
// which byte, and both numbers), Unsupported (version, endianness, type id,
// arrays of arrays), Usage (a later part of a split was given). Messages start
// with the file's name.
//
// A header (metadata and tensor index) may be at most 64 MiB long. Memory use
// is proportional to its size; the time for n entries is O(n log n). Tensor
// data is not read.
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
/// Absent keys have llama.cpp's defaults; an id of -1 or 2^32 - 1 means none.
/// Types that contradict the text of their piece are corrected (KnownPieces.h),
/// surplus entries of arrays are cut, and ids outside the vocabulary become
/// none if generation does not need them; each of these changes adds a note.
/// The result may fail checkTokenizer(). Corrupt when an array is shorter than
/// the vocabulary, a piece appears twice, or an id that generation needs lies
/// outside the vocabulary. An Unsupported error names the tokenizer model
/// ("t5", ...) and the supported ones.
Result<TokenizerData> readGgufTokenizer(const ModelSource &source);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFREADER_H
