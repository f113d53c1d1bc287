//===- PackCommand.cpp - airpack MODEL ------------------------------------===//
#include "compiler/driver/Compiler.h"
#include "compiler/driver/JoinTogether.h"
#include "formats/machine/TileRegisters.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "formats/support/OutputPlace.h"
#include "formats/support/Thread.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/DumpKernels.h"
#include "tools/airpack/Explain.h"
#include "tools/airpack/HostGpu.h"
#include "tools/airpack/KernelFolder.h"
#include "tools/airpack/TargetReports.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/Output.h"
#include "tools/cli/OutputFile.h"
#include "tools/cli/ProbeFile.h"
#include "tools/cli/ProgressBar.h"
#include "tools/tune/HostBandwidth.h"
#include "tools/tune/Tuner.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace air {
namespace {

namespace fs = std::filesystem;

/// The path of the output if -o is not given. For MODEL.gguf, it is MODEL.air
/// in the current folder. For the first part of a split model, the numbers of
/// the part and of all parts are left out.
std::string defaultOutput(const std::string &model) {
  std::string stem = fs::path(model).stem().string();
  // The name of a split model's first part ends in "-00001-of-NNNNN", where
  // each N is a digit.
  constexpr size_t kSuffix = 15;
  if (stem.size() > kSuffix) {
    std::string tail = stem.substr(stem.size() - kSuffix);
    if (tail.starts_with("-00001-of-") &&
        tail.find_first_not_of("0123456789", 10) == std::string::npos) {
      stem.resize(stem.size() - kSuffix);
    }
  }
  return stem + ".air";
}

/// The output may replace an existing plan, but not the model that it is made
/// from.
Status checkIsNoSource(const std::string &path, const ModelSource &source) {
  std::error_code error;
  for (const MappedFile &file : source.files) {
    if (fs::equivalent(path, file.path(), error)) {
      return usageError("output '" + path +
                        "' is the model itself; name another file with -o");
    }
  }
  return Status::ok();
}

/// Prints a note if the model's files are not in the folder of the reference
/// plan, where airrun looks for them.
void notePlaceOfSource(const std::string &plan, const ModelSource &source) {
  const fs::path folder = fs::absolute(plan).parent_path();
  for (const MappedFile &file : source.files) {
    std::error_code error;
    const fs::path name = fs::path(file.path()).filename();
    if (!fs::equivalent(folder / name, file.path(), error)) {
      cli::printNotes({"the plan is not in the same folder as '" + file.path() +
                       "', where airrun looks for it; move one of the files, "
                       "or run the plan with --source"});
      return;
    }
  }
}

/// Returns how many threads the system allows, at most `wanted` and at least 1.
/// Prints a note if it allows fewer than `wanted`.
unsigned threadsToBeHad(unsigned wanted) {
  // These threads are in addition to the one that compiles and writes.
  const ThreadSupply supply = probeThreads(wanted);
  if (supply.refusal.isOk()) {
    return wanted;
  }
  const unsigned threads = std::max(1U, supply.threads);
  cli::printNotes(
      {cli::format("using only %u of %s (%s); the plan is the same, but takes "
                   "longer to make",
                   threads, countOf(wanted, "thread").c_str(),
                   supply.refusal.message().c_str())});
  return threads;
}

/// Reads --ram, --vram, --disk and --pin. `options.machine` is already set.
Status readMemoryOptions(const cli::Invocation &invocation,
                         compiler::CompileOptions &options) {
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       cli::ramOf(invocation));
  options.ram = ram.value_or(0);
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> vram,
                       cli::byteSizeOf(invocation, "--vram"));
  const bool asksForCpu = vram == uint64_t{0} && options.target == "host";
  if (vram && options.machine->gpus.empty() && !asksForCpu) {
    return usageError("--vram is the memory of a GPU, but target '" +
                      options.target + "' has no GPU");
  }
  if (vram && !asksForCpu) {
    AIR_RETURN_IF_ERROR(checkVram(*vram));
  }
  options.vram = vram.value_or(0);
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> disk,
                       cli::byteSizeOf(invocation, "--disk"));
  if (disk.value_or(0) != 0) {
    return usageError("--disk takes a size above 0 only with --explain; give 0 "
                      "for a plan that never reads weights from the disk once "
                      "they are loaded, or leave the option out");
  }
  options.disk = !disk.has_value();
  const std::optional<int64_t> pin = invocation.integer("--pin");
  if (pin.value_or(kAllPercent) != kAllPercent && !options.disk) {
    return usageError("--pin " + std::to_string(*pin) + " reads " +
                      std::to_string(kAllPercent - *pin) +
                      " % of the weights from the disk in every pass, but "
                      "--disk 0 forbids that; leave out one of them, or give "
                      "--pin 100");
  }
  if (pin) {
    options.pin = static_cast<uint32_t>(*pin);
  }
  return Status::ok();
}

