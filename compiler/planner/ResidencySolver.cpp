//===- ResidencySolver.cpp - the linear program of a placement ------------===//
//
// A linear program cannot choose which devices compute and what may be
// streamed. These choices have few combinations. One linear program is solved
// for each combination, and the best solution is returned.
//
//===----------------------------------------------------------------------===//
#include "compiler/planner/ResidencySolver.h"

#include "compiler/planner/LinearProgram.h"
#include "compiler/planner/ResidencyCost.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace air::compiler {
namespace {

constexpr uint64_t kPage = 4096;

/// The number of bytes of each capacity that a linear program leaves free, so
/// that neither rounding shares to pages nor CLP's tolerance makes a placement
/// exceed the capacity.
constexpr uint64_t kRoundingRoom = uint64_t{256} << 10;

/// Placements whose times differ by less than this fraction count as equally
/// fast. It is larger than the fraction by which the time changes if the rows
/// of an embedding table are read from another memory, so the place of the
/// table alone never makes a placement faster.
constexpr double kIndifference = 1e-4;

/// What each pass may read from the disk: nothing, only rows of tables, or any
/// weights. In the last case, the ring is either large enough for reads to run
/// far ahead (Roomy) or as small as possible (Tight).
enum class Streams : uint8_t { Nothing, Rows, Roomy, Tight };

bool hasRing(Streams streams) { return streams >= Streams::Roomy; }

struct Combination {
  Devices devices = Devices::Cpu;
  Streams streams = Streams::Nothing;
  bool isEven = true;
};

/// The bytes of a capacity that remain if `taken` bytes are in use; nullopt if
/// `taken` exceeds the capacity.
std::optional<uint64_t> left(uint64_t capacity, uint64_t taken) {
  return taken > capacity ? std::nullopt : std::optional(capacity - taken);
}

/// Whether the class, if it is streamed, is read into the ring. The rows of a
/// gathered class are read straight from the file.
bool needsRing(const WeightClass &weights) { return !weights.isGathered; }

/// Whether the class may be streamed and every token reads all of it. In a
/// plan, all such classes are divided alike: the same fraction of each of them
/// is in VRAM, in RAM and on the disk.
bool isDense(const WeightClass &weights) {
  return !weights.isGathered && !weights.isPinned && weights.touch >= 1;
}

uint64_t ringFor(double largestPart, Streams streams) {
  const double ahead =
      streams == Streams::Tight
          ? static_cast<double>(kLeastReadAhead)
          : std::max(static_cast<double>(kReadAhead), largestPart / 2);
  const auto bytes = static_cast<uint64_t>(std::ceil(largestPart + ahead));
  return (bytes + kPage - 1) / kPage * kPage;
}

bool cutsClasses(const Combination &combination) {
  return combination.streams != Streams::Nothing ||
         combination.devices == Devices::Both;
}

class Solver {
public:
  Solver(const ResidencyProblem &given, Schedule kind, Combination choice)
      : problem(given), schedule(kind), combination(choice) {
    for (const WeightClass &weights : problem.classes) {
      total += static_cast<double>(weights.bytes);
    }
    total = std::max(total, 1.0);
    // The linear program's unit of time is the time to read all weights from
    // RAM once. If the rate of the RAM is not known, this time is computed as
    // if the rate were kSomeRate bytes per second.
    constexpr double kSomeRate = 1e10;
    unit =
        total / (problem.links.memory > 0 ? problem.links.memory : kSomeRate);
  }

  /// Returns the placement with the least time; nullopt if there is none.
  Result<std::optional<Residency>> solve() {
    if (!placeKv() || !build()) {
      return std::optional<Residency>();
    }
    double passes = 0;
    for (const Phase &phase : problem.phases) {
      passes += phase.passes;
    }
    std::vector<LinearProgram::Term> time;
    for (size_t p = 0; p < problem.phases.size(); ++p) {
      const double weight = problem.phases[p].passes / std::max(passes, 1e-300);
      program.setCost(times[p], weight);
      time.push_back({times[p], weight});
    }
    AIR_ASSIGN_OR_RETURN(std::optional<std::vector<double>> fastest,
                         program.minimise());
    if (!fastest) {
      return std::optional<Residency>();
    }
    // Many placements take about the same time as the fastest one. To choose
    // among these, the linear program is solved again with other costs, so that
    // few bytes cross slow links and many bytes are in fast memory.
    double best = 0;
    for (const LinearProgram::Term &term : time) {
      best += term.factor * (*fastest)[term.variable];
    }
    program.atMost(time, best * (1 + kIndifference) + 1e-9);
    for (size_t variable : times) {
      program.setCost(variable, 0);
    }
    addPreferences(std::max(passes, 1e-300));
    AIR_ASSIGN_OR_RETURN(std::optional<std::vector<double>> chosen,
                         program.minimise());
    return finish(chosen ? *chosen : *fastest);
  }

