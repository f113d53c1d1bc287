//===- Explain.cpp - what a model would do on a machine -------------------===//
#include "compiler/planner/Explain.h"

#include "formats/machine/CpuRates.h"
#include "formats/machine/Microarchitecture.h"
#include "formats/plan/PredictedPhases.h"
#include "formats/support/ByteText.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air::compiler {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
/// The most tokens that --ctx accepts.
constexpr uint64_t kMaxContext = UINT32_MAX;

constexpr size_t kDecode = 0;
constexpr size_t kPrompt = 1;
/// There is no such phase if passes have fewer than kVerifyTokens tokens.
constexpr size_t kVerify = 2;

/// Finds placements for one model on one machine.
class Explainer {
public:
  Explainer(const ModelNeeds &model, const MachineProfile &target,
            const ExplainOptions &choices)
      : needs(model), machine(target), options(choices),
        gpu(target.gpus.empty() ? nullptr : &target.gpus.front()) {}

  Result<Explanation> run() {
    AIR_ASSIGN_OR_RETURN(ResidencyProblem problem, makeProblem());
    Result<Residency> solved = solveResidency(problem, Schedule::Serial);
    if (!solved) {
      return solved.status().code() == ErrorCode::DoesNotFit
                 ? nearestFit(problem, solved.status())
                 : solved.status();
    }
    Explanation result;
    result.devices = solved->devices;
    result.vramCapacity = problem.vram;
    result.ramCapacity = problem.ram;
    addPlacement(result, problem, *solved);
    addSpeed(result, problem, *solved);
    if (gpu != nullptr) {
      AIR_ASSIGN_OR_RETURN(Residency fluid,
                           solveResidency(problem, Schedule::Fluid));
      result.decodeFluid = tokensPerSecond(problem, fluid);
    }
    AIR_RETURN_IF_ERROR(addGains(result, problem));
    AIR_ASSIGN_OR_RETURN(result.maxContext, largestContext(problem));
    // leastRam() adds some bytes for rounding. Therefore, largestContext(),
    // which relies on it, may return less than the requested context, although
    // that context fits: a placement for it was found above.
    result.maxContext = std::max(result.maxContext, needs.ram.context);
    AIR_ASSIGN_OR_RETURN(result.maxResidentContext,
                         largestContext(withoutStreams(problem)));
    return result;
  }

private:
  /// Bytes that a machine with a GPU keeps for its operating system.
  uint64_t systemBytes() const {
    return gpu != nullptr && !options.isRamBudget ? machine.memoryBytes / 16
                                                  : 0;
  }

  uint64_t scratchBytes() const {
    return needs.ram.scratchPerThread * needs.ram.threads;
  }

  std::optional<uint64_t> kvBytesOf(uint64_t context) const {
    const std::optional<uint64_t> pages =
        kvPages(context, needs.ram.slots, needs.ram.kvPageTokens);
    return pages ? checkedMul(*pages, needs.ram.kvPageBytes) : std::nullopt;
  }

  /// Returns the seconds that all cores together need for the operations `ops`
  /// while they process a prompt.
  double cpuSeconds(const TokenOps &ops) const {
    const CpuRates nominal =
        nominalRates(CpuIdentity(), machine.arch, machine.features);
    const auto seconds = [&](double count, uint64_t rate, uint64_t otherwise,
                             double share = kPromptShare) {
      const auto all = static_cast<double>(rate != 0 ? rate : otherwise) *
                       machine.cores * share;
      return all > 0 ? count / all : 0;
    };
    // Nominal rates of tiles are stated only if the target has such tiles.
    const bool hasTiles = nominal.bf16Tile != 0;
    return seconds(ops.float32, machine.cpu.fmaF32, nominal.fmaF32) +
           seconds(ops.byteDot, machine.cpu.byteDot, nominal.byteDot) +
           (hasTiles ? seconds(ops.bf16, machine.cpu.bf16Tile, nominal.bf16Tile,
                               kTilesPromptShare)
                     : seconds(ops.bf16, machine.cpu.bf16Dot, nominal.bf16Dot));
  }

