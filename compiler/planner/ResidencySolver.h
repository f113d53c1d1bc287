//===- ResidencySolver.h - where the weights of a model lie -----*- C++ -*-===//
//
// Decides how much of each class of weights lies in the VRAM of a GPU, how much
// in RAM, and how much stays on the disk and is read in every pass, and which
// device multiplies by the weights that are not in VRAM. The choice is the
// solution of a linear program: a fraction of each class is in each of the
// tiers
//
//   V   in VRAM; the GPU computes with them
//   RC  in RAM; the CPU computes with them
//   RG  in RAM; each pass copies them to the GPU, which computes with them
//   SC  on the disk; each pass reads them into a ring in RAM, and the CPU
//       computes with them
//   SG  on the disk; each pass reads them into the ring and copies them to the
//       GPU, which computes with them
//
// The fractions in VRAM, in RAM and on the disk are the same in all phases
// (decoding, processing a prompt, verifying draft tokens), but which device
// computes with them may differ. A fraction of a class means the same fraction
// of every layer, because a matrix can be cut between any two rows. The busiest
// resource sets a pass's time:
//
//   disk      bytes of SC + SG, divided by the rate of the disk
//   transfer  bytes of RG + SG, divided by the rate of copies to the GPU
//   dram      bytes that cross the memory bus of the CPU, divided by its rate
//   devices   the time in which CPU and GPU compute. In the *serial* schedule,
//             the devices take turns, so their times are added; in the *fluid*
//             schedule, every layer is split so that both always work, so the
//             longer of their times counts. For each class, a device takes the
//             longer of two times: the time to read the class, and the time of
//             the arithmetic with it. If cpuSecondsOfPass states the latter
//             for the pass's number of tokens, the CPU takes longer than either
//             of the two times, because reading and arithmetic do not overlap
//             entirely.
//
// Bytes that are read from the disk cross the memory bus twice: the disk writes
// them to the ring, and a device reads them there. If countsRingWrites is
// false, the writes are left out.
//
// The KV cache is placed before the weights: in VRAM as far as it fits there,
// the rest in RAM. The device that holds a layer's cache computes its
// attention, because a copy of the cache would have to cross the link in every
// pass, and would grow with every token.
//
// Thread-safety: pure functions; equal problems have equal solutions. Errors:
// DoesNotFit if no placement satisfies the capacities; Internal if the LP
// library fails.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_RESIDENCYSOLVER_H
#define AIRPACK_COMPILER_PLANNER_RESIDENCYSOLVER_H

#include "compiler/planner/Placement.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace air::compiler {

/// A tier contains different fractions of different classes only if this
/// shortens the time by a factor of more than 1 + kWorthUneven, or if no
/// placement with equal fractions fits. Equal fractions are simpler to stream.
inline constexpr double kWorthUneven = 1e-2;

/// Weights of one kind in all layers, such as all matrices of attention.
struct WeightClass {
  std::string name;
  uint64_t bytes = 0;
  /// The share of the class that one token reads: 1 for matrices, and one row's
  /// share for an embedding table. M tokens read the share 1 - (1 - touch)^M on
  /// average.
  double touch = 1;
  /// Whether steps gather single rows, as from an embedding table. Rows on the
  /// disk are read straight from the file and need no room in the ring.
  bool isGathered = false;
  /// Whether the class must stay in memory, because its segments are too small
  /// to be worth reads of their own.
  bool isPinned = false;
  /// Whether a pass computes with the class only for the tokens whose logits
  /// are requested.
  bool isForOutputs = false;
  /// The seconds that all cores of the CPU need for the arithmetic of one token
  /// with this class. gpuSecondsPerToken is the same for the GPU.
  double cpuSecondsPerToken = 0;
  /// For some numbers of tokens: the seconds that all cores of the CPU need for
  /// the arithmetic with this class in a pass of so many tokens. From these,
  /// and from the time to read the class, overlappedTime() (CpuRates.h)
  /// computes how long the CPU takes for the class in such a pass. For any
  /// other number of tokens, the CPU takes the time of the arithmetic according
  /// to cpuSecondsPerToken or the time to read the class, whichever is longer.
  std::map<uint64_t, double> cpuSecondsOfPass;
  double gpuSecondsPerToken = 0;
  /// The most bytes of the class that a single step needs.
  uint64_t largestStep = 0;
};