  /// Returns the least RAM, in bytes, that weights, ring and KV cache need;
  /// nullopt if the other capacities do not suffice. The problem must not limit
  /// RAM.
  Result<std::optional<uint64_t>> solveForRam() {
    if (!placeKv() || !build()) {
      return std::optional<uint64_t>();
    }
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      program.setCost(tiers[i].ram, size(i));
    }
    if (hasRing(combination.streams)) {
      program.setCost(ring, 1);
    }
    AIR_ASSIGN_OR_RETURN(std::optional<std::vector<double>> values,
                         program.minimise());
    if (!values) {
      return std::optional<uint64_t>();
    }
    double bytes = hasRing(combination.streams) ? (*values)[ring] * total : 0;
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      bytes += (*values)[tiers[i].ram] * size(i) * total;
    }
    return std::optional(static_cast<uint64_t>(std::llround(bytes)) + kvRam);
  }

private:
  using Terms = std::vector<LinearProgram::Term>;

  /// The variables of a class: its shares in VRAM, in RAM and on the disk; and
  /// for each phase, how much of the RAM and disk shares each device computes
  /// with.
  struct Tiers {
    size_t vram = 0;
    size_t ram = 0;
    size_t disk = 0;
    std::vector<size_t> ramCpu, ramGpu, diskCpu, diskGpu;
  };

  double size(size_t i) const {
    return static_cast<double>(problem.classes[i].bytes) / total;
  }

  bool usesGpu() const { return combination.devices != Devices::Cpu; }

  /// Divides the KV cache between VRAM and RAM.
  bool placeKv() {
    kvRam = problem.kvBytes;
    if (!usesGpu()) {
      return true;
    }
    if (!problem.vram) {
      kvVram = std::exchange(kvRam, 0);
      return true;
    }
    const std::optional<uint64_t> room =
        left(*problem.vram, problem.vramReserve);
    if (!room) {
      return false;
    }
    kvVram = std::min(problem.kvBytes, *room);
    kvRam = problem.kvBytes - kvVram;
    return combination.devices == Devices::Both || kvRam == 0;
  }

  /// Creates the variables and the constraints of the linear program. Returns
  /// false if a capacity is too small even without any weights.
  bool build() {
    Terms vram;
    Terms ram;
    Terms disk;
    if (hasRing(combination.streams)) {
      ring = program.addVariable();
      ram.push_back({ring, 1});
    }
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      Tiers &tier = tiers.emplace_back();
      tier.vram = program.addVariable();
      tier.ram = program.addVariable();
      tier.disk = program.addVariable();
      program.equals({{tier.vram, 1}, {tier.ram, 1}, {tier.disk, 1}}, 1);
      vram.push_back({tier.vram, size(i)});
      ram.push_back({tier.ram, size(i)});
      disk.push_back({tier.disk, size(i)});
      if (!usesGpu()) {
        program.atMost({{tier.vram, 1}}, 0);
      }
      boundRing(i);
    }
    evenShares();
    for (const Phase &phase : problem.phases) {
      addPhase(phase);
    }
    // Shares are rounded to pages only if classes may be divided between tiers.
    // Otherwise, no bytes need to stay free for rounding.
    const uint64_t room = cutsClasses(combination) ? kRoundingRoom : 0;
    const bool hasWholeTables =
        problem.isForPlan && combination.streams == Streams::Rows;
    const uint64_t diskRoom = hasWholeTables ? 0 : kRoundingRoom;
    return (!usesGpu() ||
            limit(vram, problem.vram, problem.vramReserve + kvVram, 0)) &&
           limit(ram, problem.ram, problem.ramReserve + kvRam, room) &&
           limit(disk, problem.disk, 0, diskRoom);
  }

  /// `terms` add up to the bytes in a memory, divided by `total`. Limits these
  /// bytes to `capacity` less the `taken` bytes, which are used for other
  /// purposes, and less the `room` bytes, which stay free for rounding.
  /// Subtracting `room` never makes the limit less than 0. Returns false if
  /// `taken` exceeds `capacity`.
  bool limit(const Terms &terms, std::optional<uint64_t> capacity,
             uint64_t taken, uint64_t room) {
    if (!capacity) {
      return true;
    }
    const std::optional<uint64_t> rest = left(*capacity, taken);
    if (!rest) {
      return false;
    }
    const auto bytes = static_cast<double>(*rest - std::min(*rest, room));
    // A limit that no placement exceeds is left out, because it would only add
    // a huge number to the linear program.
    if (bytes < mostBytes()) {
      program.atMost(terms, bytes / total);
    }
    return true;
  }

  /// An upper bound on the bytes of all weights and the largest ring together.
  double mostBytes() const {
    double largest = 0;
    for (const WeightClass &weights : problem.classes) {
      largest = std::max(largest, static_cast<double>(weights.largestStep));
    }
    return total + 2 * largest + 2 * static_cast<double>(kReadAhead);
  }

  /// Excludes the tiers in which class `i` must not be. If the class may be
  /// read into the ring, also requires a ring that is large enough for the
  /// bytes that the class's largest step reads from it, and for reads ahead.
  void boundRing(size_t i) {
    const WeightClass &weights = problem.classes[i];
    if (weights.isPinned || combination.streams == Streams::Nothing ||
        (combination.streams == Streams::Rows && needsRing(weights))) {
      program.atMost({{tiers[i].disk, 1}}, 0);
    }
    if (problem.isForPlan && weights.isGathered &&
        combination.streams != Streams::Nothing) {
      program.atMost({{tiers[i].ram, 1}}, 0);
    }
    if (weights.isPinned || !needsRing(weights) ||
        !hasRing(combination.streams)) {
      return;
    }
    const double step = static_cast<double>(weights.largestStep) / total;
    const bool isTight = combination.streams == Streams::Tight;
    program.atMost(
        {{tiers[i].disk, step}, {ring, -1}},
        -static_cast<double>(isTight ? kLeastReadAhead : kReadAhead) / total);
    if (!isTight) {
      program.atMost({{tiers[i].disk, step * 1.5}, {ring, -1}}, 0);
    }
  }

  void evenShares() {
    if (!combination.isEven) {
      return;
    }
    std::optional<size_t> first;
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      if (!isDense(problem.classes[i])) {
        continue;
      }
      if (first) {
        program.equals({{tiers[i].vram, 1}, {tiers[*first].vram, -1}}, 0);
        program.equals({{tiers[i].disk, 1}, {tiers[*first].disk, -1}}, 0);
      }
      first = first.value_or(i);
    }
  }

  void addPhase(const Phase &phase) {
    const size_t time = program.addVariable();
    times.push_back(time);
    Terms disk = {{time, -1}};
    Terms transfer = {{time, -1}};
    Terms memory = {{time, -1}};
    Terms cpu = {{time, -1}};
    Terms gpu = {{time, -1}};
    const double crossings = streamedCrossings(problem);
    const auto per = [&](double bytes, double rate) {
      return rate > 0 ? bytes / rate / unit : 0;
    };
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      const WeightClass &weights = problem.classes[i];
      Tiers &tier = tiers[i];
      const size_t ramCpu = program.addVariable();
      const size_t ramGpu = program.addVariable();
      const size_t diskCpu = program.addVariable();
      const size_t diskGpu = program.addVariable();
      tier.ramCpu.push_back(ramCpu);
      tier.ramGpu.push_back(ramGpu);
      tier.diskCpu.push_back(diskCpu);
      tier.diskGpu.push_back(diskGpu);
      program.equals({{ramCpu, 1}, {ramGpu, 1}, {tier.ram, -1}}, 0);
      program.equals({{diskCpu, 1}, {diskGpu, 1}, {tier.disk, -1}}, 0);
      // Copies to the GPU are only planned if their rate is known.
      if (!usesGpu() || problem.links.transfer <= 0) {
        program.atMost({{ramGpu, 1}, {diskGpu, 1}}, 0);
      }
      // The CPU may gather rows of a table even if the GPU computes everything
      // else.
      if (combination.devices == Devices::Gpu && !weights.isGathered) {
        program.atMost({{ramCpu, 1}, {diskCpu, 1}}, 0);
      }
      const ClassCost cost = classCost(problem, weights, phase);
      const double fromDisk = per(cost.bytes, problem.links.disk);
      const double overLink = per(cost.bytes, problem.links.transfer);
      const double fromMemory = per(cost.bytes, problem.links.memory);
      disk.insert(disk.end(), {{diskCpu, fromDisk}, {diskGpu, fromDisk}});
      transfer.insert(transfer.end(),
                      {{ramGpu, overLink}, {diskGpu, overLink}});
      memory.insert(memory.end(), {{ramCpu, fromMemory},
                                   {ramGpu, fromMemory},
                                   {diskCpu, crossings * fromMemory},
                                   {diskGpu, crossings * fromMemory}});
      const double onCpu = cost.cpuSeconds / unit;
      const double onGpu = cost.gpuSeconds / unit;
      cpu.insert(cpu.end(), {{ramCpu, onCpu}, {diskCpu, onCpu}});
      gpu.insert(gpu.end(),
                 {{tier.vram, onGpu}, {ramGpu, onGpu}, {diskGpu, onGpu}});
    }
    const double kv = static_cast<double>(problem.kvBytes);
    const double share = kv > 0 ? static_cast<double>(kvRam) / kv : 0;
    const auto read = static_cast<double>(phase.kvBytesRead);
    const double kvCpu = per(read * share, problem.links.memory);
    const double kvGpu = per(read * (1 - share), problem.links.vram);
    const double handover = combination.devices == Devices::Both
                                ? problem.handoverSeconds / unit
                                : 0;
    program.atMost(disk, 0);
    program.atMost(transfer, 0);
    program.atMost(memory, -kvCpu);
    if (schedule == Schedule::Fluid) {
      program.atMost(cpu, -kvCpu - handover);
      program.atMost(gpu, -kvGpu - handover);
    } else {
      cpu.insert(cpu.end(), gpu.begin() + 1, gpu.end());
      program.atMost(cpu, -kvCpu - kvGpu - handover);
    }
  }

  /// Sets the costs that decide between placements whose times are equal.
  void addPreferences(double passes) {
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      const bool isGathered = problem.classes[i].isGathered;
      program.setCost(tiers[i].disk, 1e-4 * size(i));
      program.setCost(tiers[i].ram, 1e-6 * size(i));
      program.setCost(tiers[i].vram, isGathered ? 2e-6 * size(i) : 0);
      for (size_t p = 0; p < problem.phases.size(); ++p) {
        const Phase &phase = problem.phases[p];
        const double share = phase.passes / passes * size(i) *
                             touchedShare(problem.classes[i], phase);
        program.setCost(tiers[i].ramCpu[p], 0.01 * share);
        program.setCost(tiers[i].ramGpu[p], 0.1 * share);
        program.setCost(tiers[i].diskCpu[p], share);
        program.setCost(tiers[i].diskGpu[p], 1.1 * share);
      }
    }
  }

  /// Turns shares into bytes. Returns nullopt if they do not fit in RAM after
  /// all, because the solution exceeds a capacity within CLP's tolerance.
  std::optional<Residency> finish(const std::vector<double> &values) const {
    Residency result;
    result.schedule = schedule;
    result.devices = combination.devices;
    result.kvVram = kvVram;
    result.kvRam = kvRam;
    uint64_t inRam = 0;
    double largestPart = 0;
    for (size_t i = 0; i < problem.classes.size(); ++i) {
      const WeightClass &weights = problem.classes[i];
      ClassPlacement &place = result.classes.emplace_back();
      place.vram = pagesOf(values[tiers[i].vram], weights.bytes, false);
      place.disk = std::min(pagesOf(values[tiers[i].disk], weights.bytes, true),
                            weights.bytes - place.vram);
      place.ram = weights.bytes - place.vram - place.disk;
      // If the solution has no part of the class in RAM, the few bytes that
      // rounding to pages has left there are moved to the disk.
      if (values[tiers[i].ram] < 1e-9 && place.disk != 0) {
        place.disk += std::exchange(place.ram, 0);
      }
      inRam += place.ram;
      for (size_t p = 0; p < problem.phases.size(); ++p) {
        const auto partOf = [&](size_t part, size_t rest) {
          const double sum = values[part] + values[rest];
          return sum < 1e-9 ? 0 : std::clamp(values[part] / sum, 0.0, 1.0);
        };
        place.ramOnGpu.push_back(
            partOf(tiers[i].ramGpu[p], tiers[i].ramCpu[p]));
        place.diskOnGpu.push_back(
            partOf(tiers[i].diskGpu[p], tiers[i].diskCpu[p]));
      }
      if (needsRing(weights) && weights.bytes != 0) {
        largestPart =
            std::max(largestPart, static_cast<double>(place.disk) /
                                      static_cast<double>(weights.bytes) *
                                      static_cast<double>(weights.largestStep));
      }
    }
    if (largestPart > 0) {
      result.ringBytes = ringFor(largestPart, combination.streams);
    }
    const uint64_t taken =
        problem.ramReserve + kvRam + inRam + result.ringBytes;
    if (problem.ram && taken > *problem.ram) {
      return std::nullopt;
    }
    result.loads = passLoads(problem, result);
    for (size_t p = 0; p < problem.phases.size(); ++p) {
      result.seconds += problem.phases[p].passes * result.loads[p].seconds;
    }
    return result;
  }

  /// Returns `share` times `bytes`, rounded up or down to a multiple of the
  /// page size, but at most `bytes`. Returns `bytes` if `share` is 1.
  static uint64_t pagesOf(double share, uint64_t bytes, bool roundUp) {
    if (share > 1 - 1e-9) {
      return bytes;
    }
    if (share < 1e-9) {
      return 0;
    }
    const double pages =
        share * static_cast<double>(bytes) / static_cast<double>(kPage);
    return std::min(bytes, static_cast<uint64_t>(roundUp ? std::ceil(pages)
                                                         : std::floor(pages)) *
                               kPage);
  }

  const ResidencyProblem &problem;
  Schedule schedule;
  Combination combination;
  LinearProgram program;
  std::vector<Tiers> tiers;
  std::vector<size_t> times; ///< for each phase: the variable of its time
  size_t ring = 0;
  double total = 0; ///< bytes of all weights
  double unit = 1;  ///< the linear program's unit of time, in seconds
  uint64_t kvVram = 0;
  uint64_t kvRam = 0;
};