  Result<ResidencyProblem> makeProblem() const {
    ResidencyProblem problem;
    for (const ClassNeeds &entry : needs.classes) {
      WeightClass weights;
      weights.name = entry.name;
      weights.bytes = entry.bytes;
      weights.touch = entry.touch;
      weights.isGathered = entry.isGathered;
      weights.isForOutputs = entry.isForOutputs;
      weights.largestStep = entry.largestStep;
      weights.isPinned =
          !entry.isGathered && entry.largestStep < kSmallestStreamed;
      weights.cpuSecondsPerToken = cpuSeconds(entry.ops);
      // Without a GPU, cpuSecondsOfPass is set, so that this prediction equals
      // the one that a plan contains.
      for (const auto &[tokens, operands] :
           {std::pair(uint64_t{1}, entry.operandBytes),
            std::pair(kVerifyTokens, entry.verifyOperandBytes)}) {
        if (gpu == nullptr && needs.operandRate != 0 && operands > 0) {
          weights.cpuSecondsOfPass[tokens] =
              operands / static_cast<double>(needs.operandRate);
        }
      }
      weights.gpuSecondsPerToken =
          gpu != nullptr && gpu->f16Ops != 0
              ? entry.ops.all / static_cast<double>(gpu->f16Ops)
              : 0;
      problem.classes.push_back(std::move(weights));
    }
    problem.phases = {{"decode", 1, 1, kTokensPerPrompt, 0},
                      {"prefill", needs.promptTokens, 1, 1, 0}};
    if (needs.promptTokens >= kVerifyTokens) {
      problem.phases.push_back({"verify", kVerifyTokens, kVerifyTokens,
                                kTokensPerPrompt / kVerifyTokens, 0});
    }
    problem.links.disk = static_cast<double>(machine.diskBandwidth);
    problem.links.memory = static_cast<double>(machine.memoryBandwidth);
    if (machine.memoryBytes != 0) {
      problem.ram = machine.memoryBytes;
    }
    problem.disk = options.disk;
    // Without a GPU, the result should match the plan that airpack would write.
    // The predictions in a plan leave out the writes to the ring.
    problem.isForPlan = gpu == nullptr;
    problem.countsRingWrites = gpu != nullptr;
    std::optional<uint64_t> kv = kvBytesOf(needs.ram.context);
    if (!kv) {
      return doesNotFitError("the KV cache takes 2^64 bytes or more; choose a "
                             "smaller --ctx or --slots");
    }
    problem.kvBytes = *kv;
    std::optional<uint64_t> reserve =
        checkedMul(needs.ram.scratchPerThread, needs.ram.threads);
    for (uint64_t bytes : {needs.ram.activations, needs.ram.kernels,
                           needs.ram.process, systemBytes()}) {
      reserve = reserve ? checkedAdd(*reserve, bytes) : std::nullopt;
    }
    if (!reserve || !checkedAdd(*reserve, *kv)) {
      return doesNotFitError("the plan needs 2^64 bytes of RAM or more; "
                             "choose a smaller --ctx or --slots");
    }
    problem.ramReserve = *reserve;
    if (gpu != nullptr) {
      problem.hasGpu = true;
      problem.links.vram = static_cast<double>(gpu->memoryBandwidth);
      problem.links.transfer = static_cast<double>(gpu->transferBandwidth);
      problem.vram = gpu->memoryBytes;
      problem.vramReserve =
          kDriverBytes + kStagingBytes + needs.ram.activations;
      problem.handoverSeconds =
          2 * static_cast<double>(needs.layers) * kHandoverSeconds;
    }
    return problem;
  }

  /// Returns `problem` with one change: only rows of tables may be streamed.
  static ResidencyProblem withoutStreams(ResidencyProblem problem) {
    uint64_t tables = 0;
    for (const WeightClass &weights : problem.classes) {
      tables += weights.isGathered ? weights.bytes : 0;
    }
    problem.disk = std::min(problem.disk.value_or(tables), tables);
    return problem;
  }

  void addPlacement(Explanation &result, const ResidencyProblem &problem,
                    const Residency &solved) const {
    auto add = [&](const std::string &name, uint64_t vram, uint64_t ram,
                   uint64_t disk) {
      if (vram + ram + disk != 0) {
        result.placement.push_back({name, vram, ram, disk});
        result.total.vram += vram;
        result.total.ram += ram;
        result.total.disk += disk;
      }
    };
    for (size_t i = 0; i < solved.classes.size(); ++i) {
      const ClassPlacement &place = solved.classes[i];
      add(problem.classes[i].name, place.vram, place.ram, place.disk);
    }
    const bool usesGpu = solved.devices != Devices::Cpu;
    add("kv", solved.kvVram, solved.kvRam, 0);
    add("activations", usesGpu ? needs.ram.activations : 0,
        needs.ram.activations, 0);
    add("scratch", 0, scratchBytes(), 0);
    add("kernels", 0, needs.ram.kernels, 0);
    add("ring", 0, solved.ringBytes, 0);
    add("driver", usesGpu ? kDriverBytes : 0, 0, 0);
    add("staging", usesGpu ? kStagingBytes : 0, 0, 0);
    add("process", 0, needs.ram.process, 0);
    add("system", 0, systemBytes(), 0);
    result.total.name = "total";
  }

