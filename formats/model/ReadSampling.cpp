//===- ReadSampling.cpp - recommended sampler settings --------------------===//
#include "formats/model/ReadSampling.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace air {
namespace {

std::string shortText(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.10g", value);
  return text.data();
}

std::optional<double> numberOf(const MetadataValue &value) {
  if (const auto *real = std::get_if<double>(&value)) {
    return *real;
  }
  if (const auto *integer = std::get_if<int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  if (const auto *integer = std::get_if<uint64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  return std::nullopt;
}

class Reader {
public:
  Reader(const SamplingSettings &given, std::vector<std::string> &noteList)
      : settings(given), notes(noteList) {}

  SamplingDefaults read() {
    constexpr double kLargest = std::numeric_limits<float>::max();
    constexpr double kLargestInt = std::numeric_limits<int32_t>::max();
    SamplingDefaults defaults;
    defaults.temperature = real("temp", 0, kLargest);
    defaults.topK = integer("top_k", -kLargestInt, kLargestInt);
    // All numbers below 1 keep all tokens. Options know only 0 and -1.
    if (defaults.topK && *defaults.topK < 0) {
      defaults.topK = -1;
    }
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
    defaults.typicalP = real("typ_p", 0, 1);
    return defaults;
  }

private:
  static std::string outOfRange(double value, double least, double most) {
    return shortText(value) + " is not in the range from " + shortText(least) +
           " to " + shortText(most);
  }

  void ignore(const SamplingSetting &setting, const std::string &why) {
    notes.push_back(setting.place + " is ignored: " + why);
  }

  const SamplingSetting *find(const char *key) const {
    auto found = settings.find(key);
    return found == settings.end() ? nullptr : &found->second;
  }

  /// Returns the value of `key` if it is a number of any type. Otherwise
  /// returns nullopt, and adds a note unless the key is absent.
  std::optional<double> number(const char *key) {
    const SamplingSetting *setting = find(key);
    if (setting == nullptr) {
      return std::nullopt;
    }
    if (std::optional<double> value = numberOf(setting->value)) {
      return value;
    }
    ignore(*setting, "it is not a number");
    return std::nullopt;
  }

  std::optional<float> real(const char *key, double least, double most) {
    std::optional<double> value = number(key);
    if (!value) {
      return std::nullopt;
    }
    if (!(*value >= least && *value <= most)) {
      ignore(*find(key), outOfRange(*value, least, most));
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
      ignore(*find(key), outOfRange(*value, least, most));
      return std::nullopt;
    }
    if (std::trunc(*value) != *value) {
      ignore(*find(key), shortText(*value) + " is not a whole number");
      return std::nullopt;
    }
    return static_cast<int32_t>(*value);
  }

  /// Returns the samplers that the setting "sequence" names, in the format of
  /// llama.cpp's option --samplers. Returns an empty list if the setting is
  /// absent or ignored.
  std::vector<SamplerKind> sequence() {
    const SamplingSetting *setting = find("sequence");
    if (setting == nullptr) {
      return {};
    }
    const auto *text = std::get_if<std::string>(&setting->value);
    if (text == nullptr) {
      ignore(*setting, "it is not a string");
      return {};
    }
    Result<std::vector<SamplerKind>> samplers = parseSamplerNames(*text);
    if (!samplers) {
      ignore(*setting, samplers.status().message());
      return {};
    }
    return *std::move(samplers);
  }

  const SamplingSettings &settings;
  std::vector<std::string> &notes;
};

} // namespace

SamplingDefaults readSampling(const SamplingSettings &settings,
                              std::vector<std::string> &notes) {
  return Reader(settings, notes).read();
}

void overrideSampling(SamplingDefaults &defaults,
                      const SamplingDefaults &config, const std::string &file,
                      std::vector<std::string> &notes) {
  auto take = [&](const char *option, auto SamplingDefaults::*field) {
    if (!(config.*field)) {
      return;
    }
    if (defaults.*field && *(defaults.*field) != *(config.*field)) {
      notes.push_back("the model's file recommends " + std::string(option) +
                      " " + shortText(static_cast<double>(*(defaults.*field))) +
                      ", but " + file + " recommends " +
                      shortText(static_cast<double>(*(config.*field))) +
                      ", which is used");
    }
    defaults.*field = config.*field;
  };
  take("--temp", &SamplingDefaults::temperature);
  take("--top-k", &SamplingDefaults::topK);
  take("--top-p", &SamplingDefaults::topP);
  take("--min-p", &SamplingDefaults::minP);
  take("--typical-p", &SamplingDefaults::typicalP);
  take("--repeat-penalty", &SamplingDefaults::repeatPenalty);
  take("--repeat-last-n", &SamplingDefaults::repeatLastN);
}

} // namespace air
