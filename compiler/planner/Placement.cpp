//===- Placement.cpp - divides the weights between RAM and disk -----------===//
#include "compiler/planner/Placement.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/ByteText.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <tuple>

namespace air::compiler {
namespace {

/// Sizes in this file are in pages, unless a name says bytes.
uint64_t pagesOf(uint64_t bytes) { return ceilDiv(bytes, kPlanPageBytes); }

constexpr uint64_t kReadAheadPages = kReadAhead / kPlanPageBytes;
constexpr uint64_t kLeastReadAheadPages = kLeastReadAhead / kPlanPageBytes;

/// The share of a segment that stays in RAM is chosen in steps of 1 / kShares.
constexpr uint64_t kShares = uint64_t{1} << 32;

/// Returns the largest value in [0, end) for which `holds` is true; nullopt if
/// it is false for 0. `holds` must not become true again for larger values.
std::optional<uint64_t> largest(uint64_t end,
                                const std::function<bool(uint64_t)> &holds) {
  if (end == 0 || !holds(0)) {
    return std::nullopt;
  }
  uint64_t low = 0;
  while (end - low > 1) {
    const uint64_t middle = low + (end - low) / 2;
    (holds(middle) ? low : end) = middle;
  }
  return low;
}

/// Consecutive pages of a segment, all of which are needed by the same steps.
struct Run {
  uint32_t segment = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t firstStep = 0;
  uint32_t lastStep = 0;
};

class Placer {
public:
  explicit Placer(const WeightProblem &given) : problem(given) {
    for (uint32_t i = 0; i < problem.weights.size(); ++i) {
      const WeightSegment &segment = problem.weights[i];
      const uint64_t size = pagesOf(segment.bytes);
      const bool isStreamed =
          segment.bytes >= kSmallestStreamed &&
          (!segment.pieces.empty() || segment.firstStep == segment.lastStep);
      pages.push_back(isStreamed ? size : 0);
      units.push_back(segment.unitBytes / kPlanPageBytes);
      least.push_back(
          isStreamed
              ? std::min(size, alignUp(pagesOf(segment.keptBytes), units[i]))
              : 0);
      if (isStreamed) {
        addRuns(i);
      } else {
        pinned += size;
      }
    }
    // Sorts the runs into the order in which a pass reads them.
    std::sort(runs.begin(), runs.end(), [](const Run &a, const Run &b) {
      return std::tie(a.firstStep, a.segment, a.begin) <
             std::tie(b.firstStep, b.segment, b.begin);
    });
  }

  /// The fewest pages of RAM for which run() succeeds.
  uint64_t leastPages() const {
    const Sizes sizes = sizesAt(0);
    return pinned + sizes.kept + (sizes.streamed == 0 ? 0 : leastRing(sizes));
  }

  /// The fewest pages of RAM for which runPinned() succeeds.
  uint64_t leastPagesPinned(uint64_t share) const {
    const Sizes sizes = sizesAt(share);
    return pinned + sizes.kept +
           evenRing(sizes, sizes.largestStep + kLeastReadAheadPages);
  }

  WeightPlacement runPinned(uint64_t share, uint64_t room) const {
    const Sizes sizes = sizesAt(share);
    uint64_t ring = evenRing(sizes, wantedRing(sizes));
    if (pinned + sizes.kept + ring > room) {
      ring = evenRing(sizes, sizes.largestStep + kLeastReadAheadPages);
    }
    return placementOf(share, ring);
  }

  WeightPlacement run(uint64_t room) const {
    uint64_t share = 0;
    uint64_t ring = 0;
    std::optional<Choice> choice = evenChoice(room);
    // A pass fills the ring of evenChoice() at least twice, and this ring has
    // at least the preferred size. Each pass therefore reads at least twice
    // that size, even if almost all weights would fit in RAM. So if
    // evenChoice() has found no ring, or one that a pass fills only twice, a
    // smaller ring may leave more weights in RAM.
    if (!choice || choice->laps == 2) {
      const std::optional<Choice> small = choiceFor(2, room, leastRing);
      if (small && (!choice || small->share > choice->share)) {
        choice = small;
      }
    }
    if (choice) {
      share = choice->share;
      ring = choice->ring;
    } else {
      // Keeps in RAM only the pages that must stay there, and gives the ring
      // all other pages in `room`. Then reduces the ring to a size that a pass
      // fills a whole number of times, unless this size would be less than
      // leastRing().
      const Sizes sizes = sizesAt(0);
      ring = std::min(room - pinned - sizes.kept, sizes.streamed);
      const uint64_t even =
          ceilDiv(sizes.streamed, ceilDiv(sizes.streamed, ring));
      if (even >= leastRing(sizes)) {
        ring = even;
      }
    }
    return placementOf(share, ring);
  }

private:
  /// The sizes, in pages, of a placement in which every divided segment keeps
  /// the same share of its pages in RAM.
  struct Sizes {
    uint64_t kept = 0;     ///< pages that stay in RAM
    uint64_t streamed = 0; ///< pages that each pass reads
    /// The largest number of pages that the ring must contain when a step runs
    /// (see sizesAt()).
    uint64_t largestStep = 0;
  };
  struct Choice {
    uint64_t share = 0; ///< in units of 1 / kShares
    uint64_t ring = 0;
    uint64_t laps = 0; ///< how many times a pass fills the ring
  };
  using RingSize = uint64_t (*)(const Sizes &);

