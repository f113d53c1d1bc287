//===- Summary.cpp - a plan in a dozen lines ------------------------------===//
#include "tools/airpack/Summary.h"

#include "formats/dtype/DType.h"
#include "formats/plan/BudgetItemText.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/CopiedBytes.h"
#include "formats/plan/PlanConvert.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/cli/Output.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace air {
namespace {

using cli::format;

std::string textOf(const flatbuffers::String *value) {
  return value == nullptr ? "" : printable(value->string_view(), kShownBytes);
}

template <typename T> uint32_t sizeOf(const flatbuffers::Vector<T> *list) {
  return list == nullptr ? 0 : list->size();
}

std::string countText(uint64_t count) {
  auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) {
    return format("%.2f G", value / 1e9);
  }
  if (count >= 1'000'000) {
    return format("%.2f M", value / 1e6);
  }
  return std::to_string(count);
}

/// The dtypes of the matrices with their shares of the bytes, as in
/// "Q4_K 70 %, Q6_K 30 %".
std::string dtypeMix(const plan::Plan &plan) {
  std::map<std::string, uint64_t> bytes;
  uint64_t total = 0;
  for (uint32_t i = 0; i < sizeOf(plan.tensors()); ++i) {
    const plan::Tensor &tensor = *plan.tensors()->Get(i);
    if (tensor.rows() > 1) {
      std::optional<DType> dtype = dtypeFromId(tensor.dtype());
      bytes[dtype ? std::string(info(*dtype).name) : "?"] += tensor.bytes();
      total += tensor.bytes();
    }
  }
  std::vector<std::pair<std::string, uint64_t>> order(bytes.begin(),
                                                      bytes.end());
  std::sort(order.begin(), order.end(), [](const auto &a, const auto &b) {
    return a.second > b.second || (a.second == b.second && a.first < b.first);
  });
  std::string mix;
  for (const auto &[name, size] : order) {
    mix += (mix.empty() ? "" : ", ") + name +
           format(" %.0f %%", 100.0 * static_cast<double>(size) /
                                  static_cast<double>(total));
  }
  return mix;
}

std::string modelLines(const plan::Plan &plan) {
  const plan::Hyperparameters &model = *plan.model();
  std::string name = textOf(model.name());
  return format("model      %s%s, %s parameters, %s of width %llu, "
                "vocabulary %llu\n",
                name.empty() ? "" : (name + ", ").c_str(),
                textOf(model.architecture()).c_str(),
                countText(model.parameters()).c_str(),
                countOf(model.layers(), "layer").c_str(),
                static_cast<unsigned long long>(model.width()),
                static_cast<unsigned long long>(model.vocabulary())) +
         "weights    " + dtypeMix(plan) + "\n";
}

std::string dtypeText(uint16_t id) {
  const std::optional<DType> dtype = dtypeFromId(id);
  return dtype ? std::string(info(*dtype).name) : "?";
}

/// Returns a text such as ", KV in F16", which names the dtypes of all caches
/// in alphabetical order.
std::string cacheDtypes(const plan::Plan &plan) {
  std::set<std::string> names;
  for (uint32_t i = 0; i < sizeOf(plan.caches()); ++i) {
    names.insert(dtypeText(plan.caches()->Get(i)->key_dtype()));
    names.insert(dtypeText(plan.caches()->Get(i)->value_dtype()));
  }
  std::string text;
  for (const std::string &name : names) {
    text += (text.empty() ? ", KV in " : " and ") + name;
  }
  return text.empty() ? ", no KV cache" : text;
}

/// A line for each cache group, with the shapes of its caches.
std::string cacheLines(const plan::Plan &plan) {
  std::string lines;
  for (uint32_t i = 0; i < sizeOf(plan.cache_groups()); ++i) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(i);
    std::vector<std::pair<std::string, uint64_t>> shapes;
    for (const plan::Cache *cache : *plan.caches()) {
      if (cache->group() != i) {
        continue;
      }
      std::string shape = countOf(cache->heads(), "head") + " x " +
                          std::to_string(cache->key_dim());
      if (cache->key_dim() != cache->value_dim()) {
        shape += format(" (values %llu)",
                        static_cast<unsigned long long>(cache->value_dim()));
      }
      if (shapes.empty() || shapes.back().first != shape) {
        shapes.emplace_back(shape, 0);
      }
      ++shapes.back().second;
    }
    std::string list;
    for (const auto &[shape, count] : shapes) {
      list +=
          (list.empty() ? "" : ", ") + std::to_string(count) + " of " + shape;
    }
    lines += format("%-10s %s; %s of %s and %s\n", i == 0 ? "caches" : "",
                    list.c_str(), countOf(group.pages(), "page").c_str(),
                    countOf(group.page_tokens(), "token").c_str(),
                    byteText(group.page_bytes()).c_str());
  }
  return lines;
}

