//===- ExplainText.cpp - an explanation as text and as JSON ---------------===//
#include "tools/airpack/ExplainText.h"

#include "codegen/cuda/CudaTarget.h"
#include "formats/machine/GpuTable.h"
#include "formats/plan/BudgetItemText.h"
#include "formats/plan/PredictedPhases.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/airpack/Summary.h"
#include "tools/cli/Output.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace air {
namespace {

using cli::format;
using compiler::Devices;
using compiler::Explanation;
using compiler::LinkUse;
using compiler::TierRow;
using Json = nlohmann::ordered_json;

const GpuProfile *gpuOf(const MachineProfile &machine) {
  return machine.gpus.empty() ? nullptr : &machine.gpus.front();
}

std::string shown(const std::string &text) {
  return printable(text, kShownBytes);
}

std::string rateText(uint64_t bytesPerSecond) {
  return bytesPerSecond == 0
             ? "an unknown rate"
             : format("%.1f GB/s", static_cast<double>(bytesPerSecond) / 1e9);
}

/// A speed or a time, with about three digits and without an exponent.
std::string numberText(double value) {
  const int digits =
      value <= 0
          ? 1
          : std::clamp(2 - static_cast<int>(std::floor(std::log10(value))), 0,
                       6);
  return format("%.*f", digits, value);
}

std::string capacityText(uint64_t bytes) {
  return bytes == 0 ? "an unknown size" : byteText(bytes);
}

/// The words for `limit` in a sentence, such as "reads from the disk" for
/// "disk". An unknown limit is returned unchanged.
std::string limitText(const std::string &limit) {
  constexpr std::pair<const char *, const char *> kNames[] = {
      {"disk", "reads from the disk"},
      {"pcie", "copies to the GPU"},
      {"dram", "reads from RAM"},
      {"vram", "reads from VRAM"},
      {"cpu", "the arithmetic of the CPU"},
      {"gpu", "the arithmetic of the GPU"}};
  for (const auto &[name, text] : kNames) {
    if (limit == name) {
      return text;
    }
  }
  return limit;
}

std::string targetLines(const ExplainSubject &subject) {
  const MachineProfile &machine = subject.machine;
  std::string lines = "target     " + shown(machine.name) + ", " +
                      machine.arch + ", " + countOf(machine.cores, "core") +
                      ", " + capacityText(machine.memoryBytes) + " of RAM at " +
                      rateText(machine.memoryBandwidth) + ", disk at " +
                      rateText(machine.diskBandwidth) +
                      (machine.measured ? " (measured)\n" : " (nominal)\n");
  if (const GpuProfile *gpu = gpuOf(machine)) {
    lines += "gpu        " + shown(gpu->name) + ", " +
             byteText(gpu->memoryBytes) + " of VRAM at " +
             rateText(gpu->memoryBandwidth) + ", copies to it at " +
             rateText(gpu->transferBandwidth) + "\n" + "kernels    " +
             (subject.noPlan.empty()
                  ? "for " + shown(gpu->arch) +
                        "; airpack makes a plan with this placement"
                  : subject.noPlan) +
             "; all figures here are predictions\n";
  }
  return lines;
}

std::string placementTable(const Explanation &explanation, bool hasGpu) {
  const auto row = [&](const std::string &name, const std::string &vram,
                       const std::string &ram, const std::string &disk) {
    const std::string line = format("  %-16s", name.c_str()) +
                             (hasGpu ? format("%12s", vram.c_str()) : "") +
                             format("%12s", ram.c_str());
    return line + (disk.empty() ? "" : format("%12s", disk.c_str())) + "\n";
  };
  const auto cell = [](uint64_t bytes) {
    return bytes == 0 ? std::string("-") : byteText(bytes);
  };
  std::string table = row("where it lies", "VRAM", "RAM", "disk");
  for (const TierRow &entry : explanation.placement) {
    table += row(std::string(budgetItemText(entry.name)), cell(entry.vram),
                 cell(entry.ram), cell(entry.disk));
  }
  const TierRow &total = explanation.total;
  table += row("total", cell(total.vram), cell(total.ram), cell(total.disk));
  const auto capacity = [](std::optional<uint64_t> bytes) {
    return bytes ? byteText(*bytes) : std::string("unknown");
  };
  return table + row("of", capacity(explanation.vramCapacity),
                     capacity(explanation.ramCapacity), "");
}

std::string linkLines(const Explanation &explanation, const char *kind) {
  std::string lines;
  for (const LinkUse &link : explanation.links) {
    lines += format("decode     %s per token over %s, ",
                    byteText(static_cast<uint64_t>(link.bytesPerToken)).c_str(),
                    link.link.c_str());
    lines += link.bandwidth == 0
                 ? "of unknown bandwidth\n"
                 : std::string(kind) + " " + rateText(link.bandwidth) + "\n";
  }
  return lines;
}

std::string speedLines(const Explanation &explanation, const char *kind) {
  if (!explanation.decode) {
    return kUnknownSpeed;
  }
  std::string lines = "speed      about " + numberText(*explanation.decode) +
                      " tokens/s at " + kind + " rates, limited by " +
                      limitText(explanation.limitedBy) + "\n";
  if (explanation.decodeAtFullContext) {
    lines += "           about " +
             numberText(*explanation.decodeAtFullContext) +
             " tokens/s at the end of the context\n";
  }
  if (explanation.decodeFluid &&
      *explanation.decodeFluid > *explanation.decode * 1.01) {
    lines += "           about " + numberText(*explanation.decodeFluid) +
             " tokens/s if CPU and GPU always worked at the same time, which "
             "airrun does not support yet\n";
  }
  return lines;
}

std::string verifyLine(const Explanation &explanation) {
  if (!explanation.verifySeconds || !explanation.decode) {
    return "";
  }
  return "verify     a pass of " + countOf(kVerifyTokens, "token") +
         " takes about " + numberText(*explanation.verifySeconds) + " s, " +
         numberText(*explanation.verifySeconds * *explanation.decode) +
         " times as long as a pass of 1 token\n";
}

std::string firstTokenLine(const Explanation &explanation) {
  const auto seconds = [](const std::optional<double> &value) {
    return value ? "about " + numberText(*value) + " s"
                 : std::string("an unknown time");
  };
  return format("prompt     of %llu tokens: first token after ",
                static_cast<unsigned long long>(explanation.promptTokens)) +
         seconds(explanation.firstTokenCold) +
         " if all weights are on the disk, " +
         seconds(explanation.firstTokenWarm) +
         " if they are already in memory\n";
}

std::string gainLine(const Explanation &explanation) {
  std::string list;
  auto add = [&](const char *memory, const std::optional<double> &gain) {
    if (gain) {
      list +=
          std::string(list.empty() ? "" : ", ") + "one more GiB of " + memory +
          " adds " +
          (*gain == 0 ? "nothing" : "about " + numberText(*gain) + " tokens/s");
    }
  };
  add("VRAM", explanation.gainOfVram);
  add("RAM", explanation.gainOfRam);
  return list.empty() ? "" : "gain       " + list + "\n";
}

std::string contextLines(const ExplainSubject &subject,
                         const Explanation &explanation) {
  const auto count = [](uint64_t tokens) {
    return format("%llu", static_cast<unsigned long long>(tokens));
  };
  const compiler::ModelNeeds &needs = subject.needs;
  std::string line =
      "context    " + countOf(needs.ram.context, "token") +
      (needs.ram.slots == 1
           ? ""
           : " for each of " + count(needs.ram.slots) + " sequences") +
      ", KV in " + (needs.kvType == "f32" ? "F32" : "F16") + "; " +
      count(explanation.maxContext) + " would fit";
  if (explanation.maxResidentContext != explanation.maxContext) {
    line += explanation.maxResidentContext == 0
                ? ", none without reading weights from the disk for every token"
                : ", " + count(explanation.maxResidentContext) +
                      " without reading weights from the disk for every token";
  }
  return line + " (the model was trained for " + count(needs.trainedContext) +
         ")\n" +
         (needs.caches == 0
              ? ""
              : "caches     " + count(needs.caches) + " in pages of " +
                    countOf(needs.ram.kvPageTokens, "token") + " and " +
                    byteText(needs.ram.kvPageBytes) + "\n");
}

Json numberOrNull(const std::optional<double> &value) {
  return value ? Json(*value) : Json(nullptr);
}

Json tiersJson(const TierRow &row) {
  return {{"name", row.name},
          {"vram_bytes", row.vram},
          {"ram_bytes", row.ram},
          {"disk_bytes", row.disk}};
}

} // namespace

