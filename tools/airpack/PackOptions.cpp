//===- PackOptions.cpp - the options of airpack MODEL ---------------------===//
#include "compiler/driver/Compiler.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/support/Printable.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/Explain.h"
#include "tools/airpack/KernelFolder.h"
#include "tools/cli/ByteSize.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace air {

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
      "float32 (f32), 15-bit integers (i8x2) or 8-bit integers (i8). Integers "
      "come in blocks of 32 with one scale per block, and need quantised "
      "weights and a target that can multiply bytes. For one token at a time, "
      "i8 means the same as i8x2, unless 15-bit integers are predicted to take "
      "over a quarter longer than 8-bit integers. For 9 or more tokens at a "
      "time, i8 also allows bfloat16: for BF16 weights on targets with dot "
      "products of bfloat16 numbers, and for quantised weights on targets "
      "with tile registers.",
      "i8");
  activations.choices = {"f32", "i8x2", "i8"};
  cli::Option codec = makeOption(
      "--codec", "", ValueKind::Choice, "CODEC",
      "How weights are stored, always without loss: as they are (none); BF16 "
      "numbers with shortened exponents (planes); or compressed with zstd "
      "(zstd), which is smaller but decodes more slowly. With auto, the "
      "weights that are read from the disk in every pass are coded if the "
      "CPUs have the time to decode them: BF16 weights as planes, and all "
      "others with zstd. Other weights are stored as they are. Coded weights "
      "cannot be used from a mapping of the file, so airrun reads and decodes "
      "them into memory: once before the first token if they stay there, and "
      "otherwise in every pass.",
      "auto");
  codec.choices = {"none", "planes", "zstd", "auto"};
  cli::Option pre = makeOption(
      "--pre", "", ValueKind::Choice, "NAME",
      "The pre-tokenizer of a byte-level BPE vocabulary, in place of the one "
      "that the model's file names. A wrong choice is not reported, but gives "
      "other tokens than those the model was trained with.",
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
  cli::Option cpuLayers = makeOption(
      "--cpu-layers", "", ValueKind::String, "N|auto",
      "With a target that has a GPU: the CPU computes the embedding and the "
      "first N layers, whose weights and KV cache stay in RAM, and the GPU the "
      "other layers and the output head. If VRAM is too small for the model, "
      "this may be faster than copying weights to the GPU for every token, but "
      "prompts are processed more slowly. N is smaller than the number of "
      "layers. With auto, airpack takes the number for which it predicts the "
      "fastest decoding. If several targets are given, each of them must have "
      "a GPU.",
      "0: the GPU computes all layers");
  cli::Option threads = makeOption("--threads", "", ValueKind::Integer, "N",
                                   "Number of threads. Compiling and packing "
                                   "go on at the same time unless N is 1. The "
                                   "plan does not depend on N.",
                                   "one per CPU that the affinity mask and a "
                                   "cgroup's CPU quota allow");
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
      makeOption("--target", "", ValueKind::StringList, "TARGET",
                 "The machine to compile for: host (this machine, with what "
                 "'airrun probe --save' measured on it, if anything; its GPU "
                 "if a plan for the GPU can be made, else its CPU), the name "
                 "of a built-in profile or of an NVIDIA GPU (such as rtx3060, "
                 "whose kernels NVRTC compiles), or a JSON profile as airrun "
                 "probe writes it. Required. The option may be given several "
                 "times: the plan is then for all of these targets. Weights "
                 "that several targets arrange in the same way are stored only "
                 "once. airrun chooses the target that fits its machine best. "
                 "The order of the targets does not matter."),
      makeOption("--separate", "", ValueKind::Flag, "",
                 "Write a plan for each target. The name of the target is "
                 "inserted before the extension of the output, so model.air "
                 "becomes model.rtx3060.air; a JSON profile has the name of "
                 "its file, without folder and extension. The model is read "
                 "once. Kernels that several GPUs have in common are compiled "
                 "once, and weights that several plans arrange in the same way "
                 "are packed once."),
      makeOption("--ptx", "", ValueKind::Flag, "",
                 "Also store the kernels of a GPU as PTX, which the driver of "
                 "a GPU compiles when it loads the plan. The plan then also "
                 "runs on GPUs that are newer than its target. With this "
                 "option, no GPU kernel of the plan uses instructions that "
                 "only one architecture has, so prefills on an H100 are "
                 "slower. A target that is newer than all GPUs that airpack "
                 "knows always gets PTX."),
      makeOption(
          "--from", "", ValueKind::String, "PLAN",
          "Copy weights from PLAN, a plan of the same model for other "
          "targets or with other options, instead of reading and packing "
          "them again. This saves time for the weights that both plans "
          "arrange in the same way; the others are still read from the "
          "model. A plan that may read weights from the disk in every pass "
          "arranges the gate and up matrices differently from other plans, so "
          "these are not copied between the two. If the file system supports "
          "it, the copied weights are "
          "stored only once on the disk, for both plans. The sizes and "
          "headers of the model's files, the digests of what is copied, "
          "and samples of every tensor are checked. The plan has the same "
          "bytes as without this option."),
      makeOption("--output", "-o", ValueKind::String, "PLAN",
                 "The plan to write.",
                 "MODEL's name with the extension .air, in the current folder"),
      kvType,
      activations,
      context,
      slots,
      cpuLayers,
      makeOption("--ram", "", ValueKind::String, "SIZE",
                 "RAM that airrun may take in all: for weights, KV cache, "
                 "activations and itself. If not all weights fit, a part of "
                 "each layer stays in RAM, and the rest is read from the plan "
                 "in every pass. SIZE is in bytes, or has one of the units "
                 "KiB, MiB and GiB, as in 3GiB.",
                 "the target's memory; with --explain and a GPU for which "
                 "airpack makes no plan, 15/16 of it"),
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
                 "them or with vocab.json and merges.txt (--pre then names the "
                 "pre-tokenizer). It must have as many tokens as the model. If "
                 "the folder also has tokenizer_config.json, "
                 "generation_config.json, config.json or chat_template.jinja, "
                 "the plan takes BOS, EOS, the ids that end an answer, the "
                 "recommended sampler settings and the chat templates from "
                 "them.",
                 "the vocabulary of the model's file"),
      threads,
      tune,
      makeOption("--no-probe-cache", "", ValueKind::Flag, "",
                 "With --target host, plan for the CPU with its nominal rates, "
                 "even if 'airrun probe --save' has measured this machine."),
      kernelCacheOption(),
      makeOption("--weightless", "", ValueKind::Flag, "",
                 "Write a plan without the bytes of the weights, which are not "
                 "read. Such a plan takes only megabytes. It is useful for "
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
                 "file (.o), or for a GPU as CUDA C++ (.cu) and in the forms "
                 "that the plan stores: a cubin (.cubin), PTX (.ptx) or both. "
                 "The files are named STEPS.KERNEL, after the steps that use "
                 "the kernel. With several targets or --separate, each target "
                 "has a folder of its own in DIR."),
      makeOption("--json", "", ValueKind::Flag, "",
                 "Print the plan's metadata, or with --explain the report, as "
                 "JSON instead of text. With --separate, one JSON text is "
                 "printed for each plan. For one plan with several targets, an "
                 "object is printed whose key \"targets\" has the metadata of "
                 "each."),
      makeOption(
          "--times", "", ValueKind::Flag, "",
          "Also print to standard error how long reading the model's "
          "headers, compiling and writing took, how much of the compiling "
          "was done while writing, and the write speed. The "
          "plan itself contains no times."),
      makeOption("--progress", "", ValueKind::Flag, "",
                 "Print to standard error how far packing has come, as lines "
                 "\"progress: STAGE\" and \"progress: STAGE PERCENT %\", for "
                 "another program to display. Without this option a terminal "
                 "shows a bar."),
  };
  for (cli::Option &option : explainOptions()) {
    command.options.push_back(std::move(option));
  }
  command.examples = {"airpack model.gguf --target host -o model.air",
                      "airpack model.gguf --target x86-64-v3 --ctx 8192",
                      "airpack model.gguf --target host --ram 3GiB",
                      "airpack model.gguf --target rtx3060 --target rtx4090 "
                      "--target x86-64-v3",
                      "airpack model.gguf --target rtx4090 --explain --ram "
                      "16GiB"};
  return command;
}

