//===- CodecChoice.h - when coded weights make a pass faster ----*- C++ -*-===//
//
// Coded weights take fewer bytes of the disk, but cores must decode them. While
// a pass waits for the disk, cores are idle: of the time that the disk needs,
// the pass computes only as long as it takes to read the weights from memory. A
// codec pays where the disk is what limits the pass, and the cores can decode in
// the time that is left.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_CODECCHOICE_H
#define AIRPACK_COMPILER_PLANNER_CODECCHOICE_H

#include <cstdint>

namespace air::compiler {

/// The raw bytes per second that one core is assumed to decode of the codec
/// Planes. It is an estimate, not a measurement, and no profile states the rate
/// of a machine.
inline constexpr uint64_t kPlanesRate = 2'000'000'000;

struct CodecQuestion {
  uint64_t streamedBytes = 0;   ///< that a pass reads from the disk uncoded
  uint64_t codedBytes = 0;      ///< of these, those that would be coded
  uint64_t weightBytes = 0;     ///< that a pass reads from memory
  double ratio = 1;             ///< bytes of the coded form / bytes uncoded
  uint64_t diskBandwidth = 0;   ///< bytes/s; 0 = not known
  uint64_t memoryBandwidth = 0; ///< bytes/s; 0 = not known
  uint64_t decodeRate = 0;      ///< raw bytes/s of one core
  uint64_t cores = 1;
};

/// Whether the codec makes the pass faster. False if a bandwidth is not known.
bool codecPays(const CodecQuestion &question);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_CODECCHOICE_H
