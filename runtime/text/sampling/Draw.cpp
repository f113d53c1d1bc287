//===- Draw.cpp - chooses a token by its probability ----------------------===//
#include "runtime/text/SplitMix64.h"
#include "runtime/text/sampling/SamplerStage.h"

namespace air::rt {
namespace {

class DrawStage : public CopyableStage<DrawStage> {
public:
  explicit DrawStage(uint64_t seed) : seed(seed), random(seed) {}

  Status apply(CandidateSet &set) override {
    const double total = set.computeDrawWeights();
    if (total == 0) {
      return internalError("sampler: no token has a probability above 0");
    }
    set.choose(total, random.nextUnit());
    return Status::ok();
  }

  void skipDraw() override { (void)random.next(); }

  void reset() override { random = SplitMix64(seed); }

private:
  uint64_t seed;
  SplitMix64 random;
};

} // namespace

StagePtr makeDraw(uint64_t seed) { return std::make_unique<DrawStage>(seed); }

} // namespace air::rt
