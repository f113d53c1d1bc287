//===- NodePlacement.h - weights on their readers' nodes --------*- C++ -*-===//
//
// The system places a page of a file on the NUMA node of the thread that first
// reads it. On a machine with several nodes, each thread of the CPU device
// reads its own contiguous part of a matrix. Segments are therefore divided in
// the same way, and each part is read under a memory policy that prefers the
// node of its readers. Pages that are already in the page cache stay where they
// are. If weights are instead read into memory that the process has allocated,
// that memory itself has such a policy, so it does not matter which thread
// reads the weights from the file.
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

/// The threads of the CPU device that compute on NUMA node `node`: those with
/// an index in [first, end), of `threads` threads in all.
struct NodePart {
  uint32_t node = 0;
  uint32_t first = 0;
  uint32_t end = 0;
  uint32_t threads = 1;
};

/// The part of `bytes` that the threads of `part` read. It begins at the start
/// of the page that contains the first byte that these threads read, and ends
/// where the next part begins. If several parts together contain all threads,
/// every byte belongs to exactly one of these parts.
std::span<const uint8_t> bytesOfPart(std::span<const uint8_t> bytes,
                                     const NodePart &part, uint64_t pageBytes);

/// Brings `bytes` into memory, so that the bytesOfPart() of each of the `parts`
/// lie on the NUMA node of that part. The memory policy of the calling thread
/// is restored afterwards.
void placeOnNodes(std::span<const uint8_t> bytes,
                  std::span<const NodePart> parts);

/// Asks the system to allocate the pages of the first `count` bytes of `bytes`
/// on the nodes of the threads that read them. `bytes` is a range of the
/// process's own memory that begins at a page boundary. None of these pages may
/// have been touched yet.
void preferNodes(std::span<const uint8_t> bytes, uint64_t count,
                 std::span<const NodePart> parts);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_NODEPLACEMENT_H
