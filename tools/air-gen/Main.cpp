//===- Main.cpp - air-gen: GGUF files of any shape and dtype --------------===//
#include "formats/support/AtomicFile.h"
#include "tools/air-gen/RandomModel.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/OutputFile.h"

using namespace air;

namespace {

cli::Option count(const std::string &name, const std::string &help,
                  double minimum = 1) {
  return {.name = name,
          .kind = cli::ValueKind::Integer,
          .valueName = "N",
          .help = help,
          .defaultText = "that of --shape",
          .minimum = minimum,
          .maximum = 4294967295.0};
}

cli::Tool describe() {
  std::vector<std::string> shapes;
  for (const gen::ModelShape &shape : gen::knownShapes()) {
    shapes.push_back(shape.name);
  }
  cli::Command main;
  main.summary =
      "Write a GGUF file of the Llama architecture with random weights.";
  main.options = {
      {.name = "--shape",
       .kind = cli::ValueKind::Choice,
       .valueName = "SHAPE",
       .help = "The published model whose shape is used; the options below "
               "override parts of it.",
       .defaultText = "1b",
       .choices = shapes},
      {.name = "--type",
       .kind = cli::ValueKind::String,
       .valueName = "TYPE",
       .help = "The number format of all matrices: a type of weights in GGUF "
               "files (such as F16, Q8_0, Q6_K or IQ4_XS, but not F64), or "
               "Q4_K_M or Q5_K_M, which mix several types.",
       .defaultText = "Q8_0; Q4_K_M with --shape 70b or 405b"},
      {.name = "--output",
       .shortName = "-o",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "The file to write. Required."},
      {.name = "--headers-only",
       .kind = cli::ValueKind::Flag,
       .help =
           "Leave out the weights. In their place the file has a hole, which "
           "takes no disk space and reads as zeros. airpack --weightless does "
           "not read the weights; without that option, airpack packs a model "
           "of zeros."},
      {.name = "--seed",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Seed of the random weights.",
       .defaultText = "1",
       .minimum = 0,
       .maximum = 9007199254740992.0},
      count("--layers", "Number of decoder layers."),
      count("--width", "Width of the residual stream."),
      count("--heads", "Number of query heads."),
      count("--kv-heads", "Number of key/value heads."),
      count("--head-dim", "Number of elements of an attention head."),
      count("--ffn", "Hidden width of the feed-forward network."),
      count("--vocabulary", "Vocabulary size.", 257),
      count("--context", "Trained context length in tokens."),
  };
  main.examples = {"air-gen --shape 8b --type Q4_K_M -o 8b-q4_k_m.gguf",
                   "air-gen --shape 405b --headers-only -o 405b.gguf"};
  cli::Tool tool;
  tool.name = "air-gen";
  tool.summary =
      "write models with random weights and real shapes, for measurements";
  tool.description = "Writes a GGUF file of the Llama architecture with random "
                     "weights of realistic magnitude, for measurements. The "
                     "same options give the same bytes.";
  tool.commands = {main};
  return tool;
}

Status run(const cli::Invocation &call) {
  std::optional<std::string> path = call.text("--output");
  if (!path) {
    return usageError("--output is missing; give -o FILE");
  }
  std::string name = call.text("--shape").value_or("1b");
  gen::ModelShape shape;
  for (const gen::ModelShape &known : gen::knownShapes()) {
    if (known.name == name) {
      shape = known;
    }
  }
  auto set = [&](const char *option, uint32_t &field) {
    if (std::optional<int64_t> value = call.integer(option)) {
      field = static_cast<uint32_t>(*value);
    }
  };
  set("--layers", shape.layers);
  set("--width", shape.width);
  set("--heads", shape.heads);
  set("--kv-heads", shape.kvHeads);
  set("--head-dim", shape.headDim);
  set("--ffn", shape.ffn);
  set("--vocabulary", shape.vocabulary);
  set("--context", shape.context);
  const bool isLarge = name == "70b" || name == "405b";
  const std::string type =
      call.text("--type").value_or(isLarge ? "Q4_K_M" : "Q8_0");
  if (call.has("--headers-only")) {
    if (call.has("--seed")) {
      return usageError("--seed is for weights, which --headers-only leaves "
                        "out; give only one of them");
    }
    AIR_ASSIGN_OR_RETURN(AtomicFile file, cli::openOutput(*path));
    return gen::writeModelHeaders(shape, type, std::move(file));
  }
  AIR_ASSIGN_OR_RETURN(AtomicFile file, cli::openOutput(*path));
  return gen::writeRandomModel(
      shape, type, static_cast<uint64_t>(call.integer("--seed").value_or(1)),
      std::move(file));
}

} // namespace

int main(int argc, char **argv) {
  removeTemporariesOnSignal();
  return cli::runTool(describe(), argc, argv, run);
}
