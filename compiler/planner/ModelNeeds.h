//===- ModelNeeds.h - what a model asks of a machine ------------*- C++ -*-===//
//
// The sizes, and the numbers of arithmetic operations, that decide where a
// model's weights should lie and how fast the model can run. measureNeeds()
// (compiler/transforms/MeasureNeeds.h) takes them from the module that the
// compiler pass schedule-reads produces, so they match the plan that airpack
// would write. Only the size of the kernels may be an estimate.
//
// Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_MODELNEEDS_H
#define AIRPACK_COMPILER_PLANNER_MODELNEEDS_H

#include "compiler/planner/GpuPlan.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace air::compiler {

/// The numbers of operations for one token; a product and an addition are two
/// operations. `all` is the total. The other fields are the operations that the
/// CPU's kernels perform in each number format.
struct TokenOps {
  double all = 0;
  double float32 = 0;
  double byteDot = 0; ///< a product with a 15-bit activation counts twice
  double bf16 = 0;    ///< with tile registers on targets that have them
};

/// A class of weights. A field that WeightClass (ResidencySolver.h) also has
/// means the same here as there.
struct ClassNeeds {
  std::string name; ///< attention, ffn, head, embedding table, other
  uint64_t bytes = 0;
  double touch = 1;
  bool isGathered = false;
  bool isForOutputs = false;
  uint64_t largestStep = 0;
  TokenOps ops; ///< per token of a prompt
  /// The CPU's arithmetic for one token, in bytes of vector operands (see
  /// kMixedOperandBytes in CpuRates.h); 0 if the plan runs on a GPU, or if the
  /// machine profile does not state the rates of the CPU's cores.
  double operandBytes = 0;
  /// The same for a pass of kVerifyTokens tokens; 0 also if the plan runs no
  /// such pass.
  double verifyOperandBytes = 0;
};

/// What a plan that runs on a GPU needs, and the limits that the options give.
struct GpuNeeds {
  GpuDemand demand;
  GpuLimits limits;
  /// The names of the classes to which the segments of weights and the tables
  /// in `demand.vram.segments` belong, in the same order.
  std::vector<std::string> weightClasses;
  std::vector<std::string> tableClasses;
  /// For each segment of weights in `demand.vram.segments`: the layer of the
  /// first step that uses it, or -1 for a step outside the layers.
  std::vector<int64_t> weightLayers;
  /// The bytes of weights that a decode pass of one token reads from VRAM.
  uint64_t decodeBytes = 0;
  // The members below describe the layers that the CPU computes, if any.
  uint64_t cpuLayers = 0;      ///< their number
  uint64_t cpuDecodeBytes = 0; ///< what such a pass reads for them from RAM
  uint64_t cpuOperands = 0;    ///< GpuPassBytes::operands of such a pass
  uint64_t cpuOperandRate = 0; ///< GpuPassBytes::operandRate
  /// GpuPassBytes::operands of a pass of kVerifyTokens tokens.
  uint64_t cpuVerifyOperands = 0;
  std::map<std::string, uint64_t> cpuClassBytes; ///< by the name of the class
};

struct ModelNeeds {
  std::vector<ClassNeeds> classes; ///< in the order listed at ClassNeeds::name
  uint64_t weightBytes = 0;        ///< of all classes
  RamDemand ram;                   ///< what needs RAM besides the weights
  uint64_t operandRate = 0;        ///< vector operand bytes/s of all cores
  std::string kvType;              ///< "f16" or "f32"
  uint64_t caches = 0;             ///< number of caches in each page
  uint64_t promptTokens = 1;       ///< length of the prompt in the prediction
  uint64_t layers = 0;
  uint64_t parameters = 0;
  uint64_t trainedContext = 0;
  /// Set only if the plan runs on a GPU.
  std::optional<GpuNeeds> gpu;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_MODELNEEDS_H
