//===- ReadSampling.h - recommended sampler settings ------------*- C++ -*-===//
//
// Checks the sampler settings that a model's files recommend. A setting has the
// same range, whichever file it comes from. A setting that has the wrong type
// or is out of range, or a list of samplers that names an unknown one, is
// ignored with a note; it is not an error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_READSAMPLING_H
#define AIRPACK_FORMATS_MODEL_READSAMPLING_H

#include "formats/model/ModelSource.h"
#include "formats/model/SamplingDefaults.h"

#include <map>
#include <string>
#include <vector>

namespace air {

/// A setting before it is checked.
struct SamplingSetting {
  /// The setting's name in notes, for example "key 'general.sampling.temp'".
  std::string place;
  MetadataValue value;
};

/// The settings by their names in GGUF without "general.sampling.". GGUF has no
/// name for typical_p, which is called "typ_p" here.
using SamplingSettings = std::map<std::string, SamplingSetting>;

/// Checks the settings. Appends a sentence to `notes` for each known setting
/// that is ignored. Settings with unknown names are ignored without a note.
SamplingDefaults readSampling(const SamplingSettings &settings,
                              std::vector<std::string> &notes);

/// Replaces each field of `defaults` that is set in `config`, except the fields
/// that a generation_config.json cannot set. Appends a sentence to `notes` for
/// each field that had another value before; `file` is the name of the file
/// from which `config` was read.
void overrideSampling(SamplingDefaults &defaults,
                      const SamplingDefaults &config, const std::string &file,
                      std::vector<std::string> &notes);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_READSAMPLING_H
