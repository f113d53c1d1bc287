//===- Main.cpp - airrun ----------------------------------------*- C++ -*-===//
#include "formats/support/AtomicFile.h"
#include "tools/airrun/BenchCommand.h"
#include "tools/airrun/GenerateCommand.h"
#include "tools/airrun/LogitsCommand.h"
#include "tools/airrun/PerplexityCommand.h"
#include "tools/airrun/ProbeCommand.h"
#include "tools/airrun/TokenizeCommand.h"

using namespace air;

namespace {

/// One row a command: what --help says of it, and what runs it.
struct Row {
  cli::Command (*describe)();
  Status (*run)(const cli::Invocation &);
};

constexpr Row kRows[] = {
    {generateCommand, runGenerate}, {tokenizeCommand, runTokenize},
    {logitsCommand, runLogits},     {perplexityCommand, runPerplexity},
    {benchCommand, runBench},       {probeCommand, runProbe},
};

cli::Tool describe() {
  cli::Tool tool;
  tool.name = "airrun";
  tool.summary = "runs a language model from a plan";
  tool.description =
      "airrun executes a plan that airpack made: it opens the file, checks "
      "that "
      "this machine is one the plan was made for, and runs. What memory it may "
      "use is in the plan; if the machine can't give it, airrun says so before "
      "the first byte of weights is read.";
  for (const Row &row : kRows) {
    tool.commands.push_back(row.describe());
  }
  tool.notes = {
      "Sampling: unless --temp is 0, a token is drawn from the 40 likeliest "
      "that together have probability 0.95 and each at least 0.05 of the "
      "likeliest's, at temperature 0.8, with a fixed seed: the same command "
      "prints the same text.",
      "bench: predicted_tok_s is the memory's measured speed over the bytes a "
      "token can't do without; eta is the measured speed's part of that; beta "
      "is those bytes over the bytes that were read; share is the part of the "
      "link's limit in use. The link is \"cache\" when what a token reads, "
      "weights and KV, fits in the last cache, else \"dram\"; its limit is the "
      "best of many short reads between the rounds, of as many bytes."};
  return tool;
}

Status run(const cli::Invocation &invocation) {
  for (const Row &row : kRows) {
    if (row.describe().name == invocation.command->name) {
      return row.run(invocation);
    }
  }
  return internalError("command '" + invocation.command->name +
                       "' is described and can't be run");
}

} // namespace

int main(int argc, char **argv) {
  removeTemporariesOnSignal();
  return cli::runTool(describe(), argc, argv, run);
}