/// The options of the compiler. With --explain, options.machine is not set yet.
Result<compiler::CompileOptions>
compileOptions(const cli::Invocation &invocation, const std::string &target) {
  compiler::CompileOptions options;
  options.model = invocation.positionals.front();
  options.target = target;
  options.pre = invocation.text("--pre").value_or("");
  options.tokenizer = invocation.text("--tokenizer").value_or("");
  if (invocation.has("--tokenizer") && options.tokenizer.empty()) {
    return usageError(
        "--tokenizer: the path is empty; give a file or a folder, "
        "or leave the option out");
  }
  options.kvType = invocation.text("--kv-type").value_or("");
  options.activations = invocation.text("--activations").value_or("");
  options.context =
      static_cast<uint64_t>(invocation.integer("--ctx").value_or(0));
  options.slots =
      static_cast<uint64_t>(invocation.integer("--slots").value_or(0));
  AIR_RETURN_IF_ERROR(readCpuLayers(invocation, options));
  if (invocation.has("--explain")) {
    return options;
  }
  if (invocation.has("--no-probe-cache")) {
    AIR_ASSIGN_OR_RETURN(options.machine, resolveProfile(target));
  } else {
    AIR_ASSIGN_OR_RETURN(options.machine,
                         cli::resolveTarget(target, [&](const GpuProfile &gpu) {
                           return canPlanForHostGpu(invocation, gpu);
                         }));
  }
  AIR_RETURN_IF_ERROR(readMemoryOptions(invocation, options));
  AIR_RETURN_IF_ERROR(checkCpuLayers(options, *options.machine));
  options.weightless = invocation.has("--weightless");
  options.reference = invocation.has("--reference");
  options.ptx = invocation.has("--ptx");
  if (options.ptx && options.machine->gpus.empty()) {
    return usageError("--ptx stores GPU kernels as PTX, but target '" +
                      options.target + "' has no GPU; leave out --ptx");
  }
  options.codec = invocation.text("--codec").value_or("auto");
  if (options.weightless && options.codec != "auto" &&
      options.codec != "none") {
    return usageError("--codec chooses how a plan stores weights, but "
                      "--weightless makes a plan without weights; give only "
                      "one of these options");
  }
  if (options.reference && options.codec != "auto" && options.codec != "none") {
    return usageError("--codec chooses how a plan stores weights, but "
                      "--reference leaves the weights in the model's file; "
                      "give only one of these options");
  }
  options.from = invocation.text("--from").value_or("");
  if (invocation.has("--from") && options.from.empty()) {
    return usageError("--from: the path is empty; give a plan, or leave the "
                      "option out");
  }
  if (!options.from.empty() && (options.weightless || options.reference)) {
    return usageError("--from copies weights from a plan, but --weightless and "
                      "--reference make a plan without weights; leave out "
                      "--from or the other option");
  }
  options.threads = static_cast<unsigned>(
      invocation.integer("--threads").value_or(hostProfile().cores));
  return options;
}

/// Shows how far packing has come: as a bar on a terminal, or with --progress
/// as lines for another program.
class Progress {
public:
  Progress(std::string text, bool asLines)
      : stage(std::move(text)), lines(asLines), bar(stage) {}