  /// The smallest ring of at least `least` pages that a pass fills a whole
  /// number of times. If a pass reads fewer than `least` pages, the ring holds
  /// all of them.
  static uint64_t evenRing(const Sizes &sizes, uint64_t least) {
    return ceilDiv(sizes.streamed,
                   std::max<uint64_t>(1, sizes.streamed / least));
  }

  WeightPlacement placementOf(uint64_t share, uint64_t ring) const {
    WeightPlacement placement;
    for (size_t i = 0; i < pages.size(); ++i) {
      const uint64_t stays = kept(i, share);
      placement.weights.push_back(stays == pages[i] ? problem.weights[i].bytes
                                                    : stays * kPlanPageBytes);
    }
    placement.tables.assign(problem.tables.size(), 0);
    placement.ringBytes = ring * kPlanPageBytes;
    addReads(placement, share);
    return placement;
  }

  void addRuns(uint32_t index) {
    const WeightSegment &segment = problem.weights[index];
    uint64_t begin = 0;
    for (const WeightPiece &piece : segment.pieces) {
      const uint64_t end = pagesOf(piece.end);
      runs.push_back({index, begin, end, piece.firstStep, piece.lastStep});
      begin = end;
    }
    if (segment.pieces.empty()) {
      runs.push_back(
          {index, 0, pages[index], segment.firstStep, segment.lastStep});
    }
  }

  /// The pages of a divided segment that stay in RAM.
  uint64_t kept(size_t segment, uint64_t share) const {
    const auto wanted = static_cast<uint64_t>(
        static_cast<unsigned __int128>(pages[segment]) * share / kShares);
    return wanted == pages[segment]
               ? wanted
               : std::max(least[segment],
                          wanted / units[segment] * units[segment]);
  }

  uint64_t streamedPages(const Run &run, uint64_t share) const {
    return run.end - std::clamp(kept(run.segment, share), run.begin, run.end);
  }

  Sizes sizesAt(uint64_t share) const {
    Sizes sizes;
    for (size_t i = 0; i < pages.size(); ++i) {
      sizes.kept += pages[i] == 0 ? 0 : kept(i, share);
    }
    // When step run.firstStep runs, the ring must contain all runs from
    // `oldest` to `run`, where `oldest` is the first run that this step or a
    // later one needs. Their pages are [begin, end), counted in the order in
    // which a pass reads pages.
    size_t oldest = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
    for (const Run &run : runs) {
      end += streamedPages(run, share);
      while (runs[oldest].lastStep < run.firstStep) {
        begin += streamedPages(runs[oldest], share);
        ++oldest;
      }
      sizes.largestStep = std::max(sizes.largestStep, end - begin);
    }
    sizes.streamed = end;
    return sizes;
  }

  /// The size of the ring that lets the disk read while the largest step
  /// computes.
  static uint64_t wantedRing(const Sizes &sizes) {
    return sizes.largestStep +
           std::max(kReadAheadPages, ceilDiv(sizes.largestStep, uint64_t{2}));
  }

  static uint64_t leastRing(const Sizes &sizes) {
    return sizes.largestStep + kLeastReadAheadPages;
  }

  /// Chooses the largest share of the weights to keep in RAM for which
  /// everything fits in `room` and the ring has at least the size that
  /// `leastSize` gives. A pass fills the ring `laps` times. A larger share
  /// makes the ring smaller, but needs more RAM in all.
  std::optional<Choice> choiceFor(uint64_t laps, uint64_t room,
                                  RingSize leastSize) const {
    const std::optional<uint64_t> fits = largest(kShares, [&](uint64_t share) {
      const Sizes sizes = sizesAt(share);
      return pinned + sizes.kept + ceilDiv(sizes.streamed, laps) <= room;
    });
    if (!fits) {
      return std::nullopt;
    }
    const std::optional<uint64_t> share =
        largest(*fits + 1, [&](uint64_t candidate) {
          const Sizes sizes = sizesAt(candidate);
          return ceilDiv(sizes.streamed, laps) >= leastSize(sizes);
        });
    if (!share) {
      return std::nullopt;
    }
    return Choice{*share, ceilDiv(sizesAt(*share).streamed, laps), laps};
  }

