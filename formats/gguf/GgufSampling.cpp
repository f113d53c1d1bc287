//===- GgufSampling.cpp - the general.sampling.* keys ---------------------===//
#include "formats/gguf/GgufSampling.h"

#include "formats/model/ReadSampling.h"

namespace air {

SamplingDefaults readGgufSampling(const ModelSource &source,
                                  std::vector<std::string> &notes) {
  const std::string prefix = "general.sampling.";
  SamplingSettings settings;
  for (auto it = source.metadata.lower_bound(prefix);
       it != source.metadata.end() && it->first.starts_with(prefix); ++it) {
    settings[it->first.substr(prefix.size())] = {"key '" + it->first + "'",
                                                 it->second};
  }
  return readSampling(settings, notes);
}

} // namespace air
