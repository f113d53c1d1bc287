//===- PackCommand.cpp - airpack MODEL ------------------------------------===//
#include "compiler/driver/Compiler.h"
#include "formats/machine/TileRegisters.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/support/MonotonicClock.h"
#include "formats/support/Thread.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/Explain.h"
#include "tools/airpack/Summary.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/Output.h"
#include "tools/cli/OutputFile.h"
#include "tools/cli/ProbeFile.h"
#include "tools/cli/ProgressBar.h"
#include "tools/tune/HostBandwidth.h"
#include "tools/tune/Tuner.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

namespace fs = std::filesystem;

/// The path of the output if -o is not given. For MODEL.gguf, it is MODEL.air
/// in the current folder. The number of a split model's part is left out.
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

/// Prints a note if the model's files do not lie in the folder of the reference
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

/// The number of threads, at most `wanted`, that the system allows. Prints a
/// note if it is lower than `wanted`.
unsigned threadsToBeHad(unsigned wanted) {
  // The threads that are probed are in addition to the one that compiles and
  // writes.
  const ThreadSupply supply = probeThreads(wanted);
  if (supply.refusal.isOk()) {
    return wanted;
  }
  const unsigned threads = std::max(1U, supply.threads);
  cli::printNotes(
      {cli::format("using only %u of %u threads (%s); the plan is the same, "
                   "but takes longer to make",
                   threads, wanted, supply.refusal.message().c_str())});
  return threads;
}

/// The value of --pin, in percent, with which all weights stay in RAM.
constexpr int64_t kAllPercent = 100;

/// Reads --ram, --vram, --disk and --pin. `options` already has the machine.
Status readMemoryOptions(const cli::Invocation &invocation,
                         compiler::CompileOptions &options) {
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       cli::ramOf(invocation));
  options.ram = ram.value_or(0);
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> vram,
                       cli::byteSizeOf(invocation, "--vram"));
  if (vram && options.machine->gpus.empty()) {
    return usageError("--vram is the memory of a GPU, but target '" +
                      options.target + "' has no GPU");
  }
  if (vram == uint64_t{0}) {
    return usageError("--vram: a plan for a GPU lies in VRAM as a whole; give "
                      "a size above 0, or leave the option out to use the "
                      "memory of the GPU");
  }
  options.vram = vram.value_or(0);
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> disk,
                       cli::byteSizeOf(invocation, "--disk"));
  if (disk.value_or(0) != 0) {
    return usageError("--disk takes a size above 0 only with --explain; give 0 "
                      "if no weights may be read from the disk in every pass, "
                      "or leave the option out");
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

/// The options of the compiler. With --explain, they have no machine yet.
Result<compiler::CompileOptions>
compileOptions(const cli::Invocation &invocation) {
  compiler::CompileOptions options;
  options.model = invocation.positionals.front();
  std::optional<std::string> target = invocation.text("--target");
  if (!target) {
    return usageError("--target is missing; give host, the name of a profile, "
                      "or a JSON file");
  }
  options.target = *target;
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
  if (invocation.has("--explain")) {
    return options;
  }
  if (invocation.has("--no-probe-cache")) {
    AIR_ASSIGN_OR_RETURN(options.machine, resolveProfile(*target));
  } else {
    AIR_ASSIGN_OR_RETURN(options.machine, cli::resolveTarget(*target));
  }
  AIR_RETURN_IF_ERROR(readMemoryOptions(invocation, options));
  options.weightless = invocation.has("--weightless");
  options.reference = invocation.has("--reference");
  options.codec = invocation.text("--codec").value_or("auto");
  if (options.weightless && options.codec != "auto" &&
      options.codec != "none") {
    return usageError("--codec chooses how weights are stored, but "
                      "--weightless leaves them out; leave out one of them");
  }
  if (options.reference && options.codec != "auto" && options.codec != "none") {
    return usageError("--codec chooses how weights are stored, but --reference "
                      "leaves them in the model's file; leave out one of them");
  }
  options.threads = static_cast<unsigned>(
      invocation.integer("--threads")
          .value_or(std::max(1U, std::thread::hardware_concurrency())));
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
    const Clock::time_point now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(before, now))
        .count();
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point before = Clock::now();
};