  void begin() {
    if (lines) {
      print("progress: " + stage);
    } else {
      bar.note(stage + " ...");
    }
  }
  void update(uint64_t done, uint64_t total) {
    if (!lines) {
      bar.update(done, total);
      return;
    }
    std::string line = "progress: " + stage + " " +
                       std::to_string(percentOf(done, total)) + " %";
    if (line != printed) {
      print(std::move(line));
    }
  }

private:
  static uint64_t percentOf(uint64_t done, uint64_t total) {
    return static_cast<uint64_t>(
        100.0 * static_cast<double>(done) /
        static_cast<double>(std::max<uint64_t>(total, 1)));
  }
  void print(std::string line) {
    printed = std::move(line);
    std::fprintf(stderr, "%s\n", printed.c_str());
  }

  std::string stage;
  bool lines;
  cli::ProgressBar bar;
  std::string printed; ///< the line that was printed last
};

/// Measures how long the stages of packing take, for --times.
class StageTimes {
public:
  /// Seconds since the previous call, or since construction.
  double next() {
    const double now = monotonicSeconds();
    return now - std::exchange(before, now);
  }

private:
  double before = monotonicSeconds();
};

/// Refuses --tune if the kernels of the plan that `options` describes cannot be
/// timed on this machine.
Status checkTune(const compiler::CompileOptions &options) {
  const MachineProfile &target = *options.machine;
  if (!target.gpus.empty()) {
    return unsupportedError("--tune times CPU kernels, but target '" +
                            options.target +
                            "' is a GPU; leave the option out, or name a CPU");
  }
  const Status runs = prepareToRun(target, hostProfile());
  return runs.isOk() ? runs
                     : usageError("--tune measures on this machine, which "
                                  "cannot run plans for '" +
                                  options.target + "': " + runs.message());
}

/// Times different tile sizes for the plan that `options` describes, and stores
/// the choice in `options.tiles`. checkTune() must have succeeded.
Status measureTiles(compiler::CompileOptions &options, double seconds) {
  const MachineProfile &target = *options.machine;
  const MachineProfile host = hostProfile();
  AIR_ASSIGN_OR_RETURN(compiler::Compiler compiler,
                       compiler::Compiler::load(options));
  AIR_RETURN_IF_ERROR(compiler.run("select-kernels"));
  AIR_ASSIGN_OR_RETURN(std::vector<codegen::KernelUse> products,
                       compiler.matmuls());
  cli::ProgressBar bar("measuring tiles");
  AIR_ASSIGN_OR_RETURN(options.tiles,
                       tune::chooseTiles(products, target,
                                         std::min(target.cores, host.cores),
                                         seconds, [&](size_t done) {
                                           bar.update(done, products.size());
                                         }));
  return Status::ok();
}

/// This machine's memory bandwidth in bytes/s. If it cannot be measured, prints
/// a note and returns 0, because the plan is already written and only a line of
/// its summary is missing.
double measureBandwidth() {
  const MachineProfile host = hostProfile();
  Result<double> bandwidth =
      tune::hostReadBandwidth(host.cores, host.memoryBytes);
  if (!bandwidth) {
    cli::printNotes({"the memory bandwidth could not be measured: " +
                     bandwidth.status().message()});
    return 0;
  }
  return *bandwidth;
}

struct Output {
  compiler::CompileOptions options;
  std::string path;
  std::optional<std::string> dumpFolder; ///< for --dump-kernels
  AtomicFile file;
};

/// Refuses options that have no effect on what --emit and --stop-after print.
/// `emit` and `stopAfter` are the values of these two, or "".
Status checkPrintOptions(const cli::Invocation &invocation,
                         const std::string &emit,
                         const std::string &stopAfter) {
  if (!stopAfter.empty() && (emit == "json" || emit == "llm")) {
    return usageError("--stop-after prints the IR after a pass; it cannot be "
                      "combined with --emit=" +
                      emit);
  }
  if (emit.empty() && stopAfter.empty()) {
    return Status::ok();
  }
  const std::pair<const char *, const char *> writing[] = {
      {"--output", "names the plan to write"},
      {"--separate", "writes a plan for each target"},
      {"--from", "copies the weights of a plan that is written"},
      {"--dump-kernels", "writes the kernels of a plan"},
      {"--times", "reports how a plan was written"},
      {"--progress", "reports how a plan is written"}};
  for (const auto &[name, purpose] : writing) {
    if (invocation.has(name)) {
      return usageError(std::string(name) + " " + purpose +
                        ", but with --emit or --stop-after no plan is written; "
                        "leave out " +
                        name + ", or leave out --emit and --stop-after");
    }
  }
  const bool printsIr = emit != "json";
  if (printsIr && invocation.has("--weightless")) {
    return usageError("--weightless applies only to a plan that is written, or "
                      "printed with --emit=json; it cannot be combined with "
                      "--emit=llm, --emit=plan or --stop-after");
  }
  if (invocation.has("--tune") && (emit == "llm" || !stopAfter.empty())) {
    return usageError("--tune needs a complete plan; it cannot be combined "
                      "with --emit=llm or --stop-after");
  }
  return Status::ok();
}