std::string contextLine(const plan::Plan &plan) {
  std::string line = format(
      "context    %s%s%s", countOf(plan.context(), "token").c_str(),
      plan.slots() == 1 ? ""
                        : format(" for each of %llu sequences",
                                 static_cast<unsigned long long>(plan.slots()))
                              .c_str(),
      cacheDtypes(plan).c_str());
  if (plan.context() > plan.model()->trained_context()) {
    line += format(
        " (the model was trained for %llu; expect poor output beyond that)",
        static_cast<unsigned long long>(plan.model()->trained_context()));
  }
  return line + "\n";
}

/// The text of a speed. Below 1 token/s, one decimal would be too coarse, so
/// the text has two significant digits.
std::string rateText(uint64_t nanosecondsPerToken) {
  const double rate = 1e9 / static_cast<double>(nanosecondsPerToken);
  return format(rate < 1 ? "%.2g tokens/s" : "%.1f tokens/s", rate);
}

uint64_t sumOf(const plan::Placement &placement, plan::Tier tier) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < sizeOf(placement.items()); ++i) {
    const plan::BudgetItem &item = *placement.items()->Get(i);
    sum += item.tier() == tier ? item.bytes() : 0;
  }
  return sum;
}

uint64_t budgetOf(const plan::Placement &placement, plan::Tier tier) {
  for (uint32_t i = 0; i < sizeOf(placement.budgets()); ++i) {
    if (placement.budgets()->Get(i)->tier() == tier) {
      return placement.budgets()->Get(i)->bytes();
    }
  }
  return 0;
}

/// The bytes of weights that stay in RAM, without embedding tables.
uint64_t residentWeights(const plan::Plan &plan,
                         const plan::Placement &placement) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sizeOf(plan.segments()); ++i) {
    if (plan.segments()->Get(i)->kind() == plan::SegmentKind::Weights) {
      bytes += placement.resident()->Get(i);
    }
  }
  return bytes;
}

/// The table of what the plan keeps in RAM or in VRAM (`tier`), with sizes;
/// empty if it keeps nothing there.
std::string memoryTable(const plan::Placement &placement, plan::Tier tier) {
  if (sumOf(placement, tier) == 0) {
    return "";
  }
  std::string table = tier == plan::Tier::Vram ? "in VRAM\n" : "in RAM\n";
  for (uint32_t i = 0; i < sizeOf(placement.items()); ++i) {
    const plan::BudgetItem &item = *placement.items()->Get(i);
    if (item.tier() == tier) {
      table += format("  %-16s %12s\n",
                      std::string(budgetItemText(textOf(item.name()))).c_str(),
                      byteText(item.bytes()).c_str());
    }
  }
  table +=
      format("  %-16s %12s", "total", byteText(sumOf(placement, tier)).c_str());
  if (const uint64_t budget = budgetOf(placement, tier); budget != 0) {
    table += " of " + byteText(budget);
  }
  return table + "\n";
}

/// The decoded size, in bytes, of the weights that a pass reads.
uint64_t rawBytesPerPass(const plan::Placement &placement) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sizeOf(placement.reads()); ++i) {
    bytes += placement.reads()->Get(i)->bytes();
  }
  return bytes;
}

