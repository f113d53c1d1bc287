//===- NodePlacement.h - file pages near those who read them ----*- C++ -*-===//
//
// The system keeps a page of a file on the memory node of the thread that first
// reads it. On a machine with several nodes each thread of the CPU device reads
// its own contiguous part of a matrix, so a segment is cut the same way and
// every part is brought in under the memory policy of its readers' node. Pages
// that the system already holds stay where they are.
//
// All of it is advice: what the system refuses only runs slower.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_NODEPLACEMENT_H
#define AIRPACK_RUNTIME_IO_NODEPLACEMENT_H

#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

/// Threads [first, end) of `threads` compute on memory node `node`.
struct NodePart {
  uint32_t node = 0;
  uint32_t first = 0;
  uint32_t end = 0;
  uint32_t threads = 1;
};

/// The bytes of `bytes` that the part's threads read, from the page that they
/// begin in to the page that the next part begins in. Parts of all threads
/// cover every byte once.
std::span<const uint8_t> bytesOfPart(std::span<const uint8_t> bytes,
                                     const NodePart &part, uint64_t pageBytes);

/// Brings `bytes` in, each part on its node. The calling thread's memory policy
/// is the same after as before.
void placeOnNodes(std::span<const uint8_t> bytes,
                  std::span<const NodePart> parts);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_NODEPLACEMENT_H
