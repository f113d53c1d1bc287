//===- AirPack.cpp - main() of airpack ------------------------------------===//
#include "formats/support/AtomicFile.h"
#include "tools/airpack/Commands.h"

namespace air {

cli::Option makeOption(std::string name, std::string shortName,
                       cli::ValueKind kind, std::string valueName,
                       std::string help, std::string defaultText) {
  cli::Option option;
  option.name = std::move(name);
  option.shortName = std::move(shortName);
  option.kind = kind;
  option.valueName = std::move(valueName);
  option.help = std::move(help);
  option.defaultText = std::move(defaultText);
  return option;
}

static cli::Tool describeTool() {
  cli::Tool tool;
  tool.name = "airpack";
  tool.summary = "compile a model for one machine, ahead of time";
  tool.description =
      "airpack compiles a GGUF model into a plan for a target, or for "
      "several: the weights in the order and layout in which the target's "
      "kernels read them, the kernels as machine code, and a schedule. airrun "
      "executes the plan and compiles nothing. airpack can compile for any "
      "target on any machine.";
  tool.commands = {packCommand(), inspectCommand(), verifyCommand()};
  tool.notes = {"A plan is written atomically: it appears under its name "
                "complete or not at all. Except with --tune, the same model, "
                "options and target give the same bytes."};
  return tool;
}

static Status run(const cli::Invocation &invocation) {
  if (invocation.command->name == "inspect") {
    return runInspect(invocation);
  }
  if (invocation.command->name == "verify") {
    return runVerify(invocation);
  }
  return runPack(invocation);
}

} // namespace air

int main(int argc, char **argv) {
  air::removeTemporariesOnSignal();
  return air::cli::runTool(air::describeTool(), argc, argv, air::run);
}
