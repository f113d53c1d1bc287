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
          .minimum = minimum,
          .maximum = 4294967295.0};
}

cli::Tool describe() {
  std::vector<std::string> shapes;
  for (const gen::ModelShape &shape : gen::knownShapes()) {
    shapes.push_back(shape.name);
  }
  cli::Command main;
  main.summary = "writes a Llama GGUF with random weights";
  main.options = {
      {.name = "--shape",
       .kind = cli::ValueKind::Choice,
       .valueName = "SHAPE",
       .help = "Start from the shape of a published model.",
       .defaultText = "1b",
       .choices = shapes},
      {.name = "--type",
       .kind = cli::ValueKind::String,
       .valueName = "TYPE",
       .help = "A dtype for every matrix, or the mixes Q4_K_M and Q5_K_M.",
       .defaultText = "Q8_0; Q4_K_M for 70b and 405b"},
      {.name = "--output",
       .shortName = "-o",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Where to write."},
      {.name = "--headers-only",
       .kind = cli::ValueKind::Flag,
       .help = "Leave out the weights: where they would be the file has a hole "
               "that takes no room on the disk and reads as zeros. airpack "
               "--weightless never reads it; without that option it packs a "
               "model of zeros."},
      {.name = "--seed",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Other seeds give other weights.",
       .defaultText = "1",
       .minimum = 0,
       .maximum = 9007199254740992.0},
      count("--layers", "Decoder layers."),
      count("--width", "Residual stream."),
      count("--heads", "Query heads."),
      count("--kv-heads", "Key and value heads."),
      count("--head-dim", "Elements of a head."),
      count("--ffn", "Feed-forward width."),
      count("--vocabulary", "Tokens of the vocabulary.", 257),
      count("--context", "Trained context in tokens."),
  };
  main.examples = {"air-gen --shape 8b --type Q4_K_M -o 8b-q4_k_m.gguf",
                   "air-gen --shape 405b --headers-only -o 405b.gguf"};
  cli::Tool tool;
  tool.name = "air-gen";
  tool.summary = "random models of real shapes, for measurements";
  tool.description =
      "Writes a GGUF file of the Llama architecture with random weights of a "
      "sane size. The bytes depend on the options alone.";
  tool.commands = {main};
  return tool;
}

Status run(const cli::Invocation &call) {
  std::optional<std::string> path = call.text("--output");
  if (!path) {
    return usageError("--output FILE is missing");
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
                        "out; give one of them");
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
