//===- TopK.cpp - keeps the best tokens -----------------------------------===//
#include "runtime/text/sampling/SamplerStage.h"

namespace air::rt {
namespace {

class TopKStage : public CopyableStage<TopKStage> {
public:
  explicit TopKStage(size_t most) : most(most) {}

  Status apply(CandidateSet &set) override {
    if (most < set.size()) {
      set.sortBest(most);
      set.truncate(most);
    }
    return Status::ok();
  }

private:
  size_t most;
};

} // namespace

StagePtr makeTopK(int32_t most) {
  return std::make_unique<TopKStage>(static_cast<size_t>(most));
}

} // namespace air::rt
