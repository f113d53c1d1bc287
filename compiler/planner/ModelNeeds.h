//===- ModelNeeds.h - what a model asks of a machine ------------*- C++ -*-===//
//
// The sizes and the arithmetic of a model, as far as they decide where its
// weights should lie and how fast it can be. They are measured on the module
// after the pass schedule-reads (compiler/transforms/MeasureNeeds.h), so they
// match the plan that airpack would write.
//
// Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_MODELNEEDS_H
#define AIRPACK_COMPILER_PLANNER_MODELNEEDS_H

#include "compiler/planner/Budget.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::compiler {

/// Numbers of operations for one token. `all` is the total; each other field
/// counts the operations of the CPU's kernels in one number format. A product
/// and an addition are two operations.
struct TokenOps {
  double all = 0;
  double float32 = 0;
  double byteDot = 0; ///< a product with a 15-bit activation counts twice
  double bf16Dot = 0;
};

/// A class of weights. Fields with the same names as those of WeightClass
/// (ResidencySolver.h) have the same meanings.
struct ClassNeeds {
  std::string name; ///< attention, ffn, head, embedding table, other
  uint64_t bytes = 0;
  double touch = 1;
  bool isGathered = false;
  bool isForOutputs = false;
  uint64_t largestStep = 0;
  TokenOps ops; ///< for one token of the predicted prompt
  /// The arithmetic of a pass of one token, in bytes of vector operands
  /// (kMixedOperandBytes in CpuRates.h); 0 if the machine's rate is not known.
  double operandBytes = 0;
};

struct ModelNeeds {
  std::vector<ClassNeeds> classes; ///< in the order listed at ClassNeeds::name
  uint64_t weightBytes = 0;        ///< of all classes
  RamDemand ram;                   ///< what needs RAM besides the weights
  uint64_t operandRate = 0;        ///< bytes of operands per second, all cores
  std::string kvType;              ///< "f16" or "f32"
  uint64_t promptTokens = 1;       ///< tokens of the prompt that is predicted
  uint64_t layers = 0;
  uint64_t parameters = 0;
  uint64_t trainedContext = 0;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_MODELNEEDS_H
