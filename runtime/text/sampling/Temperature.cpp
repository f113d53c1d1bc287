//===- Temperature.cpp - fixed and dynamic temperature --------------------===//
#include "runtime/text/sampling/SamplerStage.h"

#include <algorithm>
#include <cmath>

namespace air::rt {
namespace {

/// A dynamic temperature below this number counts as 0, because dividing by it
/// could overflow.
constexpr double kLeastTemperature = 1e-30;

void keepTheBest(CandidateSet &set) {
  const size_t best = set.best();
  set.filter([best](size_t i) { return i == best; });
}

class TemperatureStage : public CopyableStage<TemperatureStage> {
public:
  explicit TemperatureStage(float temperature) : temperature(temperature) {}

  Status apply(CandidateSet &set) override {
    if (temperature <= 0) {
      keepTheBest(set);
    } else {
      set.divideBy(temperature);
    }
    return Status::ok();
  }

private:
  double temperature;
};

class DynamicTemperatureStage : public CopyableStage<DynamicTemperatureStage> {
public:
  explicit DynamicTemperatureStage(const SamplerOptions &options)
      : lowest(std::max(0.0, double{options.temperature} -
                                 double{options.dynatempRange})),
        highest(double{options.temperature} + double{options.dynatempRange}),
        exponent(options.dynatempExponent) {}

  Status apply(CandidateSet &set) override {
    if (set.size() <= 1) {
      return Status::ok();
    }
    const double total = set.computeWeights();
    if (total == 0) {
      return Status::ok();
    }
    const double entropy =
        std::max(0.0, std::log(total) - set.meanDistance(total));
    const double largest = std::log(static_cast<double>(set.size()));
    const double temperature =
        lowest + (highest - lowest) * std::pow(entropy / largest, exponent);
    if (temperature < kLeastTemperature) {
      keepTheBest(set);
    } else {
      set.divideBy(temperature);
    }
    return Status::ok();
  }

private:
  double lowest;
  double highest;
  double exponent;
};

} // namespace

StagePtr makeTemperature(const SamplerOptions &options) {
  if (options.dynatempRange > 0) {
    return std::make_unique<DynamicTemperatureStage>(options);
  }
  return std::make_unique<TemperatureStage>(options.temperature);
}

} // namespace air::rt
