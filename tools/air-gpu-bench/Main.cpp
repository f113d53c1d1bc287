//===- Main.cpp - air-gpu-bench: checks and times GPU kernels -------------===//
#include "formats/support/CountText.h"
#include "formats/support/MappedFile.h"
#include "tools/air-gpu-bench/Measure.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/Output.h"
#include "tools/cli/OutputFile.h"

#include <algorithm>

using namespace air;

namespace {

cli::Tool describe() {
  std::vector<std::string> targets;
  for (const codegen::cuda::CudaTarget &target : codegen::cuda::cudaTargets()) {
    targets.push_back(std::string(target.name));
  }
  cli::Command main;
  main.summary =
      "Check and time the kernels of a folder on this machine's GPU.";
  main.positionals = {
      {.name = "FOLDER",
       .help = "The folder that 'air-gpu-bench prepare' made."}};
  main.options = {
      {.name = "--json",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Also write every measured value to this file as JSON."},
      {.name = "--filter",
       .kind = cli::ValueKind::String,
       .valueName = "TEXT",
       .help = "Run only the matmuls whose names contain TEXT, and no "
               "measurements of reads, uploads and launches."},
      {.name = "--time-limit",
       .kind = cli::ValueKind::Integer,
       .valueName = "SECONDS",
       .help = "Start no further kernel after this many seconds.",
       .defaultText = "3600",
       .minimum = 1},
      {.name = "--checks-only", .help = "Only check results; time nothing."},
      {.name = "--timings-only",
       .help =
           "Run only the kernels that are timed, and check their results. "
           "This leaves out the kernels that exist only to test correctness; "
           "their shapes occur in no model."}};
  main.examples = {"air-gpu-bench build/gpu-check --json result.json"};
  cli::Command prepare;
  prepare.name = "prepare";
  prepare.summary = "Compile the kernels into a folder. This needs no GPU.";
  prepare.positionals = {
      {.name = "FOLDER",
       .help = "The folder to write. It is created if it does not exist."}};
  prepare.options = {
      {.name = "--target",
       .kind = cli::ValueKind::Choice,
       .valueName = "ARCHITECTURE",
       .help = "The GPU architecture to compile for.",
       .defaultText = "sm_90a",
       .choices = targets},
      {.name = "--multiprocessors",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "The GPU's number of multiprocessors, which determines the grid "
               "sizes of the kernels.",
       .defaultText = "132",
       .minimum = 1,
       .maximum = 1024},
      {.name = "--nvrtc",
       .kind = cli::ValueKind::String,
       .valueName = "PATH",
       .help = "The NVRTC library or its folder, if it is neither in the "
               "loader's path nor in /usr/local/cuda."},
      {.name = "--texts",
       .help = "Also write the kernels' CUDA source (NAME.cu)."}};
  prepare.examples = {"air-gpu-bench prepare build/gpu-check --target sm_90a "
                      "--multiprocessors 132"};
  cli::Tool tool;
  tool.name = "air-gpu-bench";
  tool.summary = "check and time kernels for NVIDIA GPUs";
  tool.description =
      "Compiles the generated CUDA kernels on any machine. On a machine with a "
      "GPU, it compares their results with those of matmuls in double "
      "precision, measures their times in CUDA graphs, and measures the "
      "bandwidth of copying and of reading in the same run. None of these "
      "kernels has run on a GPU yet.";
  tool.commands = {main, prepare};
  return tool;
}

Status prepare(const cli::Invocation &call) {
  return gpubench::prepareFolder(
      call.positionals[0], call.text("--target").value_or("sm_90a"),
      static_cast<uint32_t>(call.integer("--multiprocessors").value_or(132)),
      call.text("--nvrtc").value_or(""), call.has("--texts"));
}

Status run(const cli::Invocation &call) {
  if (call.command->name == "prepare") {
    return prepare(call);
  }
  gpubench::MeasureOptions options;
  options.checks = !call.has("--timings-only");
  options.timings = !call.has("--checks-only");
  options.filter = call.text("--filter").value_or("");
  options.seconds =
      static_cast<double>(call.integer("--time-limit").value_or(3600));
  if (!options.checks && !options.timings) {
    return usageError(
        "--checks-only and --timings-only together leave nothing to do; "
        "give only one of them");
  }
  AtomicFile output;
  const std::optional<std::string> jsonPath = call.text("--json");
  if (jsonPath) {
    AIR_ASSIGN_OR_RETURN(output, cli::openOutput(*jsonPath));
  }
  const std::string &path = call.positionals[0];
  AIR_ASSIGN_OR_RETURN(const MappedFile file,
                       MappedFile::open(path + "/kernels.json"));
  AIR_ASSIGN_OR_RETURN(
      const gpubench::KernelFolder folder,
      gpubench::parseFolder(
          std::string(file.bytes().begin(), file.bytes().end()), path));
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<gpubench::Driver> driver,
                       gpubench::Driver::open());
  AIR_ASSIGN_OR_RETURN(const gpubench::Report report,
                       gpubench::measure(*driver, folder, options));
  AIR_RETURN_IF_ERROR(cli::writeOut(gpubench::reportTable(report)));
  if (jsonPath) {
    const std::string text = gpubench::reportJson(report);
    AIR_RETURN_IF_ERROR(output.writeAt(
        0, {reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
    AIR_RETURN_IF_ERROR(output.commit(text.size()));
  }
  const auto wrong =
      std::count_if(report.rows.begin(), report.rows.end(),
                    [](const gpubench::Row &row) { return !row.isRight; });
  if (wrong != 0) {
    return verificationError(std::to_string(wrong) + " of " +
                             countOf(report.rows.size(), "result") +
                             " differ from the reference; the table marks "
                             "them WRONG");
  }
  return Status::ok();
}

} // namespace

int main(int argc, char **argv) {
  removeTemporariesOnSignal();
  return cli::runTool(describe(), argc, argv, run);
}
