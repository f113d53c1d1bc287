//===- Main.cpp - airrun ----------------------------------------*- C++ -*-===//
#include "formats/support/AtomicFile.h"
#include "tools/airrun/BenchCommand.h"
#include "tools/airrun/CacheCommand.h"
#include "tools/airrun/ChatCommand.h"
#include "tools/airrun/ChosenPlan.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/GenerateCommand.h"
#include "tools/airrun/LogitsCommand.h"
#include "tools/airrun/PerplexityCommand.h"
#include "tools/airrun/ProbeCommand.h"
#include "tools/airrun/RenderCommand.h"
#include "tools/airrun/TokenizeCommand.h"

#include <optional>
#include <utility>

using namespace air;

namespace {

/// One row per command: its entry in the option table, and what runs it.
struct Row {
  cli::Command (*describe)();
  Status (*run)(const cli::Invocation &);
  /// True if the command takes a plan to run, or a model to make one from.
  bool runsPlan = false;
  /// Finds mistakes in the command line before a plan is made. Making a plan
  /// may take minutes.
  Status (*check)(const cli::Invocation &) = nullptr;
  ModelCheck checkModel = nullptr;
};

constexpr Row kRows[] = {
    {generateCommand, runGenerate, true, checkGenerate, checkGenerateModel},
    {chatCommand, runChat, true, checkChat, checkChatModel},
    {tokenizeCommand, runTokenize},
    {renderCommand, runRender},
    {logitsCommand, runLogits, true, nullptr, checkTokensOption},
    {perplexityCommand, runPerplexity, true},
    {benchCommand, runBench, true},
    {probeCommand, runProbe},
    {cacheCommand, runCache},
};

cli::Command describeRow(const Row &row) {
  cli::Command command = row.describe();
  if (row.runsPlan) {
    for (cli::Option &option : packOptions()) {
      command.options.push_back(std::move(option));
    }
  }
  return command;
}

/// Runs a command with the plan that the command line names. If the command
/// line names a model instead, the command runs with the model's plan in the
/// cache; if the cache has no such plan, it is made first.
Status runWithPlan(const Row &row, const cli::Invocation &given) {
  if (row.check != nullptr) {
    AIR_RETURN_IF_ERROR(row.check(given));
  }
  AIR_ASSIGN_OR_RETURN(const std::optional<CachedPlan> cached,
                       planFor(given, row.checkModel));
  if (!cached) {
    return row.run(given);
  }
  cli::Invocation invocation = given;
  invocation.positionals.front() = cached->path;
  if (!cached->source.empty()) {
    invocation.values["--source"] = {cached->source};
  }
  const Status status = row.run(invocation);
  if (status.code() == ErrorCode::VerificationFailed &&
      cached->source.empty()) {
    cached->cache.discard(cached->key);
    return {status.code(), status.message() +
                               "; the plan has been removed from the cache, "
                               "and is made again at the next start"};
  }
  return status;
}

cli::Tool describe() {
  cli::Tool tool;
  tool.name = "airrun";
  tool.summary = "run a language model from a plan";
  tool.description =
      "airrun executes a plan that airpack compiled. Before it reads any "
      "weights it checks that this machine can execute the plan's kernels and "
      "provide the memory that the plan needs.";
  for (const Row &row : kRows) {
    tool.commands.push_back(describeRow(row));
  }
  tool.notes = {
      "Sampling: --temp 0 is greedy decoding. Otherwise, by default, "
      "candidates are filtered by --top-k, then --top-p, then --min-p, and "
      "one is drawn at temperature --temp. The seed is fixed unless --seed "
      "changes it, so the same command prints the same text.",
      "bench: bound_tok_s is the highest measured read bandwidth divided by "
      "the least number of bytes that must be read for a token; eta is the "
      "measured decode speed divided by bound_tok_s; joint_tok_s and joint_eta "
      "are the same for memory and disk together, if a CPU computes and "
      "weights are read from the disk in every pass: their rates are then the "
      "medians of all samples, and each slows down the other by as much as the "
      "same run measured or, with --io-limit, as the plan assumes (disk_keeps "
      "and memory_keeps are the shares of their rates that remain); "
      "predicted_tok_s is what the plan predicts at the median rates of "
      "memory, disk and arithmetic, with the same shares; beta is the least "
      "number of bytes divided by the number of bytes that were read; share is "
      "the fraction of the bandwidth in use. The link is "
      "\"cache\" if the weights and KV that are read for a token fit in the "
      "last-level cache, else \"dram\". Its bandwidth is measured with many "
      "short reads of the same number of bytes, but at most 256 MiB or four "
      "times the last-level caches, between the rounds. The disk is measured "
      "by reading into the ring of the plan, with code that decoding does not "
      "use. If a GPU runs the kernels, the link is \"cache\" if the bytes of a "
      "token fit in its L2 cache, else \"vram\". Its bandwidth is measured "
      "with "
      "copies within the GPU's memory, and counts both the bytes read and the "
      "bytes written. upload_gb_s is the rate of copies from page-locked "
      "(pinned) RAM to the GPU. If weights are copied to the GPU for each "
      "token, upload_gb_s is also the bandwidth of the link \"pcie\".",
      "Models: where a command takes PLAN|MODEL, a GGUF file is packed with "
      "airpack for this machine, and the plan is kept in "
      "$XDG_CACHE_HOME/airpack/plans ($HOME/.cache/airpack/plans), so only the "
      "first start takes long. The environment variable AIR_CACHE_MAX sets the "
      "largest size that all plans together may have, in bytes or with KiB, "
      "MiB or GiB; by default it is half of the space that would be free on "
      "the disk without these plans. If the plans are larger, those that were "
      "used longest ago are removed. If a model is larger than this size, its "
      "plan leaves the weights in the model's file."};
  return tool;
}

Status run(const cli::Invocation &invocation) {
  for (const Row &row : kRows) {
    if (row.describe().name == invocation.command->name) {
      return row.runsPlan ? runWithPlan(row, invocation) : row.run(invocation);
    }
  }
  return internalError("command '" + invocation.command->name +
                       "' is in the option table, but nothing runs it");
}

} // namespace

int main(int argc, char **argv) {
  removeTemporariesOnSignal();
  return cli::runTool(describe(), argc, argv, run);
}
