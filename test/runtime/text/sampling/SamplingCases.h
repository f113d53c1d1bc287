//===- SamplingCases.h - reads the cases of test/Inputs/sampling *- C++ -*-===//
#ifndef AIRPACK_TEST_RUNTIME_TEXT_SAMPLING_SAMPLINGCASES_H
#define AIRPACK_TEST_RUNTIME_TEXT_SAMPLING_SAMPLINGCASES_H

#include "runtime/text/Sampler.h"

#include <map>
#include <nlohmann/json.hpp>

namespace air::rt {

nlohmann::json readCases(const std::string &name);

/// The options that `given` names; the others have their defaults.
SamplerOptions optionsOf(const nlohmann::json &given);

/// null stands for -infinity.
std::vector<float> logitsOf(const nlohmann::json &numbers);

/// Options with which all samplers are off, so that a token is drawn from
/// softmax(logits).
SamplerOptions plainSampling();

/// Token i of this byte-level vocabulary, with i below 94, is the character
/// 33 + i of ASCII.
const Tokenizer &letterTokenizer();

/// The probabilities, by id, from which the last stage of a chain draws. Ids
/// whose probability is 0 are left out.
std::map<int32_t, double> probabilitiesOf(CandidateSet &set,
                                          const SamplerOptions &options);

/// The probability of each token, by id, to be drawn next by a new sampler that
/// has accepted the tokens of `history`. Ids whose probability is 0 are left
/// out.
std::map<int32_t, double>
distribution(const SamplerOptions &options, const std::vector<float> &logits,
             const std::vector<int32_t> &history = {});

} // namespace air::rt

#endif // AIRPACK_TEST_RUNTIME_TEXT_SAMPLING_SAMPLINGCASES_H