Result<std::vector<std::string>> targetsOf(const cli::Invocation &invocation) {
  std::vector<std::string> targets = invocation.list("--target");
  if (targets.empty()) {
    return usageError("--target is missing; give host, the name of a profile, "
                      "or a JSON file");
  }
  if (targets.size() > 1 && invocation.has("--explain")) {
    return usageError("--target is given " + countOf(targets.size(), "time") +
                      ", but --explain reports on one target; give "
                      "--target once");
  }
  const bool isOnePlan = !invocation.has("--separate");
  if (isOnePlan && targets.size() > kMaxTargets) {
    return usageError("--target is given " + countOf(targets.size(), "time") +
                      ", but a plan is for at most " +
                      std::to_string(kMaxTargets) +
                      " targets; give --separate, or leave out some of them");
  }
  const bool prints =
      invocation.has("--emit") || invocation.has("--stop-after");
  if (targets.size() > 1 && prints && isOnePlan) {
    return usageError("--target is given " + countOf(targets.size(), "time") +
                      ", but --emit and --stop-after print what is made "
                      "for one target; give --target once");
  }
  return targets;
}

/// The form in which the name of a target appears in file names.
std::string fileNameOf(const std::string &target) {
  const bool isFile =
      target.ends_with(".json") || target.find('/') != std::string::npos;
  return isFile ? fs::path(target).stem().string() : target;
}

/// What to write for each target: a plan of its own with --separate, otherwise
/// a part of one plan. The files are not open yet.
Result<std::vector<Output>> outputsOf(const cli::Invocation &invocation,
                                      const std::vector<std::string> &targets) {
  const std::string given =
      invocation.text("--output")
          .value_or(defaultOutput(invocation.positionals.front()));
  std::optional<std::string> dump = invocation.text("--dump-kernels");
  const bool isSeparate = invocation.has("--separate");
  if (isSeparate) {
    // The paths of the plans are derived from `given`. If `given` is empty or
    // names something other than a file, such as a folder, the call fails here.
    // Without this check, the plans would be written beside the folder instead
    // of into it.
    if (Status status = findOutputPlace(given).status();
        status.code() == ErrorCode::Usage) {
      return status;
    }
  }
  std::map<std::string, std::string> targetOf; ///< the target of each path
  std::vector<Output> outputs;
  for (const std::string &target : targets) {
    fs::path path = given;
    const std::string name = fileNameOf(target);
    if (isSeparate) {
      path.replace_filename(path.stem().string() + "." + name +
                            path.extension().string());
    }
    std::optional<std::string> folder = dump;
    if (dump && (isSeparate || targets.size() > 1)) {
      folder = (fs::path(*dump) / name).string();
    }
    const auto [other, isNew] = targetOf.emplace(
        isSeparate ? path.string() : folder.value_or(target), target);
    if (!isNew && !isSeparate) {
      return usageError(
          "--target: '" + other->second + "' and '" + target +
          (other->second == target
               ? "' are the same target; give it once"
               : "' have the same name, so their kernels would be written to "
                 "the same folder '" +
                     *folder + "'; rename one of the profiles"));
    }
    if (!isNew) {
      return usageError("--separate: the plans for the targets '" +
                        other->second + "' and '" + target +
                        "' would both be written to '" + path.string() +
                        "'; leave out one of them, or rename its profile");
    }
    AIR_ASSIGN_OR_RETURN(compiler::CompileOptions options,
                         compileOptions(invocation, target));
    outputs.push_back({std::move(options), path.string(), folder, {}});
  }
  return outputs;
}

