//===- ProgramTable.h - programs with resolved addresses --------*- C++ -*-===//
//
// The table is built once, when a plan is opened. Every binding of every
// dispatch becomes an address, and the device receives each program as one flat
// list of dispatches. A pass then only has to choose the program for the pass's
// number of tokens, and run it.
//
// A program has two parts. The body consists of the first steps, which process
// all tokens of a batch. The head consists of the last steps, which compute the
// logits. If the logits of more tokens are requested than the plan's
// max_outputs, the head runs several times.
//
// On the CPU, the head consists of the dispatches whose grids depend on the
// number of tokens whose logits are requested. On a GPU, it consists of the
// steps of kind Head. In a program without tiles (DeviceBatch.h), GPU kernels
// always process the largest number of tokens, and the head computes the logits
// of all of them. All dispatches of a head process the same tokens: either all
// tokens, or those whose logits are requested.
//
// A ProgramRecord refers to the plan, which must outlive it.
//
// Errors: VerificationFailed if a program does not have this structure (the
// message names the program and the step), and the device's errors about
// executables and memory.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H
#define AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H

#include "formats/plan/PlanFile.h"
#include "runtime/exec/DeviceBatch.h"
#include "runtime/hal/Device.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace air::rt {

/// The addresses of a plan's data, each on the device whose kernels use it. The
/// vectors are indexed as in the plan.
struct PlanAddresses {
  std::vector<DeviceAddress> segments;
  /// For each segment: its address for steps that gather single rows of it
  /// (SegmentStore::table).
  std::vector<DeviceAddress> tables;
  DeviceAddress arena = 0;                ///< of the CPU
  DeviceAddress gpuArena = 0;             ///< of the GPU
  std::vector<DeviceAddress> cacheGroups; ///< page 0 of each cache group
  BatchAddresses batch;                   ///< only if a GPU runs kernels
  /// The index that loadExecutable() returned for each executable of the plan.
  std::vector<uint32_t> executables;
};

/// A table from which a step reads only the rows of the batch's tokens. Rows
/// lie in blocks: token t needs the block of `blockBytes` bytes that begins at
/// offset + t / blockRows * blockBytes of the segment.
struct RowGather {
  uint32_t segment = 0;
  uint64_t offset = 0;
  uint64_t blockRows = 1;
  uint64_t blockBytes = 0;
};

struct StepRecord {
  plan::StepKind kind = plan::StepKind::Embed;
  std::string_view name; ///< points into the plan
  uint32_t firstDispatch = 0;
  uint32_t dispatchCount = 0;
  uint32_t firstSegment = 0; ///< index into ProgramRecord::segments
  uint32_t segmentCount = 0;
  /// The segments of these gathers are not among the step's `segmentCount`
  /// segments.
  std::vector<RowGather> gathers;
  // The result of the step's last dispatch, in rows of float32. If
  // `resultRowBytes` is 0, there is no such result, or it is not complete after
  // the step.
  DeviceAddress result = 0;
  uint64_t resultRowBytes = 0;
  GridRows resultRows = GridRows::Tokens;
  bool isOnGpu = false; ///< whether a GPU runs the step
};

/// The cost of running one part of a program, the body or the head.
struct PartCost {
  uint64_t weightBytes = 0; ///< read once per run
  /// The bytes that are read for each token of a run: one row of the embedding
  /// table.
  uint64_t weightBytesPerRow = 0;
  // If the CPU and a GPU share the steps of the plan: how much of weightBytes
  // and of weightBytesPerRow the CPU reads. 0 if the CPU runs all steps.
  uint64_t cpuWeightBytes = 0;
  uint64_t cpuWeightBytesPerRow = 0;
  uint64_t flopsPerRow = 0;
};

struct ProgramRecord {
  uint64_t minTokens = 0;
  uint64_t maxTokens = 0;
  uint32_t tileTokens = 0; ///< as in plan.fbs
  /// Whether row i of the logits belongs to the i-th token of a piece or to its
  /// i-th output.
  GridRows logitsRows = GridRows::Outputs;
  uint32_t deviceProgram = 0;
  std::vector<StepRecord> steps;
  std::vector<uint32_t> segments; ///< the segments of all steps, in order
  /// The index of the first step of the head, or steps.size() if there is no
  /// head.
  uint32_t headStep = 0;
  PartCost body;
  PartCost head;

  uint32_t dispatchesBefore(uint32_t step) const {
    return step < steps.size() ? steps[step].firstDispatch : dispatchCount;
  }
  uint32_t dispatchCount = 0; ///< the choice is not counted
  /// Whether the device's program has one more dispatch at its end, which
  /// belongs to no step: the choice of the next tokens (formats/plan/Choice.h).
  bool chooses = false;
  bool draws = false; ///< whether the choice can draw tokens
};

Result<std::vector<ProgramRecord>> buildPrograms(const plan::Plan &plan,
                                                 const PlanAddresses &addresses,
                                                 Device &device);

/// The bytes of weights that a decode pass must read, whichever kernels it
/// uses: the total size of the tensors that the program for one token binds. A
/// tensor from which steps only gather rows counts as a single row. If `ofGpu`
/// is set, only tensors that kernels of a GPU (true) or of the CPU (false) read
/// are counted.
uint64_t minimalWeightBytes(const plan::Plan &plan,
                            std::optional<bool> ofGpu = std::nullopt);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_PROGRAMTABLE_H