/// A kind of pass over the model.
struct Phase {
  std::string name;
  uint64_t tokens = 1;
  uint64_t outputs = 1; ///< tokens whose logits are wanted
  /// How many times a pass of this kind counts in the total time that the
  /// solver minimises.
  double passes = 1;
  uint64_t kvBytesRead = 0;
};

/// Rates in bytes per second. 0 means that the rate is not known; what moves at
/// such a rate counts as taking no time. If `transfer` is 0, however, the
/// solver plans no copies to the GPU.
struct LinkRates {
  double disk = 0;
  double transfer = 0; ///< from RAM to the GPU
  double memory = 0;   ///< RAM, read by all cores
  double vram = 0;
};

struct ResidencyProblem {
  std::vector<WeightClass> classes;
  std::vector<Phase> phases;
  LinkRates links;
  bool hasGpu = false;
  /// Whether the disk's writes to the ring count as bytes on the memory bus.
  /// The predictions in plans leave them out.
  bool countsRingWrites = true;
  /// Whether the placement must be one that a plan can have. In such a
  /// placement, a tier contains the same fraction of every class that has
  /// `touch` 1 and is not pinned, and each table is either in RAM or on the
  /// disk as a whole. If false, these fractions may differ between classes, but
  /// only for the reasons that the comment at kWorthUneven states, with
  /// worthUneven in place of kWorthUneven.
  bool isForPlan = false;
  double worthUneven = kWorthUneven;
  /// Capacities in bytes; nullopt means that there is no limit. `disk` limits
  /// the weights, including tables, that are in neither VRAM nor RAM.
  std::optional<uint64_t> vram;
  std::optional<uint64_t> ram;
  std::optional<uint64_t> disk;
  /// The VRAM and the RAM that are needed besides weights, KV cache and ring,
  /// in bytes.
  uint64_t vramReserve = 0;
  uint64_t ramReserve = 0;
  uint64_t kvBytes = 0;
  /// The extra time of a pass in which both devices compute.
  double handoverSeconds = 0;
};

enum class Schedule : uint8_t { Serial, Fluid };
enum class Devices : uint8_t { Cpu, Gpu, Both };

struct ClassPlacement {
  uint64_t vram = 0; ///< bytes of tier V
  uint64_t ram = 0;  ///< bytes of tiers RC and RG
  uint64_t disk = 0; ///< bytes of tiers SC and SG
  /// For each phase: the fraction of the `ram` bytes (ramOnGpu) and the
  /// fraction of the `disk` bytes (diskOnGpu) with which the GPU computes.
  std::vector<double> ramOnGpu;
  std::vector<double> diskOnGpu;
};

/// What one pass costs: the bytes that cross each link, and the time.
struct PhaseLoad {
  double diskBytes = 0;
  double transferBytes = 0;
  double memoryBytes = 0; ///< of weights and KV cache, on the memory bus
  double vramBytes = 0;
  double cpuSeconds = 0;
  double gpuSeconds = 0;
  double seconds = 0;
  /// The resource that takes the longest: "disk", "pcie", "dram", "cpu" (its
  /// arithmetic), "vram" or "gpu" (its arithmetic); "" if no time is known.
  std::string limit;
};

struct Residency {
  Schedule schedule = Schedule::Serial;
  Devices devices = Devices::Cpu;
  std::vector<ClassPlacement> classes; ///< in the problem's order
  uint64_t kvVram = 0;
  uint64_t kvRam = 0;
  uint64_t ringBytes = 0;       ///< in RAM; 0 if at most rows are streamed
  std::vector<PhaseLoad> loads; ///< one for each phase
  double seconds = 0;           ///< sum over all passes of all phases
};

/// Returns the placement that takes the fewest seconds in all passes if the
/// devices work as `schedule` says. If the difference is small, a simpler
/// placement is preferred (see kWorthUneven).
Result<Residency> solveResidency(const ResidencyProblem &problem,
                                 Schedule schedule);

/// Returns what one pass of each phase costs with a placement. Only the
/// placement's classes, KV cache, schedule and devices are read.
std::vector<PhaseLoad> passLoads(const ResidencyProblem &problem,
                                 const Residency &placement);

/// Returns the smallest RAM for which solveResidency() finds a placement, in
/// bytes, or nullopt if none is large enough. If weights are divided between
/// memories, some 260 KiB are added for rounding.
Result<std::optional<uint64_t>> leastRam(const ResidencyProblem &problem);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_RESIDENCYSOLVER_H
