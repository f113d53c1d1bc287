//===- CodecChoice.h - when coded weights make a pass faster ----*- C++ -*-===//
//
// Coded weights take fewer bytes on the disk, but cores must decode them. The
// cores compute for as long as it takes to read the weights from memory, and
// are idle while the disk needs longer. A codec pays if the cores can decode in
// that idle time.
//
// Thread-safety: pure functions. Errors: none.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_CODECCHOICE_H
#define AIRPACK_COMPILER_PLANNER_CODECCHOICE_H

#include <cstdint>

namespace air::compiler {

/// The rate at which one core is assumed to decode the codec Planes, in raw
/// bytes per second. It is an estimate, because no profile states a machine's
/// rate.
inline constexpr uint64_t kPlanesRate = 2'000'000'000;

struct CodecQuestion {
  uint64_t streamedBytes = 0;   ///< per pass, from the disk, uncoded
  uint64_t codedBytes = 0;      ///< part of streamedBytes that can be coded
  uint64_t weightBytes = 0;     ///< per pass, from memory
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
