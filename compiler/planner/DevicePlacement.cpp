//===- DevicePlacement.cpp - what a GPU keeps, and what is copied ---------===//
#include "compiler/planner/DevicePlacement.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/ByteText.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace air::compiler {
namespace {

/// The fraction of the weights that stays on the GPU is chosen in steps of 1 /
/// kShares.
constexpr uint64_t kShares = 1024;
/// A ring is larger than the smallest possible one by at most 1 / kLinkRatio of
/// the bytes that a pass copies. A larger ring lets copies run ahead of the
/// kernels, but it takes memory from weights that could stay on the GPU, and a
/// pass must copy these, too. With this limit, the additional copies take at
/// most about 1 / kLinkRatio of the time of all copies. What running ahead
/// saves is at most the time in which the kernels read the copied weights. This
/// time is 1/10 to 1/135 of the time of the copies, because the GPUs of NVIDIA
/// in GpuTable.cpp read their memory some 10 to 135 times as fast as copies
/// fill it. kLinkRatio is a compromise within this range. It is also used for a
/// ring in RAM, where copies to a GPU are several times as fast as reads from a
/// disk.
constexpr uint64_t kLinkRatio = 16;

uint64_t paddedBytes(const WeightSegment &segment) {
  return alignUp(segment.bytes, kPlanPageBytes);
}

/// The segments that each pass copies to the ring for one step. They lie next
/// to each other in the ring.
struct Unit {
  uint32_t step = 0;
  uint64_t bytes = 0; ///< sum of the segments, each in whole pages
  std::vector<uint32_t> segments;
  uint64_t ringOffset = 0;
};

/// Chooses which segments stay in a memory, and which ones each pass copies to
/// a ring in that memory. The memory is that of a GPU, to which copies come
/// from RAM, or it is RAM, into which reads come from the disk. The names and
/// comments of this class are written for the memory of a GPU.
class DevicePlacer {
public:
  /// Each segment and each table that stays on the GPU takes a multiple of
  /// `unit` bytes.
  DevicePlacer(const WeightProblem &given, uint64_t unit)
      : problem(given), alignment(unit) {
    for (const uint64_t table : problem.tables) {
      tableBytes += alignUp(table, alignment);
    }
    for (const WeightSegment &segment : problem.weights) {
      if (mayBeCopied(segment)) {
        limits.insert(segment.bytes);
      }
    }
  }

  static bool mayBeCopied(const WeightSegment &segment) {
    return segment.bytes >= kSmallestStreamed &&
           segment.firstStep == segment.lastStep;
  }

  /// Returns the placement that copies the fewest bytes among those that fit in
  /// `room` bytes and whose ring lets copies run ahead of the kernels. If there
  /// is none, returns the one that copies the fewest bytes with a ring as large
  /// as the largest unit, or nothing if that does not fit either.
  std::optional<DevicePlacement> best(uint64_t room) const {
    std::optional<Choice> found;
    for (const bool runsAhead : {true, false}) {
      // Segments larger than `limit` stay on the GPU, because they would need a
      // large ring.
      for (const uint64_t limit : limits) {
        improve(room, limit, runsAhead, found);
      }
      if (found) {
        return placementOf(*std::move(found));
      }
    }
    return std::nullopt;
  }

  uint64_t leastBytes() const {
    uint64_t least = keptBytes({});
    for (const uint64_t limit : limits) {
      const std::vector<Unit> units = unitsOf(chosen(limit, 0));
      if (units.size() > 1) {
        least = std::min(least, keptBytes(units) + largestOf(units));
      }
    }
    return least;
  }

private:
  struct Choice {
    std::vector<Unit> units;
    uint64_t ring = 0;
    uint64_t copied = 0;
  };

  /// Returns, for each segment, whether it is copied. Segments that may not be
  /// copied and segments of more than `limit` bytes stay on the GPU. So does
  /// the fraction share / kShares of the other segments' bytes, spread evenly
  /// over the pass.
  std::vector<bool> chosen(uint64_t limit, uint64_t share) const {
    std::vector<bool> isCopied(problem.weights.size());
    double seen = 0;
    double kept = 0;
    for (size_t i = 0; i < problem.weights.size(); ++i) {
      const WeightSegment &segment = problem.weights[i];
      if (!mayBeCopied(segment) || segment.bytes > limit) {
        continue;
      }
      const auto bytes = static_cast<double>(segment.bytes);
      seen += bytes;
      isCopied[i] =
          kept + bytes / 2 > seen * static_cast<double>(share) / kShares;
      kept += isCopied[i] ? 0 : bytes;
    }
    return isCopied;
  }

  std::vector<Unit> unitsOf(const std::vector<bool> &isCopied) const {
    std::vector<Unit> units;
    for (uint32_t i = 0; i < isCopied.size(); ++i) {
      if (!isCopied[i]) {
        continue;
      }
      const WeightSegment &segment = problem.weights[i];
      if (units.empty() || units.back().step != segment.firstStep) {
        units.push_back({segment.firstStep, 0, {}, 0});
      }
      units.back().segments.push_back(i);
      units.back().bytes += paddedBytes(segment);
    }
    return units;
  }

