//===- AirOpt.cpp - runs compiler passes on textual IR ----------*- C++ -*-===//
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/PlanPasses.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

#include <string_view>
#include <vector>

int main(int argc, char **argv) {
  // MLIR's thread pool aborts if the system refuses to start a thread. The IR
  // that air-opt processes is small, so multithreading is disabled unless the
  // command line states otherwise.
  static char oneThread[] = "--mlir-disable-threading";
  std::vector<char *> arguments(argv, argv + argc);
  bool isGiven = false;
  for (std::string_view argument : arguments) {
    isGiven = isGiven || argument.starts_with(oneThread) ||
              argument.starts_with(std::string_view(oneThread).substr(1));
  }
  if (!isGiven) {
    arguments.insert(arguments.begin() + 1, oneThread);
  }

  mlir::DialectRegistry registry;
  registry.insert<air::ir::llm::LlmDialect, air::ir::plan::PlanDialect>();
  mlir::registerTransformsPasses();
  air::compiler::registerAirPasses();
  air::compiler::registerPlanPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      static_cast<int>(arguments.size()), arguments.data(),
      "air-opt: runs passes of airpack on MLIR files\n", registry));
}
