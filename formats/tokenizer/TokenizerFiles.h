//===- TokenizerFiles.h - vocabularies outside of GGUF ----------*- C++ -*-===//
//
// Three kinds of files become TokenizerData:
//  - tokenizer.json of Hugging Face's tokenizers (https://huggingface.co/docs/
//    tokenizers). Its components are listed in docs/tokenizers.md; others are
//    refused by name.
//  - tokenizer.model of sentencepiece: a protocol buffer ModelProto
//    (https://github.com/google/sentencepiece/blob/master/src/
//    sentencepiece_model.proto) of the type unigram or BPE.
//  - vocab.json and merges.txt of GPT-2: byte-level BPE. These files do not say
//    how text is split.
//
// Errors: Corrupt for a malformed file, Unsupported for a well-formed one that
// needs a feature that is not implemented, DoesNotFit for a file of more than
// 128 MiB. All functions are thread-safe.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TOKENIZER_TOKENIZERFILES_H
#define AIRPACK_FORMATS_TOKENIZER_TOKENIZERFILES_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

#include <string>
#include <string_view>

namespace air {

/// Reads the vocabulary at `path`, which is a tokenizer.json, a tokenizer.model
/// or a folder. In a folder, it reads tokenizer.json, or else tokenizer.model,
/// or else vocab.json and merges.txt. `pre` names the pre-tokenizer for
/// vocab.json (PreTokenizerNames.h), and must be empty for the other files,
/// which describe their own. Also fails with Io if the file cannot be read, and
/// with Usage if `pre` is missing, unknown or superfluous.
Result<TokenizerData> readTokenizer(const std::string &path,
                                    const std::string &pre);

/// True for a folder, and for a name that ends in .json or .model.
bool isTokenizerPath(const std::string &path);

Result<TokenizerData> parseTokenizerJson(std::string_view text);
Result<TokenizerData> parseSentencePieceModel(std::string_view bytes);
Result<TokenizerData> parseVocabAndMerges(std::string_view vocab,
                                          std::string_view merges,
                                          const std::string &pre);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_TOKENIZERFILES_H
