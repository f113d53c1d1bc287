//===- PlanCosts.h - what each dispatch of a pass must do -------*- C++ -*-===//
//
// A plan records for every dispatch how many bytes of weights it reads and how
// many operations it takes per row. The rest follows from the batch: the KV
// bytes depend on its context, and the gathered embedding rows and the
// operations depend on its number of tokens.
//
// KV bytes are counted as in rt::RunCounters: in each layer, attention reads
// the K and V of the sequence once, and the K and V of the pass's tokens are
// written once. Attention's operations follow from the number of keys that each
// token sees. Activations are not counted, since they stay in a cache.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIR_BENCH_PLANCOSTS_H
#define AIRPACK_TOOLS_AIR_BENCH_PLANCOSTS_H

#include "formats/plan/PlanFile.h"
#include "tools/air-bench/Limits.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air::bench {

/// The kind of arithmetic whose peak rate limits a kernel.
struct KernelArithmetic {
  Arithmetic kind = Arithmetic::FmaF32;
  /// Multiplications per weight and token: 2 if an activation consists of two
  /// bytes (I8x2), otherwise 1.
  double repeats = 1;
};

/// The kind of arithmetic whose peak rate limits a dispatch for which a plan
/// records `arithmetic`.
KernelArithmetic kernelArithmetic(plan::Arithmetic arithmetic);

struct DispatchCost {
  std::string kernel;
  KernelArithmetic arithmetic;
  double weightBytes = 0;
  double kvBytes = 0;
  double operations = 0;
  bool barrier = true;
  uint64_t tiles = 0;
};

struct StepCost {
  std::string name;
  std::string kind;
  std::vector<DispatchCost> dispatches;
  /// Whether this is the second or a later part of a divided step. Such a part
  /// does not count as a step of its own.
  bool isFurtherPart = false;
};

/// A pass of `tokens` tokens on one sequence that already holds `context`
/// tokens. Logits are computed for the last `outputs` tokens of the pass.
struct PassShape {
  uint64_t context = 0;
  uint64_t tokens = 1;
  uint64_t outputs = 1;
};

/// Whether `name` is the name of part `part` of a divided step. Parts are
/// counted from 0, and `part` must be at least 1. `first` is the name of part
/// 0, to which airpack appends ".1", ".2" and so on for the other parts.
bool isPartOf(std::string_view name, std::string_view first, uint64_t part);

/// The costs of the steps, in execution order, of the program that runs passes
/// of `shape.tokens` tokens. `shape` must respect the plan's max_tokens and
/// max_outputs.
std::vector<StepCost> passCosts(const plan::Plan &plan, const PassShape &shape);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANCOSTS_H