/// Times different tile sizes for the plan that `options` describes, and stores
/// the choice in `options.tiles`.
Status measureTiles(compiler::CompileOptions &options, double seconds) {
  const MachineProfile &target = *options.machine;
  if (!target.gpus.empty()) {
    return unsupportedError("--tune times kernels of the CPU, but target '" +
                            options.target +
                            "' is a GPU; leave the option out, or name a CPU");
  }
  const MachineProfile host = hostProfile();
  if (Status runs = prepareToRun(target, host); !runs.isOk()) {
    return usageError("--tune measures on this machine, which cannot run plans "
                      "for '" +
                      options.target + "': " + runs.message());
  }
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

Status noDumpFolder(const std::string &folder, std::error_code error) {
  return ioError("--dump-kernels: the folder '" + folder +
                 "' cannot be created: " + error.message());
}

/// Finds out, before any work is done, whether kernels can be written into
/// `folder`. Changes nothing.
Status checkDumpFolder(const std::string &folder, const std::string &output) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(folder), error);
  if (error) {
    return noDumpFolder(folder, error);
  }
  const fs::path plan = fs::weakly_canonical(fs::absolute(output), error);
  fs::path existing = place;
  bool isUnderPlan = false;
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    isUnderPlan = isUnderPlan || existing == plan;
    existing = existing.parent_path();
  }
  if (isUnderPlan || existing == plan) {
    return usageError("--dump-kernels: '" + folder +
                      "' is the plan itself or lies below it; name another "
                      "folder");
  }
  if (!fs::is_directory(existing, error)) {
    return noDumpFolder(folder,
                        std::make_error_code(std::errc::not_a_directory));
  }
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    return noDumpFolder(folder, {errno, std::generic_category()});
  }
  return Status::ok();
}

/// Writes each kernel of the plan into `folder`, which is created if need be:
/// as MLIR, as assembly, and as an object file, or for a GPU as CUDA C++ and as
/// a cubin.
Status dumpKernels(compiler::Compiler &compiler, const std::string &folder) {
  AIR_ASSIGN_OR_RETURN(const std::vector<compiler::KernelFile> kernels,
                       compiler.kernelFiles());
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return noDumpFolder(folder, error);
  }
  const auto bytesOf = [](const std::string &text) {
    return std::span(reinterpret_cast<const uint8_t *>(text.data()),
                     text.size());
  };
  for (const compiler::KernelFile &kernel : kernels) {
    const std::string path = (fs::path(folder) / kernel.name).string();
    using Parts =
        std::vector<std::pair<const char *, std::span<const uint8_t>>>;
    const Parts parts =
        kernel.cubin.empty()
            ? Parts{{".mlir", bytesOf(kernel.listing.mlir)},
                    {".s", bytesOf(kernel.listing.assembly)},
                    {".o", kernel.listing.object}}
            : Parts{{".cu", bytesOf(kernel.cuda)}, {".cubin", kernel.cubin}};
    for (const auto &[extension, bytes] : parts) {
      AIR_ASSIGN_OR_RETURN(AtomicFile file, cli::openOutput(path + extension));
      AIR_RETURN_IF_ERROR(file.writeAt(0, bytes));
      AIR_RETURN_IF_ERROR(file.commit(bytes.size()));
    }
  }
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

} // namespace