  /// Chooses the number of laps, which is how many times a pass fills the ring
  /// (at least 2), so that the largest share of the weights stays in RAM. More
  /// laps mean a smaller ring and more room for weights, but the ring must not
  /// become smaller than wantedRing(). With few laps, `room` limits the share;
  /// with many laps, wantedRing() does. If n is the largest number of laps with
  /// which `room` is the limit, then n or n + 1 is the best number.
  std::optional<Choice> evenChoice(uint64_t room) const {
    const Sizes first = sizesAt(0);
    const uint64_t most = first.streamed / wantedRing(first);
    const auto limitedByRoom = [&](uint64_t laps) {
      if (pinned + first.kept + ceilDiv(first.streamed, laps) > room) {
        return true;
      }
      const std::optional<uint64_t> fits =
          largest(kShares, [&](uint64_t share) {
            const Sizes sizes = sizesAt(share);
            return pinned + sizes.kept + ceilDiv(sizes.streamed, laps) <= room;
          });
      const Sizes sizes = sizesAt(*fits);
      return ceilDiv(sizes.streamed, laps) >= wantedRing(sizes);
    };
    if (most < 2) {
      return std::nullopt;
    }
    const uint64_t turn = 2 + largest(most - 1, [&](uint64_t extra) {
                                return limitedByRoom(2 + extra);
                              }).value_or(0);
    std::optional<Choice> best;
    for (uint64_t laps = turn; laps <= std::min(turn + 1, most); ++laps) {
      const std::optional<Choice> choice = choiceFor(laps, room, wantedRing);
      if (choice && (!best || choice->share > best->share)) {
        best = choice;
      }
    }
    return best;
  }

  void addReads(WeightPlacement &placement, uint64_t share) const {
    const uint64_t ring = placement.ringBytes / kPlanPageBytes;
    const uint64_t block =
        std::max(kReadBytes / kPlanPageBytes,
                 ceilDiv(sizesAt(share).streamed, kMaxReads));
    // For each run: where it ends, in pages from the start of the pass, and the
    // last step that needs this run or an earlier one.
    std::vector<std::pair<uint64_t, uint32_t>> ends;
    uint64_t position = 0;
    uint32_t last = 0;
    for (size_t i = 0; i < runs.size();) {
      // Adjacent runs of a segment that are first needed by the same step are
      // read together.
      const Run &first = runs[i];
      uint64_t end = first.begin;
      const uint64_t start = position;
      for (; i < runs.size() && runs[i].segment == first.segment &&
             runs[i].firstStep == first.firstStep && runs[i].begin == end;
           ++i) {
        end = runs[i].end;
        if (const uint64_t size = streamedPages(runs[i], share)) {
          position += size;
          last = std::max(last, runs[i].lastStep);
          ends.emplace_back(position, last);
        }
      }
      const uint64_t size = position - start;
      const uint64_t count = ceilDiv(size, block);
      const uint64_t unit = units[first.segment];
      // The last `size` pages before page `end` of the segment are read in
      // `count` parts, each of which begins at a multiple of `unit`. Returns
      // how many of these pages precede part `part`.
      const auto startOf = [&](uint64_t part) {
        const uint64_t cut = end - size + size * part / count;
        return part == count
                   ? size
                   : std::max(cut / unit * unit, end - size) - (end - size);
      };
      for (uint64_t part = 0; part < count; ++part) {
        const uint64_t from = startOf(part);
        const uint64_t to = startOf(part + 1);
        if (from == to) {
          continue;
        }
        placement.reads.push_back(
            {first.segment, (end - size + from) * kPlanPageBytes,
             (to - from) * kPlanPageBytes,
             (start + from) % ring * kPlanPageBytes, first.firstStep, 0});
      }
    }
    if (position != 0) {
      setStarts(placement, ends, position, ring);
    }
  }

  /// Sets afterStep of all reads. An entry {n, step} of `ends` means that the
  /// first n pages that a pass reads are no longer needed after that step.
  void setStarts(WeightPlacement &placement,
                 const std::vector<std::pair<uint64_t, uint32_t>> &ends,
                 uint64_t streamed, uint64_t ring) const {
    const auto stepOf = [&](uint64_t page) {
      return int64_t{std::upper_bound(ends.begin(), ends.end(),
                                      std::pair(page, UINT32_MAX),
                                      [](const auto &a, const auto &b) {
                                        return a.first < b.first;
                                      })
                         ->second};
    };
    const auto steps = int64_t{problem.steps};
    const uint64_t lastLap = (ceilDiv(streamed, ring) - 1) * ring;
    int64_t before = -steps;
    uint64_t position = 0;
    for (StreamedRead &read : placement.reads) {
      const uint64_t end = position + read.bytes / kPlanPageBytes;
      int64_t after = 0;
      if (end > ring) {
        // The read overwrites what the same pass read one lap of the ring
        // earlier.
        after = stepOf(end - ring - 1);
      } else if (lastLap + position < streamed) {
        // The read overwrites what the previous pass read in its last lap of
        // the ring.
        after = stepOf(std::min(lastLap + end, streamed) - 1) - steps;
      } else {
        // In its last lap, the previous pass ended before it reached this part
        // of the ring, so the read overwrites what that pass read one lap
        // earlier.
        after = stepOf(lastLap - ring + end - 1) - steps;
      }
      // Reads are made in order, so no read begins before the previous one.
      read.afterStep = before = std::max(before, after);
      position = end;
    }
  }

