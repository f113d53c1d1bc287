//===- PlanCosts.h - what each dispatch of a pass must do -------*- C++ -*-===//
//
// A plan says of every dispatch how many bytes of weights it reads and how much
// it computes for a row. The rest follows from the batch: keys and values by
// the context, gathered rows and operations by the number of tokens.
//
// Keys and values count as in rt::RunCounters: those of the sequence read once
// by each layer's attention, the new ones written once. Attention's operations
// are those of the keys that each token sees. Activations count for nothing:
// they stay in a cache.
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
#include <vector>

namespace air::bench {

/// What a kernel computes with.
struct KernelArithmetic {
  Arithmetic kind = Arithmetic::FmaF32;
  /// How often each product of a weight is computed: I8x2 activations have two
  /// bytes.
  double repeats = 1;
};

/// As the plan records it of a dispatch.
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
};

/// One sequence that holds `context` positions and takes `tokens` more, the
/// last `outputs` of which give logits.
struct PassShape {
  uint64_t context = 0;
  uint64_t tokens = 1;
  uint64_t outputs = 1;
};

/// The steps of the program that takes so many tokens, in order. `shape` keeps
/// to the plan's max_tokens and max_outputs.
std::vector<StepCost> passCosts(const plan::Plan &plan, const PassShape &shape);

} // namespace air::bench

#endif // AIRPACK_TOOLS_AIR_BENCH_PLANCOSTS_H
