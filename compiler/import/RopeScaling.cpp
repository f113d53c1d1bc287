//===- RopeScaling.cpp - the rope.scaling.* keys ----------------*- C++ -*-===//
#include "compiler/import/RopeScaling.h"

#include "formats/support/NumberText.h"
#include "formats/support/Printable.h"

#include <cmath>

namespace air::compiler {
namespace {

Status outOfRange(const SourceReader &reader, const std::string &key,
                  double value, const std::string &range) {
  return corruptError("key '" + reader.fullKey(key) + "' is " +
                      numberText(value) + "; it must be " + range);
}

/// Returns the value of a key, which must be positive, or `standard` when the
/// key is absent.
Result<double> positive(SourceReader &reader, const std::string &key,
                        double standard) {
  AIR_ASSIGN_OR_RETURN(auto value, reader.optionalNumber(key));
  double number = value.value_or(standard);
  if (!std::isfinite(number) || number <= 0) {
    return outOfRange(reader, key, number, "finite and positive");
  }
  return number;
}

/// Returns the value of a key, or nullopt when it is absent or 0, which means
/// that it is unset.
Result<std::optional<double>> notZero(SourceReader &reader,
                                      const std::string &key) {
  AIR_ASSIGN_OR_RETURN(auto value, reader.optionalNumber(key));
  if (value && !std::isfinite(*value)) {
    return outOfRange(reader, key, *value, "finite");
  }
  return value.value_or(0) == 0 ? std::nullopt : value;
}

/// Returns the factor by which the model's context was extended, or 1 when it
/// was not extended.
Result<double> stretch(SourceReader &reader) {
  AIR_ASSIGN_OR_RETURN(auto factor, notZero(reader, "rope.scaling.factor"));
  // Older files store the factor under this key.
  AIR_ASSIGN_OR_RETURN(auto oldFactor, notZero(reader, "rope.scale_linear"));
  double value = factor ? *factor : oldFactor.value_or(1.0);
  if (value < 0) {
    return outOfRange(reader,
                      factor ? "rope.scaling.factor" : "rope.scale_linear",
                      value, "finite and positive");
  }
  return value;
}

double magnitudeOf(double factor, double m) {
  return factor > 1 ? 0.1 * m * std::log(factor) + 1 : 1;
}

Status readYarn(SourceReader &reader, uint64_t trainedContext,
                RopeScaling &scaling) {
  AIR_ASSIGN_OR_RETURN(
      auto original,
      reader.optionalCount("rope.scaling.original_context_length"));
  scaling.isYarn = true;
  scaling.originalContext = static_cast<double>(
      original.value_or(0) == 0 ? trainedContext : *original);
  AIR_ASSIGN_OR_RETURN(
      scaling.betaFast,
      positive(reader, "rope.scaling.yarn_beta_fast", scaling.betaFast));
  AIR_ASSIGN_OR_RETURN(
      scaling.betaSlow,
      positive(reader, "rope.scaling.yarn_beta_slow", scaling.betaSlow));
  if (scaling.betaSlow > scaling.betaFast) {
    return outOfRange(reader, "rope.scaling.yarn_beta_slow", scaling.betaSlow,
                      "at most rope.scaling.yarn_beta_fast, which is " +
                          numberText(scaling.betaFast));
  }
  AIR_ASSIGN_OR_RETURN(auto mix,
                       reader.optionalNumber("rope.scaling.yarn_ext_factor"));
  // A negative value means that the key is unset.
  scaling.mix = mix && !(*mix < 0) ? *mix : 1.0;
  if (!std::isfinite(scaling.mix)) {
    return outOfRange(reader, "rope.scaling.yarn_ext_factor", scaling.mix,
                      "finite");
  }
  AIR_ASSIGN_OR_RETURN(auto logMultiplier,
                       notZero(reader, "rope.scaling.yarn_log_multiplier"));
  AIR_ASSIGN_OR_RETURN(auto given,
                       notZero(reader, "rope.scaling.yarn_attn_factor"));
  if (given) {
    scaling.magnitude = *given;
  } else if (scaling.mix != 0) {
    scaling.magnitude = magnitudeOf(scaling.factor, 1);
    if (logMultiplier) {
      scaling.magnitude /= magnitudeOf(scaling.factor, *logMultiplier);
    }
  }
  return Status::ok();
}

/// Checks the keys for YaRN of a model that does not use YaRN. Even then,
/// yarn_ext_factor would change angles and yarn_attn_factor would change
/// magnitudes, so only the values with which they change nothing are accepted.
/// The other keys for YaRN have no effect.
Status refuseYarn(SourceReader &reader, const std::string &type) {
  for (const char *key :
       {"rope.scaling.original_context_length", "rope.scaling.yarn_beta_fast",
        "rope.scaling.yarn_beta_slow", "rope.scaling.yarn_log_multiplier"}) {
    reader.ignore(key);
  }
  AIR_ASSIGN_OR_RETURN(auto mix,
                       reader.optionalNumber("rope.scaling.yarn_ext_factor"));
  AIR_ASSIGN_OR_RETURN(auto given,
                       notZero(reader, "rope.scaling.yarn_attn_factor"));
  const bool isMixed = !(mix.value_or(0) <= 0);
  if (!isMixed && given.value_or(1) == 1) {
    return Status::ok();
  }
  const char *key = isMixed ? "rope.scaling.yarn_ext_factor"
                            : "rope.scaling.yarn_attn_factor";
  return unsupportedError("key '" + reader.fullKey(key) + "' is " +
                          numberText(isMixed ? *mix : *given) +
                          ", but the rope scaling is '" + type +
                          "'; this value is supported only with 'yarn'");
}

} // namespace

Result<RopeScaling> readRopeScaling(SourceReader &reader,
                                    uint64_t trainedContext) {
  AIR_ASSIGN_OR_RETURN(auto given, reader.optionalText("rope.scaling.type"));
  const std::string type = given.value_or("linear");
  if (type != "none" && type != "linear" && type != "yarn") {
    return unsupportedError("rope scaling " + inQuotes(type) + " ('" +
                            reader.fullKey("rope.scaling.type") +
                            "') is not supported; supported: none, linear, "
                            "yarn");
  }
  RopeScaling scaling;
  AIR_ASSIGN_OR_RETURN(double factor, stretch(reader));
  if (type == "yarn") {
    scaling.factor = factor;
    AIR_RETURN_IF_ERROR(readYarn(reader, trainedContext, scaling));
  } else {
    scaling.linearFactor = type == "none" ? 1.0 : factor;
    AIR_RETURN_IF_ERROR(refuseYarn(reader, type));
  }
  AIR_ASSIGN_OR_RETURN(auto attention,
                       notZero(reader, "rope.scaling.attn_factor"));
  scaling.magnitude *= attention.value_or(1.0);
  if (!std::isfinite(scaling.magnitude) || scaling.magnitude <= 0) {
    std::string keys =
        "key '" + reader.fullKey("rope.scaling.attn_factor") + "'";
    if (scaling.isYarn) {
      keys = "the keys '" + reader.fullKey("rope.scaling.factor") + "', '" +
             reader.fullKey("rope.scaling.yarn_attn_factor") + "', '" +
             reader.fullKey("rope.scaling.yarn_log_multiplier") + "' and '" +
             reader.fullKey("rope.scaling.attn_factor") + "'";
    }
    return corruptError(
        "rope scaling '" + type + "' multiplies cosines and sines by " +
        numberText(scaling.magnitude) +
        "; the factor must be finite and positive; check " + keys);
  }
  // The key records whether the model was fine-tuned with scaling, which does
  // not change what the model computes.
  reader.ignore("rope.scaling.finetuned");
  return scaling;
}

} // namespace air::compiler