/// Prints the line of --times: how long each stage of making `plan` took.
void printTimes(PlanFile &plan, double kernelsReadyAt, double loadSeconds,
                double compileStart, double writeStart, double writeSeconds) {
  // For a reference plan, `writeSeconds` includes the time to compute the
  // digests of all weights. The plan does not store these weights, so their
  // bytes are added here.
  const bool isReference = plan.plan().reference();
  uint64_t bytes = plan.bytes().size();
  (void)forEachSegment(plan, [&](uint32_t index) {
    const plan::Segment &segment = *plan.plan().segments()->Get(index);
    bytes += isReference ? segment.raw_bytes() - segment.stored_bytes() : 0;
    return Status::ok();
  });
  const double megabytes = static_cast<double>(bytes) / 1e6;
  const double compileEnd = std::max(writeStart, kernelsReadyAt);
  std::fputs(
      cli::format("airpack: read in %.2f s, compiled in %.2f s (%.2f s of it "
                  "while writing), %s %.0f MB in %.2f s (%.0f MB/s)\n",
                  loadSeconds, compileEnd - compileStart,
                  compileEnd - writeStart,
                  isReference ? "made the digests of" : "wrote", megabytes,
                  writeSeconds, megabytes / writeSeconds)
          .c_str(),
      stderr);
}

/// Prints the description of `plan`, which has been written for the targets of
/// `outputs`.
Status printPlan(const cli::Invocation &invocation,
                 std::span<const Output> outputs, PlanFile &plan) {
  if (invocation.has("--json")) {
    AIR_ASSIGN_OR_RETURN(const std::string json,
                         reportJson(plan, ListKernels::No));
    return cli::writeOut(json);
  }
  const auto bandwidthOf = [&](const plan::Plan &target) {
    for (const Output &output : outputs) {
      const compiler::CompileOptions &options = output.options;
      // If the profile was measured, the summary shows its memory bandwidth, so
      // nothing is measured here.
      if (options.target == "host" && !options.machine->measured &&
          options.machine->name == target.machine()->name()->string_view()) {
        return measureBandwidth();
      }
    }
    return 0.0;
  };
  AIR_ASSIGN_OR_RETURN(std::string text,
                       reportText(plan, ListKernels::No, bandwidthOf));
  text += "written to " + outputs.front().path + "\n";
  return cli::writeOut(text);
}

/// Returns an error if one plan would replace another. Their names differ, but
/// a name may be a link to another plan.
Status checkOutputsDiffer(const std::vector<Output> &outputs) {
  // For each file, with links resolved, the path that was given for it.
  std::map<fs::path, std::string> pathOf;
  for (const Output &output : outputs) {
    std::error_code error;
    const auto [other, isNew] = pathOf.emplace(
        fs::weakly_canonical(fs::absolute(output.file.path()), error),
        output.path);
    if (!isNew) {
      return usageError("--separate: the plans '" + other->second + "' and '" +
                        output.path +
                        "' would be written to the same file, because of a "
                        "link; name other files with -o, or remove the link");
    }
  }
  return Status::ok();
}

/// Says how many bytes were copied from the plan that --from names.
void noteCopied(const compiler::Compiler &compiler,
                const compiler::CompileOptions &options) {
  if (const uint64_t copied = compiler.copiedBytes();
      copied != 0 && !options.from.empty()) {
    cli::printNotes({byteText(copied) + " of the weights were copied from '" +
                     options.from + "'"});
  }
}

