//===- SamplerKind.h - the samplers and their names -------------*- C++ -*-===//
//
// A list of samplers contains those that are used, in the order in which they
// are applied. As text, it consists of names or of letters. Both are those of
// llama.cpp (common/sampling.cpp of October 2026), so that a list which was
// written for llama.cpp, or which a GGUF file recommends, means the same here.
// docs/sampling.md has the formulas.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_SAMPLERKIND_H
#define AIRPACK_FORMATS_MODEL_SAMPLERKIND_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// Plans store these values (plan.fbs), so none of them may change.
enum class SamplerKind : uint8_t {
  Penalties = 0,
  Dry = 1,
  TopNSigma = 2,
  TopK = 3,
  TypicalP = 4,
  TopP = 5,
  MinP = 6,
  Xtc = 7,
  Temperature = 8,
  AdaptiveP = 9,
};

inline constexpr size_t kSamplerKinds = 10;

/// The samplers that are used, in order, unless the user or the model asks for
/// others. AdaptiveP is not among them.
std::vector<SamplerKind> defaultSamplers();

/// The name that lists of samplers use, such as "top_k".
std::string_view samplerName(SamplerKind kind);

/// The names of `samplers`, separated by semicolons.
std::string samplerNames(const std::vector<SamplerKind> &samplers);

/// Reads names that are separated by semicolons or commas. Case is ignored. A
/// name may be written with '-' instead of each '_', or without any '_'.
/// "temp", "typ" and "nucleus" also stand for temperature, typ_p and top_p.
/// Fails with Usage if a name is not known; the message lists the known ones.
Result<std::vector<SamplerKind>> parseSamplerNames(std::string_view text);

/// Reads a word that has one letter for each sampler, such as "kpt". Fails with
/// Usage if a letter is not known or there is none; the message lists the known
/// ones.
Result<std::vector<SamplerKind>> parseSamplerLetters(std::string_view text);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_SAMPLERKIND_H