  /// The GPU's memory for tables and for segments that are not copied.
  uint64_t keptBytes(const std::vector<Unit> &units) const {
    std::vector<bool> isCopied(problem.weights.size());
    for (const Unit &unit : units) {
      for (const uint32_t segment : unit.segments) {
        isCopied[segment] = true;
      }
    }
    uint64_t bytes = tableBytes;
    for (size_t i = 0; i < isCopied.size(); ++i) {
      bytes += isCopied[i] ? 0 : alignUp(problem.weights[i].bytes, alignment);
    }
    return bytes;
  }

  static uint64_t largestOf(const std::vector<Unit> &units) {
    uint64_t bytes = 0;
    for (const Unit &unit : units) {
      bytes = std::max(bytes, unit.bytes);
    }
    return bytes;
  }

  static uint64_t sumOf(const std::vector<Unit> &units) {
    uint64_t bytes = 0;
    for (const Unit &unit : units) {
      bytes += unit.bytes;
    }
    return bytes;
  }

  /// Assigns each unit, in order, an offset in a ring of `ring` bytes. Returns
  /// how many times a pass fills the ring.
  static uint64_t lapsIn(std::vector<Unit> &units, uint64_t ring) {
    uint64_t laps = units.empty() ? 0 : 1;
    uint64_t at = 0;
    for (Unit &unit : units) {
      if (unit.bytes > ring - at) {
        at = 0;
        ++laps;
      }
      unit.ringOffset = at;
      at += unit.bytes;
    }
    return laps;
  }

  /// The smallest ring that a pass fills at most `laps` times.
  static uint64_t ringFor(std::vector<Unit> &units, uint64_t laps) {
    uint64_t low = largestOf(units);
    uint64_t high = sumOf(units);
    while (low < high) {
      const uint64_t middle =
          low + (high - low) / 2 / kPlanPageBytes * kPlanPageBytes;
      if (lapsIn(units, middle) <= laps) {
        high = middle;
      } else {
        low = middle + kPlanPageBytes;
      }
    }
    return high;
  }

  /// The size of a ring in which copies run ahead of the kernels.
  static uint64_t aheadRing(std::vector<Unit> &units, uint64_t copied) {
    const uint64_t largest = largestOf(units);
    const uint64_t most =
        largest + std::min(std::max(kReadAhead, largest), copied / kLinkRatio);
    return ringFor(units, std::max<uint64_t>(2, lapsIn(units, most)));
  }

  /// Chooses the ring for passes that copy the segments for which chosen(limit,
  /// share) is true. Returns nothing if the ring and all that stays on the GPU
  /// do not fit in `room` bytes, or if only one step's segments are copied. If
  /// `runsAhead` is false, the ring is as large as the largest unit.
  std::optional<Choice> choiceFor(uint64_t room, uint64_t limit, bool runsAhead,
                                  uint64_t share) const {
    std::vector<Unit> units = unitsOf(chosen(limit, share));
    const uint64_t kept = keptBytes(units);
    // If only one step's segments are copied, nothing is saved: the ring is as
    // large as these segments.
    if (units.size() < 2 || kept > room || largestOf(units) > room - kept) {
      return std::nullopt;
    }
    const uint64_t copied = sumOf(units);
    const uint64_t ring =
        runsAhead ? aheadRing(units, copied) : largestOf(units);
    return ring <= room - kept
               ? std::optional(Choice{std::move(units), ring, copied})
               : std::nullopt;
  }

  /// Finds the largest `share` for which choiceFor() returns a choice. That
  /// choice replaces `found` if it copies fewer bytes.
  void improve(uint64_t room, uint64_t limit, bool runsAhead,
               std::optional<Choice> &found) const {
    std::optional<Choice> most = choiceFor(room, limit, runsAhead, 0);
    uint64_t low = 0;
    uint64_t high = kShares;
    while (most && high - low > 1) {
      const uint64_t middle = low + (high - low) / 2;
      std::optional<Choice> choice = choiceFor(room, limit, runsAhead, middle);
      (choice ? low : high) = middle;
      if (choice) {
        most = std::move(choice);
      }
    }
    if (most && (!found || most->copied < found->copied)) {
      found = std::move(most);
    }
  }

  DevicePlacement placementOf(Choice choice) const {
    DevicePlacement placement;
    placement.isCopied.resize(problem.weights.size());
    placement.ringBytes = choice.ring;
    lapsIn(choice.units, choice.ring);
    for (size_t i = 0; i < choice.units.size(); ++i) {
      const Unit &unit = choice.units[i];
      uint64_t at = unit.ringOffset;
      for (const uint32_t segment : unit.segments) {
        placement.isCopied[segment] = true;
        addCopies(placement, choice.units, i, segment, at);
        at += paddedBytes(problem.weights[segment]);
      }
    }
    return placement;
  }

