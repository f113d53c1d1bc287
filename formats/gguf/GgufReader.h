//===- GgufReader.h - GGUF v2/v3 -> ModelSource -----------------*- C++ -*-===//
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A split
// model (NAME-00001-of-000NN.gguf, split.* keys) is opened by the name of its
// first file. Big-endian files and the type ids of the fork ik_llama.cpp are
// refused, with a message that states which of these is the cause.
//
// Errors: Io if a file or a part cannot be opened; Corrupt, with a message that
// states what is wrong (where possible, the byte at which it is, and the two
// numbers that disagree); Unsupported for a version, byte order or type id that
// is not supported, and for arrays of arrays; Usage if `path` is a later part
// of a split model. Messages contain the file's name.
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

/// Opens the file `path` and, if it is the first part of a split model, the
/// files of the other parts.
Result<ModelSource> readGguf(const std::string &path);

/// Parses one file that is in memory. `bytes` must outlive the result; `name`
/// is used in messages. The function is for fuzzing.
Result<ModelSource> parseGguf(std::span<const uint8_t> bytes,
                              const std::string &name);

/// Completes `data`, a vocabulary that comes from elsewhere, with what the
/// model's file says besides the vocabulary: the chat template, the ids of
/// special tokens, and, unless `data.hasTemplate`, whether BOS and EOS are
/// added. What the file does not say stays as it is. If `data.hasTemplate` is
/// true, the ids that affect how texts are encoded stay as they are, too: those
/// of BOS and EOS if they are added to texts, and that of the unknown token.
/// There is one exception: the file may add an unknown token to a BPE
/// vocabulary that has none and needs none, because each byte has a token.
/// Fails with Corrupt if a key has the wrong type, if an id that generation
/// needs is outside the vocabulary, or if BOS or EOS must be added but does not
/// exist.
Result<TokenizerData> withGgufSpecials(const ModelSource &source,
                                       TokenizerData data);

/// Converts the tokenizer.ggml.* keys to a TokenizerData, whose kind is None if
/// the file has no tokenizer. Absent keys have the defaults of llama.cpp, with
/// the exceptions that GgufTokenizer.cpp names. An id of -1 or 2^32 - 1 means
/// that there is no such token. Token types that contradict the text of the
/// token are corrected (KnownPieces.h), surplus entries of arrays are ignored,
/// and ids outside the vocabulary are dropped if generation does not need them;
/// each of these changes adds a note. The result may fail checkTokenizer().
///
/// Fails with Corrupt if a key is missing without which the vocabulary cannot
/// be used, a key has the wrong type or an invalid value, an array is shorter
/// than the vocabulary, a piece appears twice, or an id that generation needs
/// lies outside the vocabulary. Fails with Unsupported if the tokenizer model
/// (tokenizer.ggml.model) is not supported; the message names it and the
/// supported ones.
Result<TokenizerData> readGgufTokenizer(const ModelSource &source);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFREADER_H
