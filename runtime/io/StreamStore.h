//===- StreamStore.h - segments of a plan larger than memory ----*- C++ -*-===//
//
// A store for placements that do not keep all weights in memory, for reference
// plans, and for plans with coded weights. Weights are read without the page
// cache, some of them once and the others in every pass (WeightStream,
// SegmentArena). Rows of embedding tables are gathered from the mapping of the
// plan (TableRows). Kernels are read from the mapping too, when the plan is
// opened. Weights that are stored with a codec are decoded when they are read
// (CodedReader). The weights and tables of a reference plan are converted from
// the model's files instead (SourceReader, SourceTables). On a machine with
// several NUMA nodes, the bytes of a segment that stay resident lie on the
// nodes of the threads that compute with them (NodePlacement.h).
//
// Before each pass, the store checks that nobody has written to the files, and
// finds out how much memory the process can use: the limits may have changed,
// and other processes may use more or less (PlacementMemory.h). If this has
// become too little for the current placement, the store changes to the first
// placement of the plan that fits. If the next larger placement has fitted in
// some passes in a row, the store changes to that one. Bytes that both
// placements keep in memory, and that are there already, are not read again.
//
// Several processes may see at the same moment that memory has become free. If
// all of them took it, there would not be enough. Each therefore waits a
// different number of passes, takes only one step at a time, and checks before
// the next step what the others have left: it grows for the first time after
// kPassesBeforeGrowth passes and a delay, and again after every
// kPassesBetweenGrowths passes. Every delay is an even number of passes below
// kPassesBetweenGrowths. Processes with different delays and equally long
// passes therefore never grow in the same pass, nor in the one after it, in
// which the new memory is filled.
//
// Ownership: borrows the PlanFile, which must outlive it. Thread-safety: as for
// SegmentStore; counters() may be called by the same thread only. Errors: those
// of BlockReader, SegmentArena, WeightStream, TableRows and SourceTables, Io if
// a file has been overwritten, and DoesNotFit if no placement fits.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_STREAMSTORE_H
#define AIRPACK_RUNTIME_IO_STREAMSTORE_H

#include "formats/machine/DiskRates.h"
#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "runtime/io/DiskStream.h"
#include "runtime/io/NodePlacement.h"
#include "runtime/io/PagePopulator.h"
#include "runtime/io/PlacementMemory.h"
#include "runtime/io/SegmentStore.h"
#include "runtime/io/SourceTables.h"
#include "runtime/io/TableRows.h"
#include "runtime/io/WeightStream.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace air::rt {

struct StreamOptions {
  IoMethod method = IoMethod::Uring;
  /// The number of blocks in flight. A value below kLeastDepth counts as
  /// kLeastDepth: the thread that requests blocks competes with the compute
  /// threads for the CPUs, so there must be enough requests to keep the disk
  /// busy while this thread waits for a CPU.
  uint32_t depth = kLeastDepth;
  static constexpr uint32_t kLeastDepth = 8;
  /// The size of a block in bytes. A larger value counts as kMostBlockBytes, so
  /// that the blocks in flight fill only a part of the ring. Smaller blocks
  /// would cost more, because a disk needs some time for each request.
  uint64_t blockBytes = kMostBlockBytes;
  static constexpr uint64_t kMostBlockBytes = uint64_t{2} << 20;
  uint32_t placement = 0; ///< index into Plan.placements
  /// At most this number of bytes of weights are read per second; 0 means that
  /// there is no limit.
  uint64_t bytesPerSecond = 0;
  /// The model's files to which a reference plan refers instead of containing
  /// the weights. They must outlive the store. Null for any other plan.
  const SourceFiles *sources = nullptr;
  /// The compute threads of each NUMA node; empty if there is one node only.
  std::vector<NodePart> nodeParts;
  /// The store never changes to a placement that needs more than this number of
  /// bytes of memory; 0 means that only memoryRoom() limits it.
  uint64_t ram = 0;
  /// The number of passes by which the store delays its first growth, which
  /// should be different in each process (StreamStore::growthDelay()).
  uint32_t growthDelay = 0;
  /// Returns how much memory is left, or nullopt if no limit is known.
  /// MemoryRoom::own is the memory of the session (changeSince() in
  /// PlacementMemory.h). Called before every pass. May be empty.
  std::function<std::optional<MemoryRoom>()> memoryRoom;
  /// The approximate limit on the number of windows that show the same byte of
  /// the ring; at least SegmentArena::kLeastMappings. Only tests choose another
  /// value.
  uint64_t mostMappings = SegmentArena::kMostMappings;
};

