//===- Main.cpp - airrun ----------------------------------------*- C++ -*-===//
#include "formats/support/AtomicFile.h"
#include "tools/airrun/BenchCommand.h"
#include "tools/airrun/GenerateCommand.h"
#include "tools/airrun/LogitsCommand.h"
#include "tools/airrun/PerplexityCommand.h"
#include "tools/airrun/ProbeCommand.h"
#include "tools/airrun/RenderCommand.h"
#include "tools/airrun/TokenizeCommand.h"

using namespace air;

namespace {

/// One row per command: its entry in the option table, and what runs it.
struct Row {
  cli::Command (*describe)();
  Status (*run)(const cli::Invocation &);
};

constexpr Row kRows[] = {
    {generateCommand, runGenerate},     {tokenizeCommand, runTokenize},
    {renderCommand, runRender},         {logitsCommand, runLogits},
    {perplexityCommand, runPerplexity}, {benchCommand, runBench},
    {probeCommand, runProbe},
};

cli::Tool describe() {
  cli::Tool tool;
  tool.name = "airrun";
  tool.summary = "run a language model from a plan";
  tool.description =
      "airrun executes a plan that airpack compiled. Before it reads any "
      "weights it checks that this machine can execute the plan's kernels and "
      "provide the memory that the plan needs.";
  for (const Row &row : kRows) {
    tool.commands.push_back(row.describe());
  }
  tool.notes = {
      "Sampling: --temp 0 is greedy decoding. Otherwise candidates are "
      "filtered by --top-k, then --top-p, then --min-p, and one is drawn at "
      "temperature --temp. The seed is fixed unless --seed changes it, so the "
      "same command prints the same text.",
      "bench: bound_tok_s is the measured read bandwidth divided by the "
      "least number of bytes that must be read for a token; eta is the "
      "measured decode speed divided by bound_tok_s; predicted_tok_s is what "
      "the plan predicts at the rates of memory, disk and arithmetic that the "
      "same run measured; beta is that least "
      "number divided by the number of bytes that were read; share is the "
      "fraction of the bandwidth in use. The link is \"cache\" if the weights "
      "and KV that are read for a token fit in the last-level cache, else "
      "\"dram\". Its bandwidth is the highest of many short reads of the same "
      "number of bytes, made between the rounds."};
  return tool;
}

Status run(const cli::Invocation &invocation) {
  for (const Row &row : kRows) {
    if (row.describe().name == invocation.command->name) {
      return row.run(invocation);
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
