//===- ExplainGpuPlan.cpp - what a plan for a GPU would do ----------------===//
#include "compiler/planner/Explain.h"
#include "formats/plan/PredictedPhases.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <map>

namespace air::compiler {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
/// The most tokens that --ctx accepts.
constexpr uint64_t kMaxContext = UINT32_MAX;

class GpuExplainer {
public:
  GpuExplainer(const ModelNeeds &model, const MachineProfile &target)
      : needs(model), plan(*model.gpu), machine(target),
        gpu(target.gpus.front()) {}

  Result<Explanation> run() const {
    AIR_ASSIGN_OR_RETURN(const GpuPlacement placement,
                         planGpu(plan.demand, plan.limits));
    Explanation result;
    result.devices = plan.cpuLayers == 0 ? Devices::Gpu : Devices::Both;
    result.cpuLayers = plan.cpuLayers;
    result.vramCapacity = known(plan.limits.vram.bytes);
    result.ramCapacity = known(plan.limits.ram.bytes);
    addRows(result, placement);
    addSpeed(result, placement);
    addFirstToken(result, placement);
    result.gainOfVram = gain(result, [](GpuLimits &limits) -> uint64_t & {
      return limits.vram.bytes;
    });
    result.gainOfRam = gain(result, [](GpuLimits &limits) -> uint64_t & {
      return limits.ram.bytes;
    });
    result.maxContext = largestContext(plan.limits);
    GpuLimits resident = plan.limits;
    resident.ram.streams = false;
    result.maxResidentContext = largestContext(resident);
    return result;
  }

private:
  static std::optional<uint64_t> known(uint64_t bytes) {
    return bytes == 0 ? std::nullopt : std::optional(bytes);
  }

  /// Adds a row for each class of weights and for each other item of the
  /// ledgers.
  void addRows(Explanation &result, const GpuPlacement &placement) const {
    const WeightProblem &segments = plan.demand.vram.segments;
    const auto is = [](const std::vector<bool> &flags, size_t index) {
      return !flags.empty() && flags[index];
    };
    std::map<std::string, TierRow> rows;
    for (size_t i = 0; i < segments.weights.size(); ++i) {
      TierRow &row = rows[plan.weightClasses[i]];
      (is(placement.ram.placement.isRead, i)      ? row.disk
       : is(placement.vram.placement.isCopied, i) ? row.ram
                                                  : row.vram) +=
          segments.weights[i].bytes;
    }
    for (size_t i = 0; i < segments.tables.size(); ++i) {
      rows[plan.tableClasses[i]].vram += segments.tables[i];
    }
    for (const auto &[name, bytes] : plan.cpuClassBytes) {
      rows[name].ram += bytes;
    }
    TierRow weights; // ledger items "weights", minus the bytes of all classes
    for (const LedgerItem &item : placement.vram.items) {
      (item.name == "weights" ? weights : rows[item.name]).vram += item.bytes;
    }
    for (const LedgerItem &item : placement.ram.items) {
      (item.name == "weights" ? weights : rows[item.name]).ram += item.bytes;
    }
    for (const ClassNeeds &entry : needs.classes) {
      weights.vram -= rows[entry.name].vram;
      weights.ram -= rows[entry.name].ram;
    }
    rows["padding"] = weights;
    rows["driver"].vram = result.vramCapacity ? kDriverBytes : 0;

    const auto add = [&](const std::string &name) {
      const TierRow &row = rows[name];
      if (row.vram + row.ram + row.disk != 0) {
        result.placement.push_back({name, row.vram, row.ram, row.disk});
        result.total.vram += row.vram;
        result.total.ram += row.ram;
        result.total.disk += row.disk;
      }
    };
    for (const ClassNeeds &entry : needs.classes) {
      add(entry.name);
    }
    for (const char *name :
         {"padding", "kv", "activations", "batch", "kernels", "scratch", "ring",
          "driver", "staging", "process"}) {
      add(name);
    }
    result.total.name = "total";
  }

  static std::optional<double> speedOf(const PassPrediction &prediction) {
    const double speed = tokensPerSecond(prediction);
    return speed > 0 ? std::optional(speed) : std::nullopt;
  }

  /// Predicts a pass that reads `pages` pages of each cache group. `operands`
  /// is the arithmetic of the CPU in this pass: GpuNeeds::cpuOperands for a
  /// decode pass.
  PassPrediction predict(const GpuPlacement &placement, uint64_t pages,
                         uint64_t operands) const {
    const GpuDemand &demand = plan.demand;
    GpuPassBytes pass = {
        .weights = plan.decodeBytes + pages * demand.vram.kvPageBytes,
        .onCpu = plan.cpuDecodeBytes + pages * demand.cpu.kvPageBytes,
        .operands = operands,
        .operandRate = plan.cpuOperandRate};
    setPlacement(pass, placement);
    return predictGpuPass(pass, machine);
  }

