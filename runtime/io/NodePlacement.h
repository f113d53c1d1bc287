//===- NodePlacement.h - file pages on their readers' nodes -----*- C++ -*-===//
//
// The system places a page of a file on the memory node of the thread that
// first reads it. On a machine with several nodes, each thread of the CPU
// device reads its own contiguous part of a matrix. Segments are therefore
// divided in the same way, and each part is read under the memory policy of the
// node of its readers. Pages that are in the page cache already stay where they
// are.
//
// All of this is advice: if the system refuses it, the plan only runs slower.
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

/// The part of `bytes` that the threads of `part` read. It begins at the start
/// of the page in which their bytes begin, and ends where the next part begins.
/// Parts that consist of all threads together cover every byte once.
std::span<const uint8_t> bytesOfPart(std::span<const uint8_t> bytes,
                                     const NodePart &part, uint64_t pageBytes);

/// Brings `bytes` into memory, each part on its node. The memory policy of the
/// calling thread is restored afterwards.
void placeOnNodes(std::span<const uint8_t> bytes,
                  std::span<const NodePart> parts);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_NODEPLACEMENT_H
