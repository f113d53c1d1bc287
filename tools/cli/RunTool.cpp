//===- RunTool.cpp - the body of every main() -------------------*- C++ -*-===//
#include "tools/cli/Output.h"
#include "tools/cli/Render.h"

#include <cstdio>

namespace air::cli {
namespace {

Status dispatch(const Tool &tool, const std::vector<std::string> &args,
                Status (*run)(const Invocation &)) {
  const Command *named = nullptr;
  for (const Command &command : tool.commands) {
    if (!args.empty() && !command.name.empty() && args[0] == command.name) {
      named = &command;
    }
  }
  for (const std::string &arg : args) {
    if (arg == "--") {
      break;
    }
    if (arg == "--help" || arg == "-h") {
      return writeOut(helpText(tool, named));
    }
    if (arg == "--version") {
      return writeOut(versionText(tool) + "\n");
    }
    if (arg == "--man") {
      return writeOut(manPage(tool));
    }
  }
  AIR_ASSIGN_OR_RETURN(Invocation invocation, parse(tool, args));
  return run(invocation);
}

} // namespace

int runTool(const Tool &tool, int argc, char **argv,
            Status (*run)(const Invocation &)) {
  occupyStandardStreams();
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    args.emplace_back(argv[i]);
  }
  Status status = dispatch(tool, args, run);
  if (!status.isOk()) {
    std::fprintf(stderr, "%s: %s\n", tool.name.c_str(),
                 oneLine(status.message()).c_str());
  }
  return status.exitCode();
}

} // namespace air::cli