std::string noPlanFor(const GpuProfile &gpu) {
  if (canPlanFor(gpu)) {
    return codegen::cuda::cudaTarget(gpu.arch).isOk()
               ? ""
               : "none for " + shown(gpu.arch) +
                     ": airpack makes no plan for this GPU";
  }
  return gpu.backend == GpuBackend::Cuda
             ? "none, because the profile lacks arch or multiprocessors"
             : "none for this GPU yet, because there is no " +
                   std::string(backendTitle(gpu.backend)) + " backend";
}

std::string explanationText(const ExplainSubject &subject,
                            const Explanation &explanation) {
  const MachineProfile &machine = subject.machine;
  const char *kind = machine.measured ? "measured" : "nominal";
  const std::string name = shown(subject.modelName);
  const auto parameters = static_cast<double>(subject.needs.parameters);
  const bool isLarge = parameters >= 1e9;
  return format("model      %s%s, %.2f %s parameters in %s, %s\n",
                name.empty() ? "" : (name + ", ").c_str(),
                shown(subject.architecture).c_str(),
                parameters / (isLarge ? 1e9 : 1e6), isLarge ? "G" : "M",
                byteText(subject.needs.weightBytes).c_str(),
                countOf(subject.needs.layers, "layer").c_str()) +
         targetLines(subject) +
         layersLine(explanation.cpuLayers, subject.needs.layers) +
         placementTable(explanation, gpuOf(machine) != nullptr) +
         linkLines(explanation, kind) + speedLines(explanation, kind) +
         verifyLine(explanation) + firstTokenLine(explanation) +
         gainLine(explanation) + contextLines(subject, explanation);
}

