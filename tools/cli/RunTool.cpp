//===- RunTool.cpp - the body of every main() -------------------*- C++ -*-===//
#include "tools/cli/Completion.h"
#include "tools/cli/LargeStack.h"
#include "tools/cli/LostPages.h"
#include "tools/cli/Output.h"
#include "tools/cli/Render.h"
#include "tools/cli/Suggest.h"

#include <cstdio>
#include <string_view>
#include <unistd.h>

namespace air::cli {
namespace {

const Command *findCommand(const Tool &tool, const std::string &name) {
  for (const Command &command : tool.commands) {
    if (!name.empty() && command.name == name) {
      return &command;
    }
  }
  return nullptr;
}

/// The name of the command that is nearest to `word`, or "" if none is near.
std::string nearestCommand(const Tool &tool, const std::string &word) {
  std::vector<std::string> names;
  for (const Command &command : tool.commands) {
    if (!command.name.empty()) {
      names.push_back(command.name);
    }
  }
  return nearest(word, names);
}

Status printHelp(const Tool &tool, const std::vector<std::string> &args) {
  if (args.size() == 1) {
    return writeOut(helpText(tool, nullptr));
  }
  if (args.size() > 2) {
    return usageError("help takes one command, but '" + args[2] +
                      "' follows; to use a file named help, write ./help");
  }
  if (const Command *command = findCommand(tool, args[1])) {
    return writeOut(helpText(tool, command));
  }
  std::string near = nearestCommand(tool, args[1]);
  return usageError("help: there is no command '" + args[1] + "'; " +
                    (near.empty() ? tool.name + " help lists the commands"
                                  : "did you mean '" + near + "'?"));
}

Status dispatch(const Tool &tool, const std::vector<std::string> &args,
                Status (*run)(const Invocation &)) {
  constexpr std::string_view kCompletion = "--completion";
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string &arg = args[i];
    if (arg == "--") {
      break;
    }
    if (arg == kCompletion && i + 1 == args.size()) {
      return usageError(
          "option --completion needs a value, as in --completion SHELL");
    }
    if (arg == kCompletion || arg.starts_with("--completion=")) {
      const std::string shell =
          arg == kCompletion ? args[i + 1] : arg.substr(kCompletion.size() + 1);
      AIR_ASSIGN_OR_RETURN(const std::string script,
                           completionScript(tool, shell));
      return writeOut(script);
    }
    if (arg == "--help" || arg == "-h") {
      return writeOut(helpText(tool, findCommand(tool, args[0])));
    }
    if (arg == "--version") {
      return writeOut(versionText(tool) + "\n");
    }
    if (arg == "--man") {
      return writeOut(manPage(tool));
    }
  }
  if (!args.empty() && args[0] == "help") {
    return printHelp(tool, args);
  }
  AIR_ASSIGN_OR_RETURN(Invocation invocation, parse(tool, args));
  Status status = run(invocation);
  bool mayBeMistyped =
      status.code() == ErrorCode::Io || status.code() == ErrorCode::Usage;
  if (mayBeMistyped && invocation.command->name.empty() &&
      !invocation.positionals.empty()) {
    const std::string &first = invocation.positionals.front();
    std::string near = nearestCommand(tool, first);
    if (!near.empty() && access(first.c_str(), F_OK) != 0) {
      return {status.code(),
              status.message() + "; did you mean the command '" + near + "'?"};
    }
  }
  return status;
}

} // namespace

int runTool(const Tool &tool, int argc, char **argv,
            Status (*run)(const Invocation &)) {
  occupyStandardStreams();
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    args.emplace_back(argv[i]);
  }
  endOnLostPages(tool.name);
  Status status = runOnLargeStack([&] { return dispatch(tool, args, run); });
  if (!status.isOk()) {
    std::fprintf(stderr, "%s: %s\n", tool.name.c_str(),
                 oneLine(status.message()).c_str());
  }
  return status.exitCode();
}

} // namespace air::cli
