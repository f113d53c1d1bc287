//===- TokenizerConfig.h - tokenizer_config.json ----------------*- C++ -*-===//
//
// What tokenizer_config.json, and files with chat templates in the same folder,
// say about a vocabulary. The names and meanings are those of Hugging Face's
// transformers 5
// (https://huggingface.co/docs/transformers/main_classes/tokenizer):
//
//   bos_token, eos_token, unk_token, pad_token
//                          a token's text, or an object whose field "content"
//                          is the text; null: there is no such token.
//                          unk_token does not change which token, if any,
//                          stands for unknown text
//   add_bos_token, add_eos_token
//                          ignored if there is a tokenizer.json, because its
//                          field post_processor says which tokens are added
//   chat_template          a template, or a list of templates with names; the
//                          one named "default" is the main one
//
// Templates in chat_template.jinja and in additional_chat_templates/NAME.jinja
// take the place of those in tokenizer_config.json. All other fields are
// ignored.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TOKENIZER_TOKENIZERCONFIG_H
#define AIRPACK_FORMATS_TOKENIZER_TOKENIZERCONFIG_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

#include <string>

namespace air {

/// Completes `data`, the vocabulary of the folder `path`, from
/// tokenizer_config.json and the template files of that folder. Adds a sentence
/// to `data.notes` for each of the fields above that is ignored because it
/// contradicts the vocabulary or tokenizer.json. If `path` is not a folder,
/// nothing changes. Fails with Io if a file cannot be read, and with Corrupt if
/// a file is malformed. Thread-safe.
Status readTokenizerConfig(const std::string &path, TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_TOKENIZERCONFIG_H