cli::Command packCommand() {
  using cli::ValueKind;
  cli::Command command;
  command.name = "";
  command.summary = "Compile MODEL into a plan for a target.";
  command.positionals = {
      {"MODEL", "A GGUF file; for a split model, its first part.", true}};
  cli::Option kvType = makeOption(
      "--kv-type", "", ValueKind::Choice, "TYPE",
      "Number format of the KV cache; f32 takes twice the memory of f16.",
      "f16");
  kvType.choices = {"f16", "f32"};
  cli::Option activations = makeOption(
      "--activations", "", ValueKind::Choice, "FORMAT",
      "The least exact activation format that matrix multiplications may use: "
      "float32 (f32), 15-bit integers (i8x2) or 8-bit integers (i8), the "
      "integers in blocks of 32 with one scale each. Integers need quantised "
      "weights and a target with dot products of bytes; 8-bit integers are "
      "used "
      "only for several tokens at a time. For BF16 weights, i8 allows bfloat16 "
      "for 9 or more tokens at a time on targets with dot products of bfloat16 "
      "numbers.",
      "i8");
  activations.choices = {"f32", "i8x2", "i8"};
  cli::Option codec = makeOption(
      "--codec", "", ValueKind::Choice, "CODEC",
      "How weights are stored, always without loss: as they are (none); BF16 "
      "numbers with shortened exponents (planes); or compressed with zstd "
      "(zstd), which is smaller but decodes more slowly. auto takes planes for "
      "BF16 weights and zstd for all others if weights are read from the disk "
      "in every pass and the CPUs have the time to decode them, and none "
      "otherwise. Coded weights are decoded into allocated memory, so airrun "
      "reads all of them before the first token instead of mapping the file.",
      "auto");
  codec.choices = {"none", "planes", "zstd", "auto"};
  cli::Option pre = makeOption(
      "--pre", "", ValueKind::Choice, "NAME",
      "The pre-tokenizer of a byte-level BPE vocabulary, in place of the one "
      "that the model's file names. A wrong choice gives no error, but other "
      "tokens than the model was trained with.",
      "the file's 'tokenizer.ggml.pre'");
  for (const PreTokenizerName &known : preTokenizerNames()) {
    pre.choices.emplace_back(known.name);
  }
  cli::Option context = makeOption("--ctx", "", ValueKind::Integer, "N",
                                   "Context length in tokens.",
                                   "the model's trained context, at most 4096");
  context.minimum = 1;
  context.maximum = 4294967295.0;
  cli::Option slots =
      makeOption("--slots", "", ValueKind::Integer, "N",
                 "Number of sequences that the KV cache can hold at full "
                 "context length at the same time.",
                 "1");
  slots.minimum = 1;
  slots.maximum = 65536;
  cli::Option threads = makeOption("--threads", "", ValueKind::Integer, "N",
                                   "Number of threads. Compiling and packing "
                                   "go on at the same time unless N is 1. The "
                                   "plan does not depend on N.",
                                   "one per CPU");
  threads.minimum = 1;
  threads.maximum = 1024;
  cli::Option emit = makeOption(
      "--emit", "", ValueKind::Choice, "KIND",
      "Instead of writing a plan, print the imported model (llm), the compiled "
      "plan as IR (plan), or the plan's metadata (json).");
  emit.choices = {"llm", "plan", "json"};
  std::string passes;
  for (const std::string &name : compiler::passNames()) {
    passes += (passes.empty() ? "" : ", ") + name;
  }
  cli::Option tune = makeOption(
      "--tune", "", ValueKind::Number, "SECONDS",
      "Spend about SECONDS timing tile sizes on this machine, starting with "
      "the matrix multiplications that have the most weights, and keep sizes "
      "that are faster than those the cost model chose. This machine must be "
      "able to run the "
      "target's code. What the plan computes stays the same; its bytes depend "
      "on the measurements.",
      "off: the cost model chooses the sizes");
  cli::Option pin = makeOption(
      "--pin", "", ValueKind::Integer, "PERCENT",
      "Keep this share of the bytes of each layer's weights in RAM, and read "
      "the "
      "rest from the plan in every pass, even if more would fit. The plan then "
      "has only this placement of the weights, which must fit in --ram. This "
      "option is for measuring how the speed depends on the share.",
      "as much as fits");
  pin.minimum = 0;
  pin.maximum = kAllPercent;
  tune.minimum = 0.001;
  tune.maximum = 86400;
  command.options = {
      makeOption("--target", "", ValueKind::String, "TARGET",
                 "The machine to compile for: host (this machine, with what "
                 "'airrun probe --save' measured on it, if anything), the name "
                 "of a built-in profile or of an NVIDIA GPU (such as rtx3060, "
                 "whose kernels NVRTC compiles), or a JSON profile as airrun "
                 "probe writes it. Required."),
      makeOption("--output", "-o", ValueKind::String, "PLAN",
                 "The plan to write.",
                 "MODEL's name with the extension .air, in the current folder"),
      kvType,
      activations,
      context,
      slots,
      makeOption("--ram", "", ValueKind::String, "SIZE",
                 "RAM that airrun may take in all: for weights, KV cache, "
                 "activations and itself. If not all weights fit, a part of "
                 "each layer stays in RAM, and the rest is read from the plan "
                 "in every pass. SIZE is in bytes, or has one of the units "
                 "KiB, MiB and GiB, as in 3GiB.",
                 "the target's memory; with --explain and a GPU, 15/16 of it"),
      makeOption("--disk", "", ValueKind::String, "SIZE",
                 "The most that may be read from the disk for every token. "
                 "With 0, a model whose weights do not all fit in RAM is "
                 "refused. Other sizes, in bytes or with KiB, MiB or GiB, can "
                 "only be given with --explain.",
                 "no limit"),
      codec,
      pin,
      pre,
      makeOption("--tokenizer", "", ValueKind::String, "PATH",
                 "The vocabulary, in place of that of the model's file: a file "
                 "tokenizer.json or tokenizer.model, or a folder with one of "
                 "them or with vocab.json and merges.txt, for which --pre "
                 "names the pre-tokenizer. It must have as many tokens as the "
                 "model. Of a folder, generation_config.json and config.json "
                 "are used, too: the ids that end an answer, and the "
                 "recommended sampler settings.",
                 "the vocabulary of the model's file"),
      threads,
      tune,
      makeOption("--no-probe-cache", "", ValueKind::Flag, "",
                 "With --target host, use the nominal rates of the CPU even if "
                 "'airrun probe --save' has measured this machine."),
      makeOption("--weightless", "", ValueKind::Flag, "",
                 "Write a plan without the bytes of the weights, which are not "
                 "read. Such a plan takes only kilobytes. It is useful for "
                 "testing and measuring the compiler, and can be inspected "
                 "and verified; airrun cannot generate text with it."),
      makeOption(
          "--reference", "", ValueKind::Flag, "",
          "Write a plan without the bytes of the model's matrices, which "
          "stay in the model's file. The plan takes only megabytes, so a "
          "model of 40 GB does not need another 40 GB. airrun then needs both "
          "files; the model's must be in the folder of the plan, or be named "
          "with airrun --source. The results are the same."),
      emit,
      makeOption("--stop-after", "", ValueKind::String, "PASS",
                 "Print the IR after PASS instead of writing a plan. Passes: " +
                     passes + "."),
      makeOption("--dump-kernels", "", ValueKind::String, "DIR",
                 "Also write every kernel of the plan into the folder DIR: as "
                 "MLIR (.mlir), as the target's assembly (.s) and as an object "
                 "file (.o), or for a GPU as CUDA C++ (.cu) and as a cubin "
                 "(.cubin). The files are named STEPS.KERNEL, after the steps "
                 "that use the kernel."),
      makeOption("--json", "", ValueKind::Flag, "",
                 "Print the plan's metadata, or with --explain the report, as "
                 "JSON instead of text."),
      makeOption(
          "--times", "", ValueKind::Flag, "",
          "Also print to standard error how long reading the model's "
          "headers, compiling and writing took, how much of the compiling "
          "was done while writing, and the write speed. The "
          "plan itself contains no times."),
      makeOption("--progress", "", ValueKind::Flag, "",
                 "Print how far packing has come to standard error as lines "
                 "\"progress: STAGE\" and \"progress: STAGE PERCENT %\", for "
                 "a program that shows it. Without this option a terminal "
                 "shows a bar."),
  };
  for (cli::Option &option : explainOptions()) {
    command.options.push_back(std::move(option));
  }
  command.examples = {"airpack model.gguf --target host -o model.air",
                      "airpack model.gguf --target x86-64-v3 --ctx 8192",
                      "airpack model.gguf --target host --ram 3GiB",
                      "airpack model.gguf --target rtx4090 --explain --ram "
                      "16GiB"};
  return command;
}