std::vector<Devices> devicesOf(const ResidencyProblem &problem) {
  return problem.hasGpu ? std::vector{Devices::Cpu, Devices::Gpu, Devices::Both}
                        : std::vector{Devices::Cpu};
}

/// Whether `a` is faster than `b`, or equally fast with fewer copies to the
/// GPU. Simpler choices are tried first, so the caller keeps the earlier one if
/// neither is better.
bool isBetter(const Residency &a, const Residency &b) {
  if (std::abs(a.seconds - b.seconds) > kIndifference * b.seconds) {
    return a.seconds < b.seconds;
  }
  const auto copied = [](const Residency &placement) {
    return placement.loads.empty() ? 0 : placement.loads[0].transferBytes;
  };
  return copied(a) < copied(b) * (1 - kIndifference);
}

/// Returns the best placement among all combinations of Devices and Streams.
Result<std::optional<Residency>> best(const ResidencyProblem &problem,
                                      Schedule schedule, bool isEven) {
  std::optional<Residency> found;
  for (Devices devices : devicesOf(problem)) {
    bool fits = false;
    for (Streams streams :
         {Streams::Nothing, Streams::Rows, Streams::Roomy, Streams::Tight}) {
      // A ring as small as possible is tried only if nothing else fits with
      // the same devices.
      if (streams == Streams::Tight && fits) {
        continue;
      }
      Solver solver(problem, schedule, {devices, streams, isEven});
      AIR_ASSIGN_OR_RETURN(std::optional<Residency> next, solver.solve());
      fits |= next.has_value();
      if (next && (!found || isBetter(*next, *found))) {
        found = std::move(next);
      }
    }
  }
  return found;
}

} // namespace

