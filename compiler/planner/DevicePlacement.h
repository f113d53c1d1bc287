//===- DevicePlacement.h - weights copied to a GPU --------------*- C++ -*-===//
//
// When the memory of a GPU is too small for all weights, some segments stay
// there, and each pass copies the others from RAM to a ring in that memory. A
// kernel reads a matrix at consecutive addresses, so a segment is copied either
// as a whole or not at all, and never wraps around at the end of the ring. The
// copied segments are spread evenly over the pass, so that copies and kernels
// overlap.
//
// A pass fills the ring in the order of its steps. Every pass begins at the
// start of the ring, so each segment has the same address in all passes. A copy
// may begin once the step whose weights it overwrites has run.
//
// When RAM is too small for the segments that are copied, it is divided in the
// same way: some of these segments stay in RAM, and each pass reads the others
// from the disk to a ring in RAM, from which they are copied to the GPU. A read
// may begin once the copies of the segments that it overwrites are complete.
//
// All sizes are in bytes. Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_DEVICEPLACEMENT_H
#define AIRPACK_COMPILER_PLANNER_DEVICEPLACEMENT_H

#include "compiler/planner/Placement.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace air::compiler {

struct DevicePlacement {
  /// For each segment of weights: whether each pass copies it from RAM. Empty
  /// if none is copied.
  std::vector<bool> isCopied;
  uint64_t ringBytes = 0; ///< size of the ring in the memory of the GPU
  /// The copies of one pass, in order. StreamedRead::ringOffset counts from the
  /// start of the GPU's ring.
  std::vector<StreamedRead> copies;

  /// The memory of the GPU for the ring and for everything that stays on the
  /// GPU.
  uint64_t deviceBytes(const WeightProblem &problem) const;
  /// The RAM for the segments that are copied.
  uint64_t ramBytes(const WeightProblem &problem) const;
};

/// Where the segments that each pass copies to a GPU come from: some stay in
/// RAM, and each pass reads the others from the disk.
struct HostPlacement {
  /// For each segment of weights: whether each pass reads it from the disk.
  /// Empty if none is read.
  std::vector<bool> isRead;
  uint64_t ringBytes = 0; ///< size of the ring in RAM
  /// The reads of one pass, in order. StreamedRead::ringOffset counts from the
  /// start of the ring in RAM, and StreamedRead::afterStep is the step whose
  /// copies to the GPU must be complete before the read begins.
  std::vector<StreamedRead> reads;
  uint64_t keptBytes = 0; ///< RAM for the segments that stay there

  uint64_t ramBytes() const { return keptBytes + ringBytes; }
};

/// The alignment of each segment in the memory of a GPU.
inline constexpr uint64_t kDeviceAlignment = 256;

/// The least memory for which placeOnDevice() finds a placement.
uint64_t leastDeviceBytes(const WeightProblem &problem);

/// Chooses which segments each pass copies to the GPU. If everything fits in
/// `room` bytes, no segment is copied. Otherwise, all tables stay in the memory
/// of the GPU, and so do segments that several steps need and segments smaller
/// than kSmallestStreamed. The ring has room for at least all segments that are
/// copied for any one step. If possible, it is larger, so that copies run ahead
/// of the kernels: by up to a sixteenth of the bytes that a pass copies, but at
/// most by kReadAhead or, if that is more, by the segments of the largest step.
/// Of the placements with such a ring, the one that copies the fewest bytes is
/// chosen. Returns DoesNotFit, with both sizes in the message, if room <
/// leastDeviceBytes().
Result<DevicePlacement> placeOnDevice(const WeightProblem &problem,
                                      uint64_t room);

/// The least RAM for which placeInRam() finds a placement.
uint64_t leastRamBytes(const WeightProblem &problem,
                       const DevicePlacement &device);

/// Chooses which of the segments that `device` copies to the GPU stay in RAM,
/// and which ones each pass reads from the disk to a ring in RAM. The segments
/// that stay in RAM and the ring together fit in `room` bytes. The ring and
/// the segments are chosen as in placeOnDevice(). Returns nothing if room <
/// leastRamBytes().
std::optional<HostPlacement> placeInRam(const WeightProblem &problem,
                                        const DevicePlacement &device,
                                        uint64_t room);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_DEVICEPLACEMENT_H