  /// Adds the copies of `segment`, which belongs to unit `index` and begins at
  /// offset `at` of the ring.
  void addCopies(DevicePlacement &placement, const std::vector<Unit> &units,
                 size_t index, uint32_t segment, uint64_t at) const {
    const uint64_t pages =
        paddedBytes(problem.weights[segment]) / kPlanPageBytes;
    const uint64_t parts = ceilDiv(pages, kReadBytes / kPlanPageBytes);
    for (uint64_t part = 0; part < parts; ++part) {
      StreamedRead copy;
      copy.segment = segment;
      copy.offset = pages * part / parts * kPlanPageBytes;
      copy.bytes = pages * (part + 1) / parts * kPlanPageBytes - copy.offset;
      copy.ringOffset = at + copy.offset;
      copy.beforeStep = units[index].step;
      copy.afterStep = afterStep(units, index, copy);
      // Copies are made in order, so a copy cannot begin at an earlier step
      // than the previous copy.
      if (!placement.copies.empty()) {
        copy.afterStep =
            std::max(copy.afterStep, placement.copies.back().afterStep);
      }
      placement.copies.push_back(copy);
    }
  }

  /// The step after which `copy`, a part of unit `index`, may begin: the last
  /// earlier step whose unit overlaps the copy in the ring. A negative result
  /// is a step of the previous pass (StreamedRead::afterStep).
  int64_t afterStep(const std::vector<Unit> &units, size_t index,
                    const StreamedRead &copy) const {
    int64_t pass = 0;
    size_t other = index;
    while (true) {
      if (other == 0) {
        other = units.size();
        pass -= int64_t{problem.steps};
      }
      const Unit &unit = units[--other];
      if (unit.ringOffset < copy.ringOffset + copy.bytes &&
          copy.ringOffset < unit.ringOffset + unit.bytes) {
        return pass + int64_t{unit.step};
      }
    }
  }

  const WeightProblem &problem;
  const uint64_t alignment;
  uint64_t tableBytes = 0;
  std::set<uint64_t> limits; ///< the sizes of the segments that may be copied
};

/// Returns the segments that `device` copies, as a WeightProblem of their own,
/// and the index of each of them in `problem`.
std::pair<WeightProblem, std::vector<uint32_t>>
copiedPart(const WeightProblem &problem, const DevicePlacement &device) {
  WeightProblem part;
  std::vector<uint32_t> indices;
  part.steps = problem.steps;
  for (uint32_t i = 0; i < device.isCopied.size(); ++i) {
    if (device.isCopied[i]) {
      part.weights.push_back(problem.weights[i]);
      indices.push_back(i);
    }
  }
  return {std::move(part), std::move(indices)};
}

} // namespace

uint64_t DevicePlacement::deviceBytes(const WeightProblem &problem) const {
  uint64_t bytes = ringBytes;
  for (const uint64_t table : problem.tables) {
    bytes += alignUp(table, kDeviceAlignment);
  }
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    bytes += !isCopied.empty() && isCopied[i]
                 ? 0
                 : alignUp(problem.weights[i].bytes, kDeviceAlignment);
  }
  return bytes;
}

uint64_t DevicePlacement::ramBytes(const WeightProblem &problem) const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < isCopied.size(); ++i) {
    bytes += isCopied[i] ? paddedBytes(problem.weights[i]) : 0;
  }
  return bytes;
}

uint64_t leastDeviceBytes(const WeightProblem &problem) {
  return DevicePlacer(problem, kDeviceAlignment).leastBytes();
}

Result<DevicePlacement> placeOnDevice(const WeightProblem &problem,
                                      uint64_t room) {
  const DevicePlacement all;
  if (all.deviceBytes(problem) <= room) {
    return all;
  }
  std::optional<DevicePlacement> found =
      DevicePlacer(problem, kDeviceAlignment).best(room);
  if (!found) {
    return doesNotFitError("the weights need at least " +
                           byteTextUp(leastDeviceBytes(problem)) +
                           " of VRAM even if they stay in RAM and are copied "
                           "to the GPU in every pass, but only " +
                           byteTextDown(room) +
                           " of VRAM is left for weights; provide more VRAM, "
                           "or choose a smaller --ctx or --slots");
  }
  return *std::move(found);
}

uint64_t leastRamBytes(const WeightProblem &problem,
                       const DevicePlacement &device) {
  return DevicePlacer(copiedPart(problem, device).first, kPlanPageBytes)
      .leastBytes();
}

std::optional<HostPlacement> placeInRam(const WeightProblem &problem,
                                        const DevicePlacement &device,
                                        uint64_t room) {
  HostPlacement host;
  host.keptBytes = device.ramBytes(problem);
  if (host.keptBytes <= room) {
    return host;
  }
  const auto [part, indices] = copiedPart(problem, device);
  std::optional<DevicePlacement> found =
      DevicePlacer(part, kPlanPageBytes).best(room);
  if (!found) {
    return std::nullopt;
  }
  host.isRead.resize(problem.weights.size());
  for (uint32_t i = 0; i < indices.size(); ++i) {
    if (found->isCopied[i]) {
      host.isRead[indices[i]] = true;
      host.keptBytes -= paddedBytes(part.weights[i]);
    }
  }
  host.ringBytes = found->ringBytes;
  host.reads = std::move(found->copies);
  for (StreamedRead &read : host.reads) {
    read.segment = indices[read.segment];
  }
  return host;
}

} // namespace air::compiler
