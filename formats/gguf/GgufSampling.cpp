//===- GgufSampling.cpp - the general.sampling.* keys ---------------------===//
#include "formats/gguf/GgufSampling.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace air {
namespace {

class Reader {
public:
  Reader(const ModelSource &modelSource, std::vector<std::string> &noteList)
      : source(modelSource), notes(noteList) {}

  SamplingDefaults read() {
    constexpr double kLargest = std::numeric_limits<float>::max();
    constexpr double kLargestInt = std::numeric_limits<int32_t>::max();
    SamplingDefaults defaults;
    defaults.temperature = real("temp", 0, kLargest);
    defaults.topK = integer("top_k", -kLargestInt, kLargestInt);
    defaults.topP = real("top_p", 0, 1);
    defaults.minP = real("min_p", 0, 1);
    defaults.repeatPenalty =
        real("penalty_repeat", std::numeric_limits<float>::min(), kLargest);
    defaults.repeatLastN = integer("penalty_last_n", -1, kMaxRepeatLastN);
    defaults.xtcProbability = real("xtc_probability", 0, 1);
    defaults.xtcThreshold = real("xtc_threshold", 0, 1);
    defaults.mirostat = integer("mirostat", 0, 2);
    defaults.mirostatTau = real("mirostat_tau", 0, kLargest);
    defaults.mirostatEta = real("mirostat_eta", 0, kLargest);
    defaults.samplers = sequence();
    return defaults;
  }

private:
  static std::string fullKey(const char *key) {
    return std::string("general.sampling.") + key;
  }

  static std::string shortText(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.10g", value);
    return text.data();
  }

  static std::string outOfRange(double value, double least, double most) {
    return shortText(value) + " is not in the range from " + shortText(least) +
           " to " + shortText(most);
  }

  void ignore(const char *key, const std::string &why) {
    notes.push_back("key '" + fullKey(key) + "' is ignored: " + why);
  }

  /// Returns the value of `key` if it is a number of any type. Otherwise
  /// returns nullopt, and adds a note unless the key is absent.
  std::optional<double> number(const char *key) {
    auto found = source.metadata.find(fullKey(key));
    if (found == source.metadata.end()) {
      return std::nullopt;
    }
    if (const auto *value = std::get_if<double>(&found->second)) {
      return *value;
    }
    if (const auto *value = std::get_if<int64_t>(&found->second)) {
      return static_cast<double>(*value);
    }
    if (const auto *value = std::get_if<uint64_t>(&found->second)) {
      return static_cast<double>(*value);
    }
    ignore(key, "it is not a number");
    return std::nullopt;
  }

  std::optional<float> real(const char *key, double least, double most) {
    std::optional<double> value = number(key);
    if (!value) {
      return std::nullopt;
    }
    if (!(*value >= least && *value <= most)) {
      ignore(key, outOfRange(*value, least, most));
      return std::nullopt;
    }
    return static_cast<float>(*value);
  }

  std::optional<int32_t> integer(const char *key, double least, double most) {
    std::optional<double> value = number(key);
    if (!value) {
      return std::nullopt;
    }
    if (!(*value >= least && *value <= most)) {
      ignore(key, outOfRange(*value, least, most));
      return std::nullopt;
    }
    if (std::trunc(*value) != *value) {
      ignore(key, shortText(*value) + " is not a whole number");
      return std::nullopt;
    }
    return static_cast<int32_t>(*value);
  }

  /// The names of samplers, separated by semicolons, as in the option
  /// --samplers of llama.cpp.
  std::vector<SamplerKind> sequence() {
    auto found = source.metadata.find(fullKey("sequence"));
    if (found == source.metadata.end()) {
      return {};
    }
    const auto *text = std::get_if<std::string>(&found->second);
    if (text == nullptr) {
      ignore("sequence", "it is not a string");
      return {};
    }
    Result<std::vector<SamplerKind>> samplers = parseSamplerNames(*text);
    if (!samplers) {
      ignore("sequence", samplers.status().message());
      return {};
    }
    return *std::move(samplers);
  }

  const ModelSource &source;
  std::vector<std::string> &notes;
};

} // namespace

SamplingDefaults readGgufSampling(const ModelSource &source,
                                  std::vector<std::string> &notes) {
  return Reader(source, notes).read();
}

} // namespace air
