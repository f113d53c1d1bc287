//===- CodecChoice.h - when coded weights make a pass faster ----*- C++ -*-===//
//
// Coded weights take fewer bytes on the disk, but cores must decode them. The
// cores are busy while they read weights from memory, and idle while they wait
// for the disk. Codecs pay off if the cores are idle for long enough to decode.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_CODECCHOICE_H
#define AIRPACK_COMPILER_PLANNER_CODECCHOICE_H

#include <cstdint>
#include <vector>

namespace air::compiler {

/// The largest ratio of coded to uncoded bytes at which a codec is worth its
/// costs: packing takes longer, and decoding takes memory that could hold
/// weights.
inline constexpr double kWorthwhileRatio = 0.95;

/// Weights that would be stored with one codec.
struct CodedPart {
  uint64_t bytes = 0;      ///< uncoded bytes that a pass reads from disk
  double ratio = 1;        ///< coded bytes / uncoded bytes
  uint64_t decodeRate = 0; ///< uncoded bytes/s of one core; 0 = not known
};

struct CodecQuestion {
  uint64_t streamedBytes = 0;   ///< uncoded bytes that a pass reads from disk
  std::vector<CodedPart> coded; ///< parts of streamedBytes that would be coded
  uint64_t weightBytes = 0;     ///< bytes that a pass reads from memory
  uint64_t diskBandwidth = 0;   ///< bytes/s; 0 = not known
  uint64_t memoryBandwidth = 0; ///< bytes/s; 0 = not known
  uint64_t cores = 1;
};

/// Whether the codecs make the pass faster. False if a rate is not known, if no
/// part would have a codec, if a part has no bytes, or if CodedPart::ratio
/// exceeds kWorthwhileRatio for any part.
bool codecsPay(const CodecQuestion &question);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_CODECCHOICE_H
