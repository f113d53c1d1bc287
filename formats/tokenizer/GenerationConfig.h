//===- GenerationConfig.h - generation_config.json --------------*- C++ -*-===//
//
// What generation_config.json and config.json, in the folder of a tokenizer,
// say about generation. The names and meanings of the fields are those of the
// class GenerationConfig in Hugging Face's transformers
// (https://huggingface.co/docs/transformers/main_classes/text_generation):
//
//   eos_token_id        an id or a list of ids that end an answer. This field
//                       is also read from config.json
//   temperature, top_k, top_p, min_p, typical_p
//   repetition_penalty  applies to all tokens of the prompt and the answer
//   do_sample           false: the most probable token is chosen
//
// Fields that are not listed here are ignored, and so are fields that are null.
// A value that makes no sense results in a note, not an error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TOKENIZER_GENERATIONCONFIG_H
#define AIRPACK_FORMATS_TOKENIZER_GENERATIONCONFIG_H

#include "formats/model/ReadSampling.h"
#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

#include <string>
#include <string_view>

namespace air {

inline constexpr const char *kGenerationConfigName = "generation_config.json";

/// Reads generation_config.json and config.json, if `path` is a folder that has
/// them. Adds the ids that end an answer to `data.endOfGeneration`; the first
/// becomes `data.eos` if `data.eos` has no token yet. Adds a sentence to
/// `data.notes` for each id that is ignored, and one if do_sample is ignored.
/// Returns the sampler settings of generation_config.json; readSampling()
/// checks them. Fails with Io if a file cannot be read, and with Corrupt if it
/// is not a JSON object. Thread-safe.
Result<SamplingSettings> readGenerationConfig(const std::string &path,
                                              TokenizerData &data);

/// Does what readGenerationConfig() does, but with `text`, the contents of one
/// file. Notes call the file `name`. Stores the sampler settings in
/// `settings`, unless it is null. It is null for a config.json, because old
/// versions of transformers wrote their own defaults into that file.
Status parseGenerationConfig(std::string_view text, const std::string &name,
                             TokenizerData &data, SamplingSettings *settings);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_GENERATIONCONFIG_H