  void addSpeed(Explanation &result, const GpuPlacement &placement) const {
    const PassPrediction decode = predict(placement, 0, plan.cpuOperands);
    // Arithmetic is no link between memories, so "cpu" is left out.
    for (const char *name : {"disk", "pcie", "dram", "vram"}) {
      for (const LinkLoad &load : decode.links) {
        if (load.link == name && load.bytesPerPass != 0) {
          result.links.push_back(
              {name, static_cast<double>(load.bytesPerPass), load.bandwidth});
        }
      }
    }
    result.decode = speedOf(decode);
    result.limitedBy = decode.limit;
    const VramDemand &vram = plan.demand.vram;
    // The bytes of these pages do not overflow, because planVram() has checked
    // the size of the KV cache of all slots.
    const uint64_t pages =
        kvPages(vram.context, 1, vram.kvPageTokens).value_or(0);
    result.decodeAtFullContext =
        speedOf(predict(placement, pages, plan.cpuOperands));
    if (needs.promptTokens >= kVerifyTokens) {
      const std::optional<double> passes =
          speedOf(predict(placement, 0, plan.cpuVerifyOperands));
      result.verifySeconds = passes ? std::optional(1 / *passes) : std::nullopt;
    }
  }

  /// Predicts the time to the first token. A pass over a prompt reads or copies
  /// the weights of a layer once, but multiplies by them once for each token of
  /// the prompt.
  void addFirstToken(Explanation &result, const GpuPlacement &placement) const {
    result.promptTokens = needs.promptTokens;
    const uint64_t copied = placement.copiedBytes();
    const uint64_t fromDisk = placement.readBytes();
    if (gpu.f16Ops == 0 || gpu.memoryBandwidth == 0 ||
        (copied != 0 && gpu.transferBandwidth == 0) ||
        (fromDisk != 0 && machine.diskBandwidth == 0)) {
      return;
    }
    // How fast the CPU processes a prompt is not known here.
    if (plan.cpuLayers != 0) {
      return;
    }
    double seconds = 0;
    for (const ClassNeeds &entry : needs.classes) {
      const auto tokens =
          static_cast<double>(entry.isForOutputs ? 1 : needs.promptTokens);
      const double read =
          static_cast<double>(entry.bytes) *
          (entry.isGathered ? std::min(1.0, tokens * entry.touch) : 1);
      seconds +=
          std::max(read / static_cast<double>(gpu.memoryBandwidth),
                   tokens * entry.ops.all / static_cast<double>(gpu.f16Ops));
    }
    const auto timeOf = [](uint64_t bytes, uint64_t rate) {
      return bytes == 0
                 ? 0
                 : static_cast<double>(bytes) / static_cast<double>(rate);
    };
    result.firstTokenWarm =
        std::max({seconds, timeOf(copied, gpu.transferBandwidth),
                  timeOf(fromDisk, machine.diskBandwidth)});
    if (machine.diskBandwidth != 0 && gpu.transferBandwidth != 0) {
      result.firstTokenCold =
          std::max({seconds, timeOf(needs.weightBytes, machine.diskBandwidth),
                    timeOf(needs.weightBytes, gpu.transferBandwidth)});
    }
  }

  /// The gain, in tokens per second, from one more GiB of VRAM or of RAM.
  /// `sizeIn` returns the field of GpuLimits with the size of this memory.
  template <typename Size>
  std::optional<double> gain(const Explanation &result, Size sizeIn) const {
    GpuLimits larger = plan.limits;
    uint64_t &bytes = sizeIn(larger);
    if (bytes == 0 || bytes > UINT64_MAX - kGiB || !result.decode) {
      return std::nullopt;
    }
    bytes += kGiB;
    const Result<GpuPlacement> placement = planGpu(plan.demand, larger);
    const std::optional<double> speed =
        placement ? speedOf(predict(*placement, 0, plan.cpuOperands))
                  : std::nullopt;
    // A loss, or a gain of less than 0.1 % of the speed, may come from
    // rounding, so it counts as 0.
    return speed ? std::optional(*speed < *result.decode * 1.001
                                     ? 0
                                     : *speed - *result.decode)
                 : std::nullopt;
  }

  /// The largest context for which there is a placement, in tokens. It is a
  /// whole number of KV pages.
  uint64_t largestContext(const GpuLimits &limits) const {
    GpuDemand demand = plan.demand;
    const uint64_t pageTokens = demand.vram.kvPageTokens;
    uint64_t fits = 0;
    uint64_t fails = kMaxContext / pageTokens + 1;
    while (fits + 1 < fails) {
      const uint64_t pages = fits + (fails - fits) / 2;
      demand.vram.context = pages * pageTokens;
      (planGpu(demand, limits).isOk() ? fits : fails) = pages;
    }
    return fits * pageTokens;
  }

  const ModelNeeds &needs;
  const GpuNeeds &plan;
  const MachineProfile &machine;
  const GpuProfile &gpu;
};

} // namespace

Result<Explanation> explainGpuPlan(const ModelNeeds &needs,
                                   const MachineProfile &machine) {
  return GpuExplainer(needs, machine).run();
}

} // namespace air::compiler
