//===- RunTool.cpp - the body of every main() -------------------*- C++ -*-===//
#include "tools/cli/Render.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace air::cli {
namespace {

Status print(const std::string &text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return ioError(std::string("can't write to standard output: ") +
                   std::strerror(errno));
  }
  return Status::ok();
}

/// Messages quote names from files and the command line; a control character
/// in one must not break the line or reach the terminal.
std::string oneLine(const std::string &message) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (char c : message) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

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
      return print(helpText(tool, named));
    }
    if (arg == "--version") {
      return print(versionText(tool) + "\n");
    }
    if (arg == "--man") {
      return print(manPage(tool));
    }
  }
  AIR_ASSIGN_OR_RETURN(Invocation invocation, parse(tool, args));
  return run(invocation);
}

} // namespace

int runTool(const Tool &tool, int argc, char **argv,
            Status (*run)(const Invocation &)) {
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
