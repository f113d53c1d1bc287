//===- SamplingDefaults.h - sampler settings of a model ---------*- C++ -*-===//
//
// The sampler settings that a model's files recommend: the general.sampling.*
// keys of GGUF, and generation_config.json. They override the programs' own
// defaults, and command-line options override them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H
#define AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H

#include "formats/model/SamplerKind.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace air {

/// The recommended settings. A field is absent if the model's files do not set
/// it to a valid value. The fields mean what the options of the same name mean
/// (runtime/text/SamplerOptions.h), but some have wider ranges.
struct SamplingDefaults {
  std::optional<float> temperature;    ///< at least 0
  std::optional<int32_t> topK;         ///< 0 or less keeps all tokens
  std::optional<float> topP;           ///< 0 to 1
  std::optional<float> minP;           ///< 0 to 1
  std::optional<float> repeatPenalty;  ///< above 0
  std::optional<int32_t> repeatLastN;  ///< in tokens; -1: the whole context
  std::optional<float> xtcProbability; ///< 0 to 1
  std::optional<float> xtcThreshold;   ///< 0 to 1
  std::optional<int32_t> mirostat;     ///< version: 0 (off), 1 or 2
  std::optional<float> mirostatTau;    ///< at least 0
  std::optional<float> mirostatEta;    ///< at least 0
  std::vector<SamplerKind> samplers;   ///< empty: the default order
  std::optional<float> typicalP;       ///< 0 to 1

  bool operator==(const SamplingDefaults &) const = default;
};

/// The largest repeatLastN that a model may recommend, in tokens. To choose
/// each new token, the penalties may visit all of the last repeatLastN tokens.
/// No published model has a context as long as this limit.
inline constexpr int32_t kMaxRepeatLastN = 1 << 24;

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H