class StreamStore final : public SegmentStore, public DiskStream {
public:
  /// The number of passes in a row in which there must have been memory for a
  /// larger placement before the store changes to it.
  /// StreamOptions::growthDelay is added to this number. If the store changed
  /// at once, a limit that often goes up and down would cause a change in every
  /// second pass.
  static constexpr uint32_t kPassesBeforeGrowth = 8;
  /// The number of passes after which a store that has changed to a larger
  /// placement changes to the next larger one, provided that there has been
  /// memory for that one in all of these passes.
  static constexpr uint32_t kPassesBetweenGrowths = 16;
  /// The delay for the process with this number: an even number of passes below
  /// kPassesBetweenGrowths. Any 8 processes with successive numbers have
  /// different delays.
  static constexpr uint32_t growthDelay(uint64_t process) {
    return static_cast<uint32_t>(process % (kPassesBetweenGrowths / 2)) * 2;
  }

  /// Starts the store, which begins to read weights immediately.
  static Result<std::unique_ptr<StreamStore>> start(const PlanFile &plan,
                                                    StreamOptions options);

  std::span<const uint8_t> segment(uint32_t index) const override;
  std::span<const uint8_t> table(uint32_t index) const override;
  Status beginPass(uint32_t steps) override;
  Status requireNow(std::span<const uint32_t> segments) override;
  Status require(uint32_t step, std::span<const uint32_t> segments) override;
  uint32_t residentSteps(uint32_t step, uint32_t end) const override {
    return stream->residentSteps(step, end);
  }
  Status requireRest() override;
  Status requireRows(std::span<const SegmentRange> ranges) override;
  void release(uint32_t step) override;
  void endPass() override;
  bool settled() const override { return false; }
  LoadProgress loading() const override {
    return {std::min(reader->bytesRead(), firstPassBytes), firstPassBytes};
  }

  StreamCounters counters() const override;
  void waitUntilIdle() override { stream->waitUntilIdle(); }
  Result<std::span<uint8_t>> lendRing() override;
  Status takeRingBack() override;
  std::vector<std::span<const uint8_t>> residentMemory() const override;
  uint64_t readLimit() const override { return options.bytesPerSecond; }
  IoMethod method() const override { return reader->method(); }
  const std::string &note() const override { return methodNote; }

private:
  StreamStore(const PlanFile &plan, StreamOptions given)
      : file(plan), options(std::move(given)), rows(plan),
        places(plan.plan().segments()->size(), kNotStreamed) {}
  Result<OpenedReader> openReader();
  /// Whether the reader reads the weights directly to the addresses at which
  /// kernels read them, because they need not be decoded or rearranged.
  bool isReadDirectly() const;
  Status adaptToMemory();
  Status changeTo(uint32_t placement);
  Status mapPlacement(uint32_t placement);
  void placeResidentBytes(const StreamSchedule &schedule);

  static constexpr uint32_t kNotStreamed = ~uint32_t{0};

  // Later members refer to earlier ones, and are destroyed before them.
  const PlanFile &file;
  StreamOptions options;
  std::optional<ReferencedBytes> referenced; ///< only for a reference plan
  std::unique_ptr<SourceTables> tables;      ///< only for a reference plan
  TableRows rows;
  std::string methodNote;
  /// An error if changing the placement has failed midway, because no further
  /// pass can run then. Otherwise ok.
  Status unusable;
  /// How many passes in a row have begun with enough memory for a placement
  /// that is larger than the current one.
  uint32_t roomyPasses = 0;
  /// The value of roomyPasses at which the store changes to the next larger
  /// placement.
  uint32_t growthPass = 0;
  /// Whether the system has refused memory for a larger placement. If it has,
  /// the store does not try a larger placement again, because each attempt
  /// drops what has been read ahead.
  bool isGrowthRefused = false;
  std::unique_ptr<BlockReader> reader;
  std::optional<SegmentArena> arena;
  /// Populates the pages of the arena while the placement's weights are loaded.
  std::optional<PagePopulator> populator;
  std::unique_ptr<WeightStream> stream;
  /// Per segment of the plan: its index in the schedule, or kNotStreamed.
  std::vector<uint32_t> places;
  /// The number of bytes that the first pass reads. It is computed for the
  /// placement with which the store started, and never changes.
  uint64_t firstPassBytes = 0;
  uint64_t bytesPerPass = 0;
  uint64_t residentBytes = 0;
  uint64_t ringBytes = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_STREAMSTORE_H
