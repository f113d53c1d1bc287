//===- SampleTool.h - a table with every kind of option ---------*- C++ -*-===//
#ifndef AIRPACK_TEST_TOOLS_CLI_SAMPLETOOL_H
#define AIRPACK_TEST_TOOLS_CLI_SAMPLETOOL_H

#include "tools/cli/CommandLine.h"

namespace air::cli {

inline Option option(std::string name, std::string shortName, ValueKind kind,
                     std::string valueName, std::string help) {
  Option made;
  made.name = std::move(name);
  made.shortName = std::move(shortName);
  made.kind = kind;
  made.valueName = std::move(valueName);
  made.help = std::move(help);
  return made;
}

inline Tool sampleTool() {
  Option count = option("--count", "-n", ValueKind::Integer, "N",
                        "How many tokens to make before stopping.");
  count.minimum = -1;
  count.maximum = 4096;
  count.defaultText = "64";
  Option temperature =
      option("--temp", "", ValueKind::Number, "T", "Temperature.");
  temperature.minimum = -2.5;
  Option type = option("--kv-type", "", ValueKind::Choice, "", "KV numbers.");
  type.choices = {"f16", "f32"};

  Option trace =
      option("--trace", "", ValueKind::String, "FILE", "Record the steps.");
  trace.impliedValue = "trace.txt";

  Command main;
  main.summary = "Generate text from a plan.";
  main.positionals = {{"PLAN", "The plan to run.", true},
                      {"EXTRA", "One more file.", false}};
  main.options = {
      option("--prompt", "-p", ValueKind::String, "TEXT", "The prompt."),
      count,
      temperature,
      type,
      option("--stop", "", ValueKind::StringList, "S", "Stop at this text."),
      option("--json", "", ValueKind::Flag, "", "Print JSON."),
      trace};
  main.examples = {"sample story.air -p 'Once upon a time' -n 64"};

  Command tokenize;
  tokenize.name = "tokenize";
  tokenize.summary = "Print token ids.";
  tokenize.positionals = {{"PLAN", "The plan whose vocabulary is used.", true}};
  tokenize.options = {
      option("--no-bos", "", ValueKind::Flag, "", "Add no BOS token.")};
  tokenize.examples = {"sample tokenize story.air --no-bos"};

  Tool tool;
  tool.name = "sample";
  tool.summary = "runs a plan";
  tool.description = "A tool that tests run.";
  tool.commands = {main, tokenize};
  tool.notes = {"A note of its own."};
  return tool;
}

} // namespace air::cli

#endif // AIRPACK_TEST_TOOLS_CLI_SAMPLETOOL_H