/// The line that says what is read from the disk in every pass; empty if
/// nothing is.
std::string streamLines(const plan::Plan &plan,
                        const plan::Placement &placement) {
  const uint64_t streamed = storedBytesPerPass(plan, placement);
  if (streamed == 0) {
    return "";
  }
  const uint64_t resident = residentWeights(plan, placement);
  const std::string line = format(
      "streamed   %s of weights are read from the %s for every "
      "token; %s",
      byteText(streamed).c_str(), plan.reference() ? "model's file" : "plan",
      byteText(resident).c_str());
  // The percentage is the share of all weights that stays in RAM. `all` is
  // computed from decoded sizes, as `resident` is, and not from `streamed`,
  // which is smaller if a codec compresses the weights in the plan. If passes
  // also copy weights to a GPU, other weights stay in VRAM. Since `all` does
  // not include these, no percentage is stated.
  const uint64_t all = resident + rawBytesPerPass(placement);
  return copiedBytesPerPass(placement) != 0
             ? line + " stay in RAM\n"
             : line + format(" (%.0f %%) stay in RAM\n",
                             100.0 * static_cast<double>(resident) /
                                 static_cast<double>(all));
}

/// The number of layers that the CPU computes in a plan that also uses a GPU; 0
/// for any other plan.
uint64_t cpuLayersOf(const plan::Plan &plan) {
  std::set<int32_t> layers;
  bool usesGpu = false;
  for (const plan::Step *step : *plan.programs()->Get(0)->steps()) {
    const plan::Dispatch &dispatch = *step->dispatches()->Get(0);
    usesGpu = usesGpu || dispatch.launch() != nullptr;
    if (dispatch.launch() == nullptr && step->layer() >= 0) {
      layers.insert(step->layer());
    }
  }
  return usesGpu ? layers.size() : 0;
}

/// The line that says how many bytes of weights are copied to a GPU in every
/// pass; empty if none are.
std::string copiedLine(const plan::Plan &plan,
                       const plan::Placement &placement) {
  const uint64_t copied = copiedBytesPerPass(placement);
  if (copied == 0) {
    return "";
  }
  uint64_t resident = 0;
  for (uint32_t i = 0; i < sizeOf(placement.items()); ++i) {
    const plan::BudgetItem &item = *placement.items()->Get(i);
    if (item.tier() == plan::Tier::Vram && textOf(item.name()) == "weights") {
      resident = item.bytes();
    }
  }
  return format("copied     %s of weights are copied from RAM to the GPU for "
                "every token; %s (%.0f %% of %s weights) stay in VRAM\n",
                byteText(copied).c_str(), byteText(resident).c_str(),
                100.0 * static_cast<double>(resident) /
                    static_cast<double>(resident + copied),
                cpuLayersOf(plan) == 0 ? "all" : "the GPU's");
}

/// A line for each placement but the first. These placements are for machines
/// on which less RAM or VRAM is available than the first placement needs.
std::string alternateLines(const plan::Plan &plan) {
  std::string lines;
  for (uint32_t i = 1; i < sizeOf(plan.placements()); ++i) {
    const plan::Placement &placement = *plan.placements()->Get(i);
    const uint64_t vram = sumOf(placement, plan::Tier::Vram);
    const uint64_t read = storedBytesPerPass(plan, placement);
    std::string moved = byteText(read) + " read";
    if (vram != 0) {
      moved = byteText(copiedBytesPerPass(placement)) + " copied" +
              (read == 0 ? "" : " and " + moved);
    }
    lines += format("%-10s %s%s in RAM, %s per token", i == 1 ? "or" : "",
                    vram == 0 ? "" : (byteText(vram) + " in VRAM, ").c_str(),
                    byteText(sumOf(placement, plan::Tier::Ram)).c_str(),
                    moved.c_str());
    for (uint32_t p = 0; p < sizeOf(placement.predictions()); ++p) {
      const plan::Prediction &prediction = *placement.predictions()->Get(p);
      if (textOf(prediction.phase()) == "decode" &&
          prediction.nanoseconds() != 0) {
        lines += ": " + rateText(prediction.nanoseconds());
      }
    }
    lines += "\n";
  }
  return lines;
}