/// Makes and writes the plan of outputs[index]. `previous` is the compiler of
/// an earlier plan, which has read the model, or empty if the model must be
/// read. Afterwards, `previous` is the compiler of this plan.
Status writeOutput(const cli::Invocation &invocation,
                   std::vector<Output> &outputs, size_t index,
                   std::optional<compiler::Compiler> &previous) {
  Output &output = outputs[index];
  StageTimes times;
  const bool isFirst = !previous;
  Result<compiler::Compiler> loaded =
      isFirst ? compiler::Compiler::load(output.options)
              : previous->again(output.options);
  if (!loaded) {
    return loaded.status();
  }
  previous.emplace(*std::move(loaded));
  compiler::Compiler &compiler = *previous;
  if (isFirst) {
    cli::printNotes(compiler.notes());
    for (const Output &each : outputs) {
      AIR_RETURN_IF_ERROR(checkIsNoSource(each.path, compiler.source()));
    }
  }
  const double loadSeconds = times.next();
  const double compileStart = monotonicSeconds();
  {
    Progress progress("compiling kernels", invocation.has("--progress"));
    progress.begin();
    AIR_RETURN_IF_ERROR(runPasses(compiler, output.options, ""));
  }
  const double writeStart = monotonicSeconds();
  times.next();
  if (output.dumpFolder) {
    AIR_RETURN_IF_ERROR(dumpKernels(compiler, *output.dumpFolder));
    times.next();
  }
  {
    Progress progress("packing", invocation.has("--progress"));
    const Result<uint64_t> bytes = compiler.write(
        std::move(output.file),
        [&](uint64_t done, uint64_t total) { progress.update(done, total); });
    AIR_RETURN_IF_ERROR(bytes.status());
  }
  const double writeSeconds = times.next();
  noteCopied(compiler, output.options);
  // With --json, this note is left out, because the JSON object names the
  // model's files. airrun packs with --json to fill its cache, and knows where
  // the files are.
  if (output.options.reference && !invocation.has("--json")) {
    notePlaceOfSource(output.path, compiler.source());
  }
  AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(output.path));
  if (invocation.has("--times")) {
    printTimes(plan, compiler.kernelsReadyAt(), loadSeconds, compileStart,
               writeStart, writeSeconds);
  }
  return printPlan(invocation, std::span(&output, 1), plan);
}

/// Adds the name of the target to an error, unless it is a usage error. Usage
/// errors concern all targets.
Status forTarget(const Status &status, const std::string &target) {
  return status.code() == ErrorCode::Usage
             ? status
             : status.withContext("target '" + target + "'");
}

/// Makes one plan for the targets of all `outputs`, and writes it to the file
/// of the first output.
Status writeTogether(const cli::Invocation &invocation,
                     std::vector<Output> &outputs) {
  Output &first = outputs.front();
  StageTimes times;
  std::vector<compiler::Compiler> compilers;
  double loadSeconds = 0;
  double compileStart = 0;
  for (Output &output : outputs) {
    const std::string &target = output.options.target;
    // again() lets a compiler reuse the GPU kernels that the previous one has
    // compiled.
    Result<compiler::Compiler> loaded =
        compilers.empty() ? compiler::Compiler::load(output.options)
                          : compilers.back().again(output.options);
    if (!loaded) {
      return loaded.status();
    }
    compilers.push_back(*std::move(loaded));
    if (compilers.size() == 1) {
      cli::printNotes(compilers.front().notes());
      AIR_RETURN_IF_ERROR(
          checkIsNoSource(first.path, compilers.front().source()));
      loadSeconds = times.next();
      compileStart = monotonicSeconds();
    }
    {
      Progress progress("compiling kernels for " + target,
                        invocation.has("--progress"));
      progress.begin();
      AIR_RETURN_IF_ERROR(
          forTarget(runPasses(compilers.back(), output.options, ""), target));
    }
    if (output.dumpFolder) {
      AIR_RETURN_IF_ERROR(dumpKernels(compilers.back(), *output.dumpFolder));
    }
  }
  const double writeStart = monotonicSeconds();
  times.next();
  {
    Progress progress("packing", invocation.has("--progress"));
    AIR_RETURN_IF_ERROR(
        compiler::Compiler::writeTogether(compilers, std::move(first.file),
                                          [&](uint64_t done, uint64_t total) {
                                            progress.update(done, total);
                                          })
            .status());
  }
  const double writeSeconds = times.next();
  noteCopied(compilers.front(), first.options);
  if (first.options.reference && !invocation.has("--json")) {
    notePlaceOfSource(first.path, compilers.front().source());
  }
  AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(first.path));
  if (invocation.has("--times")) {
    printTimes(plan, writeStart, loadSeconds, compileStart, writeStart,
               writeSeconds);
  }
  return printPlan(invocation, outputs, plan);
}

