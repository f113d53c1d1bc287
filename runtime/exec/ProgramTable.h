//===- ProgramTable.h - programs with addresses -----------------*- C++ -*-===//
//
// Made once, when a plan is opened: every binding of every dispatch becomes an
// address and the device gets each program as one flat list. What remains for
// each pass is to choose a program by the number of tokens and to walk it.
//
// A program has two parts. The body follows the batch's tokens; the head, its
// last steps, follows the rows that logits were asked for, so that it can run
// again for more rows than the plan's max_outputs.
//
// The records refer to the plan, which outlives them.
//
// Errors: VerificationFailed names program and step when a program is not so
// made; what the device says of executables and memory.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H
#define AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/Device.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace air::rt {

/// Where things are. All vectors by the plan's index.
struct PlanAddresses {
  std::vector<DeviceAddress> segments;
  DeviceAddress arena = 0;
  DeviceAddress kv = 0;
  /// The device's number of each of the plan's executables.
  std::vector<uint32_t> executables;
};

struct StepRecord {
  plan::StepKind kind = plan::StepKind::Embed;
  std::string_view name; ///< in the plan
  uint32_t firstDispatch = 0;
  uint32_t dispatchCount = 0;
  uint32_t firstSegment = 0; ///< into ProgramRecord::segments
  uint32_t segmentCount = 0;
  // What the step's last dispatch writes: rows of float32. A size of 0: none.
  DeviceAddress result = 0;
  uint64_t resultRowBytes = 0;
  GridRows resultRows = GridRows::Tokens;
};

/// What one run of a part of a program costs.
struct PartCost {
  uint64_t weightBytes = 0;       ///< read once a run
  uint64_t weightBytesPerRow = 0; ///< gathered rows: one a token
  uint64_t flopsPerRow = 0;
};

struct ProgramRecord {
  uint64_t minTokens = 0;
  uint64_t maxTokens = 0;
  uint32_t deviceProgram = 0;
  std::vector<StepRecord> steps;
  std::vector<uint32_t> segments; ///< those that steps read, step by step
  uint32_t headStep = 0; ///< the first step of the head; steps.size(): none
  PartCost body;
  PartCost head;

  uint32_t dispatchesBefore(uint32_t step) const {
    return step < steps.size() ? steps[step].firstDispatch : dispatchCount;
  }
  uint32_t dispatchCount = 0;
};

Result<std::vector<ProgramRecord>> buildPrograms(const plan::Plan &plan,
                                                 const PlanAddresses &addresses,
                                                 Device &device);

/// Bytes of weights that a decode pass must read whatever the kernels do: each
/// tensor that a step of the program for one token binds, once; of a table that
/// is gathered from, one row.
uint64_t minimalWeightBytes(const plan::Plan &plan);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H