std::string speedLines(const plan::Plan &plan, const plan::Placement &placement,
                       double dramBandwidth) {
  std::string lines;
  const bool measured = plan.machine()->measured();
  const char *kind = measured ? "measured" : "nominal";
  for (uint32_t p = 0; p < sizeOf(placement.predictions()); ++p) {
    const plan::Prediction &prediction = *placement.predictions()->Get(p);
    std::string phase = textOf(prediction.phase());
    // A verify pass moves the same bytes.
    if (phase == "verify") {
      continue;
    }
    bool hasArithmetic = false;
    for (uint32_t i = 0; i < sizeOf(prediction.links()); ++i) {
      const plan::LinkPrediction &link = *prediction.links()->Get(i);
      const bool isArithmetic = textOf(link.link()) == "cpu";
      hasArithmetic |= isArithmetic;
      lines += format("%-10s %s %s %s", phase.c_str(),
                      byteText(link.bytes_per_pass()).c_str(),
                      isArithmetic
                          ? "of operands per token in the vector units of the"
                          : "per token over",
                      textOf(link.link()).c_str());
      lines += link.bandwidth() == 0
                   ? ", of unknown bandwidth\n"
                   : format(", %s %.1f GB/s\n", kind,
                            static_cast<double>(link.bandwidth()) / 1e9);
    }
    if (prediction.nanoseconds() == 0) {
      lines += kUnknownSpeed;
    } else {
      // A speed that follows from a measured bandwidth is an upper bound. One
      // that follows from a nominal bandwidth, or from a model of how
      // arithmetic and reading overlap, is only an estimate.
      lines += format("speed      %s %s at %s %s, limited by %s\n",
                      measured && !hasArithmetic ? "at most" : "about",
                      rateText(prediction.nanoseconds()).c_str(), kind,
                      hasArithmetic ? "rates" : "bandwidth",
                      textOf(prediction.limit()).c_str());
    }
    // Only memory was measured, which says nothing about plans that read
    // weights from the disk in every pass.
    const bool isFromMemory = storedBytesPerPass(plan, placement) == 0;
    for (uint32_t i = 0; i < sizeOf(prediction.links()); ++i) {
      const plan::LinkPrediction &link = *prediction.links()->Get(i);
      if (isFromMemory && dramBandwidth > 0 && textOf(link.link()) == "dram" &&
          link.bytes_per_pass() != 0) {
        lines +=
            format("this host  about %.1f tokens/s: its memory was read at "
                   "%.1f GB/s just now\n",
                   dramBandwidth / static_cast<double>(link.bytes_per_pass()),
                   dramBandwidth / 1e9);
      }
    }
  }
  return lines;
}

/// The line with the sampling options that the model recommends; empty if it
/// recommends none.
std::string samplingLine(const plan::Plan &plan) {
  const SamplingDefaults defaults = fromPlan(plan.sampling());
  std::string list;
  auto add = [&](const char *option, const auto &value) {
    if (value) {
      list += std::string(list.empty() ? "" : " ") + option + " " +
              format("%g", static_cast<double>(*value));
    }
  };
  add("--temp", defaults.temperature);
  add("--top-k", defaults.topK);
  add("--top-p", defaults.topP);
  add("--min-p", defaults.minP);
  add("--typical-p", defaults.typicalP);
  add("--repeat-penalty", defaults.repeatPenalty);
  add("--repeat-last-n", defaults.repeatLastN);
  add("--xtc-probability", defaults.xtcProbability);
  add("--xtc-threshold", defaults.xtcThreshold);
  add("--mirostat", defaults.mirostat);
  add("--mirostat-ent", defaults.mirostatTau);
  add("--mirostat-lr", defaults.mirostatEta);
  if (!defaults.samplers.empty()) {
    list += std::string(list.empty() ? "" : " ") + "--samplers '" +
            samplerNames(defaults.samplers) + "'";
  }
  return list.empty() ? ""
                      : "sampling   " + list + " (recommended for the model)\n";
}

/// A line about how matmuls prefetch their weights, if the plan has prefetches,
/// and a line about what `airpack --tune` did, if the plan was tuned.
std::string kernelLines(const plan::Plan &plan) {
  std::string lines;
  for (uint32_t i = 0; i < sizeOf(plan.decisions()); ++i) {
    const plan::Decision &decision = *plan.decisions()->Get(i);
    if (textOf(decision.name()) == "prefetch") {
      lines += "prefetch   " + textOf(decision.value()) + "\n";
    } else if (textOf(decision.name()) == "tune") {
      lines += "tiles      " + textOf(decision.value()) + "\n";
    }
  }
  return lines;
}