Status runPack(const cli::Invocation &invocation) {
  AIR_RETURN_IF_ERROR(checkExplainOptions(invocation));
  AIR_ASSIGN_OR_RETURN(compiler::CompileOptions options,
                       compileOptions(invocation));
  if (invocation.has("--explain")) {
    return runExplain(invocation, std::move(options));
  }
  std::string emit = invocation.text("--emit").value_or("");
  std::string stopAfter = invocation.text("--stop-after").value_or("");
  if (!stopAfter.empty() && (emit == "json" || emit == "llm")) {
    return usageError("--stop-after prints the IR after a pass; it cannot be "
                      "combined with --emit=" +
                      emit);
  }
  std::string output =
      invocation.text("--output").value_or(defaultOutput(options.model));
  bool writes = emit.empty() && stopAfter.empty();
  if (!writes && invocation.has("--output")) {
    return usageError("--output names the plan to write, but with --emit or "
                      "--stop-after no plan is written; leave out --output, or "
                      "leave out --emit and --stop-after");
  }
  const std::optional<std::string> dump = invocation.text("--dump-kernels");
  if (!writes && dump) {
    return usageError("--dump-kernels writes the kernels of a plan, but with "
                      "--emit or --stop-after no plan is written; leave out "
                      "--dump-kernels, or leave out --emit and --stop-after");
  }
  if (!writes && invocation.has("--times")) {
    return usageError(
        "--times reports how a plan was written, but with --emit "
        "or --stop-after no plan is written; leave out --times, or "
        "leave out --emit and --stop-after");
  }

  if (!writes && invocation.has("--progress")) {
    return usageError(
        "--progress reports how a plan is written, but with --emit or "
        "--stop-after no plan is written; leave out --progress, or leave out "
        "--emit and --stop-after");
  }
  if (options.weightless &&
      (emit == "llm" || emit == "plan" || !stopAfter.empty())) {
    return usageError("--weightless applies only to a plan that is written, or "
                      "printed with --emit=json; it cannot be combined with "
                      "--emit=llm, --emit=plan or --stop-after");
  }
  if (options.reference && (options.weightless || emit == "llm" ||
                            emit == "plan" || !stopAfter.empty())) {
    return usageError("--reference applies only to a plan that is written, or "
                      "printed with --emit=json; it cannot be combined with "
                      "--weightless, --emit=llm, --emit=plan or --stop-after");
  }
  // An output that cannot be written is refused now, not after minutes of
  // packing.
  if (dump) {
    AIR_RETURN_IF_ERROR(checkDumpFolder(*dump, output));
  }
  AtomicFile file;
  if (writes) {
    AIR_ASSIGN_OR_RETURN(file, cli::openOutput(output));
  }
  options.threads = threadsToBeHad(options.threads);

  if (std::optional<double> seconds = invocation.number("--tune")) {
    if (emit == "llm" || !stopAfter.empty()) {
      return usageError("--tune needs a complete plan; it cannot be combined "
                        "with --emit=llm or --stop-after");
    }
    AIR_RETURN_IF_ERROR(measureTiles(options, *seconds));
  }

  // Writing while compiling takes a second thread.
  options.background = writes && options.threads > 1;
  StageTimes times;
  AIR_ASSIGN_OR_RETURN(compiler::Compiler compiler,
                       compiler::Compiler::load(options));
  cli::printNotes(compiler.notes());
  if (writes) {
    AIR_RETURN_IF_ERROR(checkIsNoSource(output, compiler.source()));
  }
  const double loadSeconds = times.next();
  const double compileStart = monotonicSeconds();
  if (emit == "llm") {
    return cli::writeOut(compiler.moduleText());
  }
  {
    Progress progress("compiling kernels", invocation.has("--progress"));
    progress.begin();
    AIR_RETURN_IF_ERROR(compiler.run(stopAfter));
  }
  const double writeStart = monotonicSeconds();
  times.next();
  if (emit == "json") {
    AIR_ASSIGN_OR_RETURN(std::string json, compiler.planJson());
    return cli::writeOut(json);
  }
  if (!writes) {
    return cli::writeOut(compiler.moduleText());
  }
  if (dump) {
    AIR_RETURN_IF_ERROR(dumpKernels(compiler, *dump));
    times.next();
  }
  {
    Progress progress("packing", invocation.has("--progress"));
    Result<uint64_t> bytes =
        compiler.write(std::move(file), [&](uint64_t done, uint64_t total) {
          progress.update(done, total);
        });
    if (!bytes) {
      return bytes.status();
    }
  }
  const double writeSeconds = times.next();
  // The output of --json has the names of the files, and airrun, which uses it
  // for its cache, finds them by itself.
  if (options.reference && !invocation.has("--json")) {
    notePlaceOfSource(output, compiler.source());
  }
  AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(output));
  if (invocation.has("--times")) {
    // For a reference plan, the time includes computing the digests of all
    // weights, so the bytes must include the weights that the plan does not
    // store.
    uint64_t bytes = plan.bytes().size();
    for (const plan::Segment *segment : *plan.plan().segments()) {
      bytes += options.reference
                   ? segment->raw_bytes() - segment->stored_bytes()
                   : 0;
    }
    const double megabytes = static_cast<double>(bytes) / 1e6;
    const double compileEnd = std::max(writeStart, compiler.kernelsReadyAt());
    std::fputs(
        cli::format("airpack: read in %.2f s, compiled in %.2f s (%.2f s of it "
                    "while writing), %s %.0f MB in %.2f s (%.0f MB/s)\n",
                    loadSeconds, compileEnd - compileStart,
                    compileEnd - writeStart,
                    options.reference ? "made the digests of" : "wrote",
                    megabytes, writeSeconds, megabytes / writeSeconds)
            .c_str(),
        stderr);
  }
  if (invocation.has("--json")) {
    return cli::writeOut(planToJson(plan.plan()));
  }
  // A measured profile already states the memory bandwidth, which the summary
  // shows.
  double bandwidth = options.target == "host" && !options.machine->measured
                         ? measureBandwidth()
                         : 0;
  return cli::writeOut(
      planSummary(plan.plan(), plan.bytes().size(), bandwidth) + "written to " +
      output + "\n");
}

} // namespace air
