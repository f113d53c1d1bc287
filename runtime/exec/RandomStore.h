//===- RandomStore.h - made-up weights for a weightless plan ----*- C++ -*-===//
//
// Stands in for the weights of a weightless plan when only times matter. Every
// vector of float32 or float64, such as the weights of a norm, gets equal small
// numbers, and every other tensor gets random bits that are finite numbers in
// all dtypes. The sums of a model then stay finite. The same plan always gets
// the same bytes.
//
// Ownership: borrows the PlanFile, which must outlive it. Thread-safety: one
// caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_RANDOMSTORE_H
#define AIRPACK_RUNTIME_EXEC_RANDOMSTORE_H

#include "formats/plan/PlanFile.h"
#include "runtime/io/SegmentStore.h"

#include <memory>
#include <vector>

namespace air::rt {

class RandomStore final : public SegmentStore {
public:
  /// Allocates memory for all weights and fills it. DoesNotFit if the system
  /// does not provide the memory.
  static Result<std::unique_ptr<RandomStore>> create(const PlanFile &plan);

  LoadProgress loading() const override { return {bytes, bytes}; }
  std::span<const uint8_t> segment(uint32_t index) const override;
  std::span<const uint8_t> table(uint32_t index) const override {
    return segment(index);
  }
  Status beginPass(uint32_t) override { return Status::ok(); }
  /// Verifies those of `segments` that contain kernels.
  Status requireNow(std::span<const uint32_t> segments) override;
  Status require(uint32_t, std::span<const uint32_t> segments) override {
    return requireNow(segments);
  }
  uint32_t residentSteps(uint32_t step, uint32_t end) const override {
    return end - step;
  }
  Status requireRest() override { return Status::ok(); }
  Status requireRows(std::span<const SegmentRange>) override {
    return Status::ok();
  }
  void release(uint32_t) override {}
  void endPass() override {}
  bool settled() const override { return true; }

private:
  explicit RandomStore(const PlanFile &plan) : file(plan) {}

  const PlanFile &file;
  uint64_t bytes = 0; ///< total size of the weights
  struct Free {
    void operator()(uint8_t *memory) const;
  };
  /// The weights of each segment, aligned as in a plan file, because kernels of
  /// the CPU read them here; null for segments that contain kernels.
  std::vector<std::unique_ptr<uint8_t[], Free>> weights;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_RANDOMSTORE_H