/// The lines about the GPU and its kernels; empty if the plan uses none.
std::string gpuLines(const plan::Plan &plan) {
  std::string lines;
  for (uint32_t i = 0; i < sizeOf(plan.machine()->devices()); ++i) {
    const plan::Device &device = *plan.machine()->devices()->Get(i);
    uint64_t kernels = 0;
    uint64_t bytes = 0;
    for (const plan::Executable *executable : *plan.executables()) {
      if (executable->device() == i + 1) {
        kernels += executable->entries()->size();
        bytes += plan.segments()->Get(executable->segment())->raw_bytes();
      }
    }
    lines +=
        format("gpu        %s, %s with %s, %s of %s\n",
               textOf(device.name()).c_str(), textOf(device.arch()).c_str(),
               countOf(device.multiprocessors(), "multiprocessor").c_str(),
               countOf(kernels, "kernel").c_str(), byteText(bytes).c_str());
    if (device.ptx_arch() != nullptr) {
      lines += "ptx        " + textOf(device.ptx_arch()) +
               ": GPUs of this compute capability and later ones can run the "
               "plan\n";
    }
  }
  return lines;
}

/// The line that states how many bytes of weights a weightless plan leaves out;
/// empty for other plans.
std::string weightlessLine(const plan::Plan &plan) {
  if (!plan.weightless()) {
    return "";
  }
  uint64_t bytes = 0;
  for (const plan::Segment *segment : *plan.segments()) {
    bytes += segment->stored_bytes() == 0 ? segment->raw_bytes() : 0;
  }
  return "weightless " + byteText(bytes) +
         " of weights are left out: airrun cannot generate text with this "
         "plan\n";
}

/// The line that states where the weights of a reference plan are; empty for
/// other plans.
std::string referenceLine(const plan::Plan &plan) {
  if (!plan.reference()) {
    return "";
  }
  uint64_t left = 0;
  for (const plan::Segment *segment : *plan.segments()) {
    left += segment->raw_bytes() - segment->stored_bytes();
  }
  uint64_t files = 0;
  for (const plan::Source *source : *plan.sources()) {
    files += source->bytes();
  }
  const uint32_t more = plan.sources()->size() - 1;
  return "reference  " + byteText(left) + " of weights stay in " +
         textOf(plan.sources()->Get(0)->name()) +
         (more == 0 ? "" : " and " + countOf(more, "other file")) + " (" +
         byteText(files) +
         "), which must be in the plan's folder or be named with --source\n";
}

} // namespace

std::string layersLine(uint64_t cpuLayers, uint64_t layers) {
  return cpuLayers == 0
             ? ""
             : format("layers     %llu on the CPU, then %llu on the GPU\n",
                      static_cast<unsigned long long>(cpuLayers),
                      static_cast<unsigned long long>(layers - cpuLayers));
}

std::string planSummary(const plan::Plan &plan, uint64_t fileBytes,
                        double dramBandwidth) {
  const plan::Machine &machine = *plan.machine();
  const plan::Placement &placement = *plan.placements()->Get(0);
  std::string target = textOf(machine.name()) + ", " + textOf(machine.arch());
  for (uint32_t i = 0; i < sizeOf(machine.features()); ++i) {
    target += (i == 0 ? ": " : " ") + textOf(machine.features()->Get(i));
  }
  return modelLines(plan) + "target     " + target + ", " +
         countOf(machine.cores(), "core") + "\n" + kernelLines(plan) +
         gpuLines(plan) +
         layersLine(cpuLayersOf(plan), plan.model()->layers()) +
         contextLine(plan) + cacheLines(plan) + samplingLine(plan) +
         memoryTable(placement, plan::Tier::Vram) +
         memoryTable(placement, plan::Tier::Ram) +
         streamLines(plan, placement) + copiedLine(plan, placement) +
         speedLines(plan, placement, dramBandwidth) + alternateLines(plan) +
         weightlessLine(plan) + referenceLine(plan) +
         (fileBytes == 0
              ? ""
              : "file       " + byteText(fileBytes) + " in " +
                    countOf(sizeOf(plan.segments()), "segment") + "\n");
}

} // namespace air
