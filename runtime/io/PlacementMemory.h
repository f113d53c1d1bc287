//===- PlacementMemory.h - does a placement fit into free RAM ---*- C++ -*-===//
//
// Several processes may share the memory of a cgroup or of the machine. A
// placement fits if its RAM is at most what the session can use: the limit,
// less what others use. Both change while the session runs.
//
// The item "process" of a placement, which covers code, vocabulary, metadata
// and the system's data about the process, is partly in use before the session
// begins. How much of it cannot be measured exactly, so all of it counts as
// used by this process. What others use therefore seems smaller than it is, by
// less than this item. Without this tolerance, a plan that was made for exactly
// the limit of a cgroup would not fit there as soon as the cgroup had a shell.
//
// Thread-safety: pure functions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PLACEMENTMEMORY_H
#define AIRPACK_RUNTIME_IO_PLACEMENTMEMORY_H

#include "formats/plan/plan_generated.h"
#include "runtime/io/MemoryLimit.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// The bytes of RAM that a placement takes for weights and everything else.
uint64_t ramOf(const plan::Placement &placement);

/// Returns `now`, except that `own` is only the memory that this process has
/// begun to use since `before` was read. If `before` is the reading from which
/// a session has chosen its placement, this is the memory of the session.
MemoryRoom changeSince(const MemoryRoom &before, MemoryRoom now);

/// The bytes of RAM that a session can use in all. `current` is its placement,
/// and room.own is the private memory that the session already uses, not
/// counting the item "process". `ringBytes` is the size of its ring, or 0 if it
/// has none yet. The limits count a ring in full as soon as it has been
/// allocated, before its pages are touched (SegmentArena), so all of it is in
/// use by the session. If room.own is not known, the session counts as using
/// everything that `current` needs; it never counts as using more.
uint64_t usableBytes(const plan::Placement &current, const MemoryRoom &room,
                     uint64_t ringBytes);

/// For messages: "only 5000 of 9000 bytes of memory are left (/proc/meminfo)".
/// `usable` is the result of usableBytes().
std::string leftText(const MemoryRoom &room, uint64_t usable);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PLACEMENTMEMORY_H
