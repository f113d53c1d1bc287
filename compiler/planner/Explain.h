//===- Explain.h - what a model would do on a machine -----------*- C++ -*-===//
//
// Places the weights of a model on a machine and predicts how fast the model
// generates text. Nothing is executed, and the machine need not exist. All
// rates come from the machine profile; if they are nominal, the predictions are
// neither upper nor lower bounds. Predictions of speed are for an empty KV
// cache, as in a plan.
//
// If a plan for the machine's GPU can be made, its placement and its prediction
// come from the functions that make the plan (GpuPlan.h). Otherwise,
// ResidencySolver.h finds the placement that minimises the time to process one
// prompt, compute kTokensPerPrompt tokens one at a time, and compute as many
// tokens in verify passes of kVerifyTokens tokens. Without a GPU, every pass is
// fastest with as many weights in RAM as possible, so the placement does not
// depend on how often each kind of pass counts.
//
// Thread-safety: pure functions. Errors: DoesNotFit when no placement fits; the
// message says how much RAM or VRAM is needed, unless no amount of RAM would
// suffice. Internal if the LP library fails.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_EXPLAIN_H
#define AIRPACK_COMPILER_PLANNER_EXPLAIN_H

#include "compiler/planner/Budget.h"
#include "compiler/planner/ModelNeeds.h"
#include "compiler/planner/ResidencySolver.h"
#include "formats/machine/MachineProfile.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air::compiler {

/// The number of tokens that are generated after each prompt in passes of one
/// token each, and the number of tokens that verify passes compute.
inline constexpr double kTokensPerPrompt = 256;

/// A CPU is assumed to reach this fraction of its rate of arithmetic while it
/// processes a prompt. docs/performance.md has measurements of 0.55 to 0.78.
inline constexpr double kPromptShare = 0.6;
/// A CPU is assumed to reach this fraction of the rate of its tile registers
/// while it processes a prompt. docs/performance-tiles.md has measurements of
/// 0.31 to 0.35.
inline constexpr double kTilesPromptShare = 0.33;

/// The VRAM that explain() assumes for copies if there is no plan for the GPU:
/// two buffers of 64 MiB, to which weights are copied from RAM and from which
/// the GPU reads them.
inline constexpr uint64_t kStagingBytes = uint64_t{128} << 20;
/// The assumed time of one handover of the computation from the CPU to the GPU
/// or back. If both compute a part of every layer, a layer needs two handovers.
inline constexpr double kHandoverSeconds = 20e-6;

struct ExplainOptions {
  /// Whether the RAM of the profile is a budget that the user has set for the
  /// model. If it is not, and if the machine has a GPU, a sixteenth of the
  /// machine's RAM is left to the system.
  bool isRamBudget = false;
  /// The most bytes of weights that may be read from the disk in every pass;
  /// nullopt means any number.
  std::optional<uint64_t> disk;
};

/// Where the bytes of one item, such as a class of weights, lie.
struct TierRow {
  std::string name;
  uint64_t vram = 0;
  uint64_t ram = 0;
  uint64_t disk = 0;
};

struct LinkUse {
  std::string link; ///< "disk", "pcie", "dram" or "vram"
  double bytesPerToken = 0;
  uint64_t bandwidth = 0; ///< in bytes/s; 0 = not known
};

struct Explanation {
  /// The classes of weights, and then padding, kv, activations, batch, scratch,
  /// kernels, ring, driver, staging, process and system. Kernels may also come
  /// before scratch. Rows without bytes are left out.
  std::vector<TierRow> placement;
  TierRow total;
  std::optional<uint64_t> vramCapacity;
  std::optional<uint64_t> ramCapacity;

  /// The links that carry bytes, in the order of the list at LinkUse::link.
  std::vector<LinkUse> links;
  // Speeds in tokens per second; nullopt if a bandwidth that decides the speed
  // is not known.
  std::optional<double> decode;
  std::optional<double> decodeAtFullContext;
  /// The speed of decoding if CPU and GPU worked at the same time; nullopt
  /// without a GPU, and if a plan can be made for the GPU.
  std::optional<double> decodeFluid;
  /// What limits decoding: see PhaseLoad::limit.
  std::string limitedBy;

  /// The seconds of a verify pass of kVerifyTokens tokens with an empty KV
  /// cache; nullopt if not known, or if a pass cannot have so many tokens.
  std::optional<double> verifySeconds;

  /// The length of the prompt for the next two fields.
  uint64_t promptTokens = 0;
  /// The seconds until the first token after the prompt if no weights are in
  /// RAM or VRAM yet, so that the weights are read from the disk, and those
  /// that belong in VRAM are copied there; nullopt if not known.
  std::optional<double> firstTokenCold;
  /// The same if the weights that stay in RAM and VRAM are already there.
  std::optional<double> firstTokenWarm;

  /// The gain, in tokens per second, from one more GiB of VRAM or of RAM;
  /// nullopt if not known. gainOfVram is nullopt without a GPU.
  std::optional<double> gainOfVram;
  std::optional<double> gainOfRam;

  /// The largest context that fits, in tokens; 0 if none does.
  uint64_t maxContext = 0;
  /// The largest context, in tokens, that fits if only rows of tables may be
  /// read from the disk; 0 if none does.
  uint64_t maxResidentContext = 0;

  Devices devices = Devices::Cpu;
  /// How many layers, from the first one on, the CPU computes in a plan for a
  /// GPU.
  uint64_t cpuLayers = 0;
};

Result<Explanation> explain(const ModelNeeds &needs,
                            const MachineProfile &machine,
                            const ExplainOptions &options);

/// Explains the plan that airpack would make for the machine's GPU. explain()
/// returns the result of this function if needs.gpu is set.
Result<Explanation> explainGpuPlan(const ModelNeeds &needs,
                                   const MachineProfile &machine);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_EXPLAIN_H