std::string explanationJson(const ExplainSubject &subject,
                            const Explanation &explanation) {
  const compiler::ModelNeeds &needs = subject.needs;
  const MachineProfile &machine = subject.machine;
  Json json;
  json["model"] = {{"name", subject.modelName},
                   {"architecture", subject.architecture},
                   {"parameters", needs.parameters},
                   {"layers", needs.layers},
                   {"weight_bytes", needs.weightBytes},
                   {"trained_context", needs.trainedContext}};
  json["target"] = Json::parse(toJson(machine));
  json["target"].erase("features");
  json["target"].erase("cpu");
  json["has_kernels"] = subject.noPlan.empty();
  json["context"] = needs.ram.context;
  json["slots"] = needs.ram.slots;
  json["kv_type"] = needs.kvType;
  json["caches"] = needs.caches;
  json["kv_page_bytes"] = needs.ram.kvPageBytes;
  Json placement = Json::array();
  for (const TierRow &row : explanation.placement) {
    placement.push_back(tiersJson(row));
  }
  json["placement"] = std::move(placement);
  json["total"] = tiersJson(explanation.total);
  json["total"].erase("name");
  const auto bytesOrNull = [](const std::optional<uint64_t> &bytes) {
    return bytes ? Json(*bytes) : Json(nullptr);
  };
  json["capacity"] = {{"vram_bytes", bytesOrNull(explanation.vramCapacity)},
                      {"ram_bytes", bytesOrNull(explanation.ramCapacity)}};
  json["cpu_layers"] = explanation.cpuLayers;
  json["schedule"] = "serial";
  json["devices"] = explanation.devices == Devices::Cpu   ? "cpu"
                    : explanation.devices == Devices::Gpu ? "gpu"
                                                          : "both";
  Json links = Json::array();
  for (const LinkUse &link : explanation.links) {
    links.push_back(
        {{"link", link.link},
         {"bytes_per_token", std::llround(link.bytesPerToken)},
         {"bandwidth",
          link.bandwidth == 0 ? Json(nullptr) : Json(link.bandwidth)}});
  }
  json["links"] = std::move(links);
  json["decode_tok_s"] = numberOrNull(explanation.decode);
  json["decode_tok_s_full_context"] =
      numberOrNull(explanation.decodeAtFullContext);
  json["decode_tok_s_fluid"] = numberOrNull(explanation.decodeFluid);
  json["verify_tokens"] = kVerifyTokens;
  json["verify_s"] = numberOrNull(explanation.verifySeconds);
  json["limited_by"] = explanation.limitedBy.empty()
                           ? Json(nullptr)
                           : Json(explanation.limitedBy);
  json["prompt_tokens"] = explanation.promptTokens;
  json["first_token_s"] = numberOrNull(explanation.firstTokenCold);
  json["first_token_warm_s"] = numberOrNull(explanation.firstTokenWarm);
  json["gain_tok_s_per_gib"] = {{"vram", numberOrNull(explanation.gainOfVram)},
                                {"ram", numberOrNull(explanation.gainOfRam)}};
  json["max_context"] = explanation.maxContext;
  json["max_resident_context"] = explanation.maxResidentContext;
  // Names in a file need not be valid UTF-8, so invalid bytes are replaced.
  return printableJson(
             json.dump(2, ' ', false, Json::error_handler_t::replace)) +
         "\n";
}

} // namespace air