Result<Residency> solveResidency(const ResidencyProblem &problem,
                                 Schedule schedule) {
  AIR_ASSIGN_OR_RETURN(std::optional<Residency> found,
                       best(problem, schedule, /*isEven=*/true));
  if (!problem.isForPlan) {
    AIR_ASSIGN_OR_RETURN(std::optional<Residency> uneven,
                         best(problem, schedule, /*isEven=*/false));
    if (uneven && (!found || uneven->seconds * (1 + problem.worthUneven) <
                                 found->seconds)) {
      found = std::move(uneven);
    }
  }
  if (!found) {
    return doesNotFitError(
        "the weights do not fit in the memory of the target in any placement; "
        "choose a smaller quantisation of the model");
  }
  return std::move(*found);
}

Result<std::optional<uint64_t>> leastRam(const ResidencyProblem &problem) {
  ResidencyProblem unlimited = problem;
  unlimited.ram.reset();
  std::optional<uint64_t> least;
  for (Devices devices : devicesOf(problem)) {
    for (Streams streams : {Streams::Nothing, Streams::Rows, Streams::Tight}) {
      const Combination combination = {devices, streams, problem.isForPlan};
      Solver solver(unlimited, Schedule::Serial, combination);
      AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> bytes, solver.solveForRam());
      if (bytes) {
        // If a class of segments may be divided between tiers, some bytes stay
        // free, so that the segments still fit in RAM after their sizes are
        // rounded up to pages.
        const uint64_t room =
            cutsClasses(combination) ? kRoundingRoom + kPage : 0;
        const uint64_t all = problem.ramReserve + *bytes + room;
        least = std::min(least.value_or(all), all);
      }
    }
  }
  return least;
}

} // namespace air::compiler