/// Prints what --emit and --stop-after ask for, and writes no plan.
Status printCompiled(compiler::CompileOptions &options, const std::string &emit,
                     const std::string &stopAfter) {
  AIR_ASSIGN_OR_RETURN(compiler::Compiler compiler,
                       compiler::Compiler::load(options));
  cli::printNotes(compiler.notes());
  if (emit == "llm") {
    return cli::writeOut(compiler.moduleText());
  }
  {
    Progress progress("compiling kernels", /*asLines=*/false);
    progress.begin();
    AIR_RETURN_IF_ERROR(runPasses(compiler, options, stopAfter));
  }
  if (emit == "json") {
    AIR_ASSIGN_OR_RETURN(std::string json, compiler.planJson());
    return cli::writeOut(json);
  }
  return cli::writeOut(compiler.moduleText());
}

} // namespace

Status runPack(const cli::Invocation &invocation) {
  AIR_RETURN_IF_ERROR(checkExplainOptions(invocation));
  AIR_ASSIGN_OR_RETURN(const std::vector<std::string> targets,
                       targetsOf(invocation));
  if (invocation.has("--explain")) {
    AIR_ASSIGN_OR_RETURN(compiler::CompileOptions options,
                         compileOptions(invocation, targets.front()));
    return runExplain(invocation, std::move(options));
  }
  AIR_ASSIGN_OR_RETURN(std::vector<Output> outputs,
                       outputsOf(invocation, targets));
  const std::string emit = invocation.text("--emit").value_or("");
  const std::string stopAfter = invocation.text("--stop-after").value_or("");
  AIR_RETURN_IF_ERROR(checkPrintOptions(invocation, emit, stopAfter));
  const bool writes = emit.empty() && stopAfter.empty();
  const bool printsIr = !writes && emit != "json";
  const bool isTogether = outputs.size() > 1 && !invocation.has("--separate");
  if (invocation.has("--reference") &&
      (printsIr || invocation.has("--weightless"))) {
    return usageError("--reference applies only to a plan that is written, or "
                      "printed with --emit=json; it cannot be combined with "
                      "--weightless, --emit=llm, --emit=plan or --stop-after");
  }
  if (invocation.has("--tune")) {
    for (const Output &output : outputs) {
      AIR_RETURN_IF_ERROR(checkTune(output.options));
    }
  }
  // An output that cannot be written is refused now, not after minutes of
  // packing.
  for (Output &output : outputs) {
    if (output.dumpFolder) {
      AIR_RETURN_IF_ERROR(checkDumpFolder(*output.dumpFolder, output.path));
    }
    if (writes && (!isTogether || &output == outputs.data())) {
      AIR_ASSIGN_OR_RETURN(output.file, cli::openOutput(output.path));
    }
  }
  if (writes && !isTogether) {
    AIR_RETURN_IF_ERROR(checkOutputsDiffer(outputs));
  }
  AIR_ASSIGN_OR_RETURN(
      const std::shared_ptr<const codegen::KernelCache> kernelCache,
      openKernelCache(invocation));
  const unsigned threads = threadsToBeHad(outputs.front().options.threads);
  if (writes) {
    std::vector<compiler::CompileOptions *> all;
    for (Output &output : outputs) {
      all.push_back(&output.options);
    }
    compiler::joinTogether(all);
  }
  std::optional<compiler::Compiler> compiler;
  std::vector<std::string> packed;
  for (size_t i = 0; i < outputs.size(); ++i) {
    compiler::CompileOptions &options = outputs[i].options;
    options.threads = threads;
    options.kernelCache = kernelCache;
    if (std::optional<double> seconds = invocation.number("--tune")) {
      AIR_RETURN_IF_ERROR(measureTiles(options, *seconds));
    }
    if (!writes) {
      return printCompiled(options, emit, stopAfter);
    }
    if (isTogether) {
      continue;
    }
    // A second thread is needed to write while kernels are being compiled.
    options.background = threads > 1;
    options.packed = packed;
    const Status written = writeOutput(invocation, outputs, i, compiler);
    if (!written.isOk()) {
      return outputs.size() == 1 ? written : forTarget(written, options.target);
    }
    if (!options.weightless && !options.reference) {
      packed.push_back(outputs[i].path);
    }
  }
  return isTogether ? writeTogether(invocation, outputs) : Status::ok();
}

} // namespace air