  const WeightProblem &problem;
  std::vector<uint64_t> pages; ///< for each segment; 0 if it is not divided
  std::vector<uint64_t> units; ///< for each segment: unitBytes, in pages
  std::vector<uint64_t> least; ///< for each segment: pages always kept in RAM
  std::vector<Run> runs;       ///< of all segments that are divided
  uint64_t pinned = 0;         ///< pages of the segments that are not divided
};

uint64_t tablePages(const WeightProblem &problem) {
  uint64_t sum = 0;
  for (uint64_t bytes : problem.tables) {
    sum += pagesOf(bytes);
  }
  return sum;
}

uint64_t weightPages(const WeightProblem &problem) {
  uint64_t sum = 0;
  for (const WeightSegment &segment : problem.weights) {
    sum += pagesOf(segment.bytes);
  }
  return sum;
}

/// Keeps all weights, and the tables if there is room for them.
WeightPlacement keepAll(const WeightProblem &problem, uint64_t roomPages) {
  WeightPlacement placement;
  for (const WeightSegment &segment : problem.weights) {
    placement.weights.push_back(segment.bytes);
  }
  placement.tables = problem.tables;
  if (weightPages(problem) + tablePages(problem) > roomPages) {
    placement.tables.assign(problem.tables.size(), 0);
  }
  return placement;
}

/// A percentage in units of 1 / kShares.
uint64_t sharesOf(uint32_t percent) { return kShares * percent / 100; }

constexpr uint32_t kAllPercent = 100;

} // namespace

uint64_t WeightPlacement::ramBytes() const {
  uint64_t bytes = ringBytes;
  for (const std::vector<uint64_t> *list : {&weights, &tables}) {
    for (uint64_t size : *list) {
      bytes += alignUp(size, kPlanPageBytes);
    }
  }
  return bytes;
}

uint64_t WeightPlacement::streamedBytes() const {
  uint64_t bytes = 0;
  for (const StreamedRead &read : reads) {
    bytes += read.bytes;
  }
  return bytes;
}

uint64_t residentBytes(const WeightProblem &problem) {
  return (weightPages(problem) + tablePages(problem)) * kPlanPageBytes;
}

uint64_t leastBytes(const WeightProblem &problem) {
  return std::min(weightPages(problem), Placer(problem).leastPages()) *
         kPlanPageBytes;
}

Result<WeightPlacement> placeWeights(const WeightProblem &problem,
                                     uint64_t room) {
  const uint64_t rooms = room / kPlanPageBytes;
  if (weightPages(problem) <= rooms) {
    return keepAll(problem, rooms);
  }
  if (const uint64_t least = leastBytes(problem); room < least) {
    return doesNotFitError(
        "the weights need at least " + byteTextUp(least) +
        " of RAM even if they are read from the disk in every pass, but only " +
        byteTextDown(room) +
        " of RAM is left for weights; provide more RAM, or choose a smaller "
        "--ctx or --slots");
  }
  return Placer(problem).run(rooms);
}

uint64_t leastBytesPinned(const WeightProblem &problem, uint32_t percent) {
  return (percent >= kAllPercent
              ? weightPages(problem)
              : Placer(problem).leastPagesPinned(sharesOf(percent))) *
         kPlanPageBytes;
}

Result<WeightPlacement> pinWeights(const WeightProblem &problem,
                                   uint32_t percent, uint64_t room) {
  if (const uint64_t least = leastBytesPinned(problem, percent); room < least) {
    return doesNotFitError("keeping " + std::to_string(percent) +
                           " % of the weights in RAM needs at least " +
                           byteTextUp(least) + " of RAM, but only " +
                           byteTextDown(room) +
                           " of RAM is left for weights; choose a smaller "
                           "--pin or provide more RAM");
  }
  const uint64_t rooms = room / kPlanPageBytes;
  return percent >= kAllPercent
             ? keepAll(problem, rooms)
             : Placer(problem).runPinned(sharesOf(percent), rooms);
}

} // namespace air::compiler
