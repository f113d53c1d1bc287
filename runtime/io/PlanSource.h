//===- PlanSource.h - segments straight from the mapped plan ----*- C++ -*-===//
//
// Weights lie in the file as kernels read them, so a resident plan runs from
// its own mapping: nothing is copied. Loader threads walk the plan's read
// order, ask the system to read ahead, and verify each segment's digest, which
// also brings its pages in. That is the load, and it runs while the first pass
// is already computing: require() waits for the segments of the next step only,
// and verifies one itself when no loader has begun it. Where memory has several
// nodes, a segment's pages are brought in on its readers' nodes before that.
//
// Ownership: borrows the PlanFile, which must outlive it. Segments with a codec
// other than None are refused (Unsupported): nothing could map them.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PLANSOURCE_H
#define AIRPACK_RUNTIME_IO_PLANSOURCE_H

#include "formats/plan/PlanFile.h"
#include "formats/support/Thread.h"
#include "runtime/io/NodePlacement.h"
#include "runtime/io/SegmentStore.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace air::rt {

class PlanSource final : public SegmentStore {
public:
  static constexpr uint32_t kMaxLoaders = 8;

  /// `loaders` threads verify ahead (at most kMaxLoaders; 0 leaves it all to
  /// require()). A thread that the system refuses is done without. `parts` are
  /// the compute threads by memory node, none where there is one node only.
  static Result<std::unique_ptr<PlanSource>>
  start(const PlanFile &plan, uint32_t loaders, std::vector<NodePart> parts);
  ~PlanSource() override;
  PlanSource(const PlanSource &) = delete;
  PlanSource &operator=(const PlanSource &) = delete;

  std::span<const uint8_t> segment(uint32_t index) const override;
  Status require(std::span<const uint32_t> segments) override;
  bool settled() const override {
    return pending.load(std::memory_order_acquire) == 0;
  }

private:
  enum class State : uint8_t { Untouched, Verifying, Ready, Failed };

  PlanSource(const PlanFile &plan, std::vector<NodePart> parts)
      : file(plan), nodeParts(std::move(parts)) {}
  void verifyAhead();
  /// Verifies a segment that this thread has claimed.
  void verifyClaimed(uint32_t index);
  void readAhead(uint32_t index) const;

  const PlanFile &file;
  std::vector<NodePart> nodeParts;
  std::vector<uint32_t> order; ///< segments as a pass first needs them
  std::vector<bool> ordered;   ///< by segment: it is in `order`
  std::vector<std::atomic<State>> states;
  std::atomic<uint32_t> next{0}; ///< place in `order` that no loader has taken
  std::atomic<uint32_t> pending{0}; ///< of `order`, not yet Ready
  std::atomic<bool> stopping{false};
  std::vector<Thread> threads;
  std::mutex mutex;
  std::condition_variable changed; ///< some state became Ready or Failed
  Status failure;                  ///< the first one; guarded by mutex
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PLANSOURCE_H