Status readCpuLayers(const cli::Invocation &invocation,
                     compiler::CompileOptions &options) {
  const std::string text = invocation.text("--cpu-layers").value_or("0");
  options.choosesCpuLayers = text == "auto";
  if (!options.choosesCpuLayers) {
    const char *end = text.data() + text.size();
    const auto [stop, error] =
        std::from_chars(text.data(), end, options.cpuLayers);
    // No model has more layers.
    constexpr uint64_t kMost = 65535;
    if (error != std::errc() || stop != end || options.cpuLayers > kMost) {
      return usageError("--cpu-layers is " + inQuotes(text) +
                        "; give a number from 0 to " + std::to_string(kMost) +
                        ", or auto");
    }
  }
  const bool divides = options.choosesCpuLayers || options.cpuLayers != 0;
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> vram,
                       cli::byteSizeOf(invocation, "--vram"));
  if (divides && options.target == "host" && vram == uint64_t{0}) {
    return usageError(
        "--vram 0 asks for a plan for the CPU, but --cpu-layers " + text +
        " divides the model between the CPU and the GPU; leave "
        "out one of them");
  }
  return Status::ok();
}

Status checkCpuLayers(const compiler::CompileOptions &options,
                      const MachineProfile &machine) {
  const bool isGiven = options.choosesCpuLayers || options.cpuLayers != 0;
  return !isGiven || !machine.gpus.empty()
             ? Status::ok()
             : usageError("--cpu-layers divides a model between a CPU and a "
                          "GPU, but target '" +
                          options.target +
                          "' has no GPU; leave the option out");
}

Status checkVram(uint64_t bytes) {
  return bytes != 0
             ? Status::ok()
             : usageError("--vram is 0, but a plan for a GPU needs VRAM for "
                          "its KV cache and activations; give a size above 0, "
                          "or leave the option out to use all of the GPU's "
                          "memory");
}

} // namespace air