  /// Whether the rate of every link that the pass uses is known.
  static bool isKnown(const ResidencyProblem &problem, const PhaseLoad &load) {
    const LinkRates &links = problem.links;
    return (load.diskBytes == 0 || links.disk > 0) &&
           (load.transferBytes == 0 || links.transfer > 0) &&
           (load.memoryBytes == 0 || links.memory > 0) &&
           (load.vramBytes == 0 || links.vram > 0);
  }

  /// The seconds of a pass with few tokens, which costs `load`.
  std::optional<double> passSeconds(const ResidencyProblem &problem,
                                    const PhaseLoad &load) const {
    if (!isKnown(problem, load) || load.seconds <= 0) {
      return std::nullopt;
    }
    // How much reads from the disk slow down the computation has been measured
    // for CPUs, but not for GPUs. So this effect is left out if there is a GPU.
    const bool isSlowed = gpu == nullptr && load.diskBytes > 0;
    return isSlowed ? std::max(load.seconds,
                               passTime(load.cpuSeconds,
                                        load.diskBytes / problem.links.disk,
                                        keptShares(machine)))
                    : load.seconds;
  }

  std::optional<double> tokensPerSecond(const ResidencyProblem &problem,
                                        const Residency &placement) const {
    const std::optional<double> seconds =
        passSeconds(problem, placement.loads[kDecode]);
    return seconds ? std::optional(1 / *seconds) : std::nullopt;
  }

  void addSpeed(Explanation &result, const ResidencyProblem &problem,
                const Residency &solved) const {
    const PhaseLoad &decode = solved.loads[kDecode];
    auto addLink = [&](const char *name, double bytes, uint64_t bandwidth) {
      if (bytes > 0) {
        result.links.push_back({name, bytes, bandwidth});
      }
    };
    addLink("disk", decode.diskBytes, machine.diskBandwidth);
    addLink("pcie", decode.transferBytes,
            gpu != nullptr ? gpu->transferBandwidth : 0);
    addLink("dram", decode.memoryBytes, machine.memoryBandwidth);
    addLink("vram", decode.vramBytes,
            gpu != nullptr ? gpu->memoryBandwidth : 0);
    result.decode = tokensPerSecond(problem, solved);
    result.limitedBy = result.decode ? decode.limit : "";
    if (solved.loads.size() > kVerify) {
      result.verifySeconds = passSeconds(problem, solved.loads[kVerify]);
    }

    ResidencyProblem full = problem;
    full.phases[kDecode].kvBytesRead = problem.kvBytes / needs.ram.slots;
    Residency atFull = solved;
    atFull.loads = passLoads(full, solved);
    result.decodeAtFullContext = tokensPerSecond(full, atFull);

    result.promptTokens = needs.promptTokens;
    const PhaseLoad &prompt = solved.loads[kPrompt];
    const bool needsGpuRate = prompt.vramBytes > 0 && gpu->f16Ops == 0;
    if (!isKnown(problem, prompt) || needsGpuRate) {
      return;
    }
    result.firstTokenWarm = prompt.seconds;
    double toRead = 0;
    double toCopy = 0;
    for (size_t i = 0; i < solved.classes.size(); ++i) {
      const ClassPlacement &place = solved.classes[i];
      const bool isLoaded = !problem.classes[i].isGathered;
      toRead += isLoaded ? static_cast<double>(problem.classes[i].bytes)
                         : static_cast<double>(place.vram + place.ram);
      toCopy += static_cast<double>(place.vram);
    }
    if (problem.links.disk > 0 && (toCopy == 0 || problem.links.transfer > 0)) {
      result.firstTokenCold =
          std::max({prompt.seconds, toRead / problem.links.disk,
                    toCopy > 0 ? toCopy / problem.links.transfer : 0});
    }
  }

