//===- PlanSource.h - segments in the mapping of the plan -------*- C++ -*-===//
//
// The file stores weights in the form that kernels read, so a resident plan
// runs directly from its mapping and nothing is copied. Loader threads take the
// embedding tables first, and then the other segments in the order in which the
// plan reads them. They ask the system to read ahead, and verify the digests of
// each segment, which also brings its pages into memory. This loading runs
// while the first pass is already computing: require() waits only for the
// segments of the next step, and verifies a segment itself if no loader has
// started on it. On a machine with several NUMA nodes, the pages of a segment
// are first read on the nodes of the threads that use them (NodePlacement.h).
//
// Ownership: borrows the PlanFile, which must outlive it. Segments with a codec
// other than None are refused (Unsupported), because they cannot be used from
// the mapping.
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
  /// The largest number of threads that verify segments. A single thread
  /// computes digests about as fast as a core reads memory, so this many
  /// threads are expected to be faster than any disk, and still more threads
  /// would not load a plan faster.
  static constexpr uint32_t kMaxLoaders = 8;

  /// Starts at most `loaders` threads, and no more than kMaxLoaders, that
  /// verify segments before they are needed. The system may refuse some or all
  /// of the threads; require() verifies what no loader has verified. `parts`
  /// describes the compute threads of each NUMA node; it is empty if there is a
  /// single node. A segment for which `isLeftOut` is true is not loaded until
  /// requireNow() names it; if `isLeftOut` is empty, there is no such segment.
  static Result<std::unique_ptr<PlanSource>>
  start(const PlanFile &plan, uint32_t loaders, std::vector<NodePart> parts,
        const std::vector<bool> &isLeftOut = {});
  ~PlanSource() override;
  PlanSource(const PlanSource &) = delete;
  PlanSource &operator=(const PlanSource &) = delete;

  std::span<const uint8_t> segment(uint32_t index) const override;
  std::span<const uint8_t> table(uint32_t index) const override {
    return segment(index);
  }
  Status beginPass(uint32_t) override { return Status::ok(); }
  Status requireNow(std::span<const uint32_t> segments) override;
  Status require(uint32_t, std::span<const uint32_t> segments) override {
    return requireNow(segments);
  }
  uint32_t residentSteps(uint32_t, uint32_t) const override { return 0; }
  Status requireRest() override { return requireNow(order); }
  Status requireRows(std::span<const SegmentRange> ranges) override;
  void release(uint32_t) override {}
  void endPass() override {}
  bool settled() const override {
    return pending.load(std::memory_order_acquire) == 0;
  }
  LoadProgress loading() const override {
    return {readyBytes.load(std::memory_order_relaxed), orderBytes};
  }

private:
  enum class State : uint8_t { Untouched, Verifying, Ready, Failed };

  PlanSource(const PlanFile &plan, std::vector<NodePart> parts)
      : file(plan), nodeParts(std::move(parts)) {}
  void verifyAhead();
  /// Verifies a segment whose state this thread has changed to Verifying.
  void verifyClaimed(uint32_t index);
  void readAhead(uint32_t index) const;

  const PlanFile &file;
  std::vector<NodePart> nodeParts;
  std::vector<uint32_t> order; ///< tables, then weights in their read order
  std::vector<bool> ordered;   ///< per segment: whether it is in `order`
  std::vector<std::atomic<State>> states;
  /// The index in `order` of the segment that the next free loader verifies.
  std::atomic<uint32_t> next{0};
  std::atomic<uint32_t> pending{0}; ///< segments of `order` not yet Ready
  /// The total size in bytes of the segments in `order` that are Ready.
  std::atomic<uint64_t> readyBytes{0};
  uint64_t orderBytes = 0;
  std::atomic<bool> stopping{false};
  std::vector<Thread> threads;
  std::mutex mutex;
  /// Notified whenever a segment becomes Ready or Failed.
  std::condition_variable changed;
  Status failure; ///< the first failure; guarded by mutex
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PLANSOURCE_H
