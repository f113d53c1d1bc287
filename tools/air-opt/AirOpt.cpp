//===- AirOpt.cpp - runs compiler passes on textual IR ----------*- C++ -*-===//
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/PlanPasses.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<air::ir::llm::LlmDialect, air::ir::plan::PlanDialect>();
  mlir::registerTransformsPasses();
  air::compiler::registerAirPasses();
  air::compiler::registerPlanPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "air-opt: passes of airpack\n", registry));
}
