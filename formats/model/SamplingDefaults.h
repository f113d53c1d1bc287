//===- SamplingDefaults.h - how a model wants to be sampled -----*- C++ -*-===//
//
// The sampler settings that a model file recommends: GGUF's general.sampling.*
// keys. They replace the programs' own defaults; an option replaces them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H
#define AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H

#include <cstdint>
#include <optional>

namespace air {

/// Absent: the file says nothing. Meaning and range as of the options of the
/// same name (runtime/text/Sampler.h).
struct SamplingDefaults {
  std::optional<float> temperature;   ///< 0 and more
  std::optional<int32_t> topK;        ///< 0 and less: all
  std::optional<float> topP;          ///< 0 to 1
  std::optional<float> minP;          ///< 0 to 1
  std::optional<float> repeatPenalty; ///< above 0
  std::optional<int32_t> repeatLastN; ///< -1: the whole context

  bool operator==(const SamplingDefaults &) const = default;
};

/// The most tokens that penalties look back at, as a model may ask for.
inline constexpr int32_t kMaxRepeatLastN = 1 << 24;

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_SAMPLINGDEFAULTS_H