  Status addGains(Explanation &result, const ResidencyProblem &problem) const {
    auto gain = [&](std::optional<uint64_t> ResidencyProblem::*memory)
        -> Result<std::optional<double>> {
      ResidencyProblem larger = problem;
      if (!result.decode || !(larger.*memory) ||
          *(larger.*memory) > UINT64_MAX - kGiB) {
        return std::optional<double>();
      }
      *(larger.*memory) += kGiB;
      AIR_ASSIGN_OR_RETURN(Residency solved,
                           solveResidency(larger, Schedule::Serial));
      const std::optional<double> speed = tokensPerSecond(larger, solved);
      if (!speed) {
        return std::optional<double>();
      }
      // A loss, or a gain of less than 0.1 % of the speed, may come from
      // rounding, so it counts as 0.
      const double more = *speed - *result.decode;
      return std::optional(more < *result.decode * 1e-3 ? 0 : more);
    };
    if (gpu != nullptr) {
      AIR_ASSIGN_OR_RETURN(result.gainOfVram, gain(&ResidencyProblem::vram));
    }
    AIR_ASSIGN_OR_RETURN(result.gainOfRam, gain(&ResidencyProblem::ram));
    return Status::ok();
  }

  /// The largest context with which a placement exists, in tokens. It is a
  /// whole number of KV pages.
  Result<uint64_t> largestContext(ResidencyProblem problem) const {
    const uint64_t pageTokens = needs.ram.kvPageTokens;
    uint64_t fits = 0;
    uint64_t fails = kMaxContext / pageTokens + 1;
    while (fits + 1 < fails) {
      const uint64_t pages = fits + (fails - fits) / 2;
      const std::optional<uint64_t> kv = kvBytesOf(pages * pageTokens);
      bool isPossible = kv && checkedAdd(*kv, std::max(problem.ramReserve,
                                                       problem.vramReserve));
      if (isPossible && problem.ram) {
        problem.kvBytes = *kv;
        AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> least, leastRam(problem));
        isPossible = least && *least <= *problem.ram;
      }
      (isPossible ? fits : fails) = pages;
    }
    return fits * pageTokens;
  }

  /// The error if the model does not fit. It states the least RAM with which
  /// the model would fit and, if a smaller context would help, the largest such
  /// context. If even unlimited RAM would not suffice, it is `refusal`.
  Status nearestFit(const ResidencyProblem &problem, Status refusal) const {
    AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> least, leastRam(problem));
    if (!least) {
      return refusal;
    }
    AIR_ASSIGN_OR_RETURN(const uint64_t context, largestContext(problem));
    std::string advice;
    if (context != 0 && context < needs.ram.context) {
      advice = "choose --ctx " + std::to_string(context) + " or less";
    }
    advice += (advice.empty() ? "choose --ram " : ", or --ram ") +
              std::to_string((*least + kMiB - 1) / kMiB) + "MiB or more";
    std::string others = ", process " + byteText(needs.ram.process);
    if (systemBytes() != 0) {
      others += ", system " + byteText(systemBytes());
    }
    // A limit of at least the size of all weights has no effect.
    if (options.disk && *options.disk < needs.weightBytes) {
      others += ", weights " + byteText(needs.weightBytes);
      if (*options.disk != 0) {
        others += ", of which --disk allows " + byteTextDown(*options.disk) +
                  " to be read for every token";
      }
    }
    if (!options.disk || *options.disk != 0) {
      others += ", and a ring buffer for weights from the disk";
    }
    return doesNotFitError(
        "the model needs at least " + byteTextUp(*least) + " of RAM" +
        (gpu != nullptr ? " besides the VRAM (in both together: "
                          "KV cache "
                        : " (KV cache ") +
        byteText(problem.kvBytes) + ", activations " +
        byteText(needs.ram.activations) + ", scratch " +
        byteText(scratchBytes()) + ", kernels " + byteText(needs.ram.kernels) +
        others + "), but " +
        (options.isRamBudget ? "--ram gives "
                             : "target '" + machine.name + "' has ") +
        byteTextDown(problem.ram.value_or(0)) + "; " + advice);
  }

  const ModelNeeds &needs;
  const MachineProfile &machine;
  const ExplainOptions &options;
  const GpuProfile *gpu;
};

} // namespace

Result<Explanation> explain(const ModelNeeds &needs,
                            const MachineProfile &machine,
                            const ExplainOptions &options) {
  return needs.gpu ? explainGpuPlan(needs, machine)
                   : Explainer(needs, machine, options).run();
}

} // namespace air::compiler
