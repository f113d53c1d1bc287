//===- HostFacts.h - what Linux reports about this machine ------*- C++ -*-===//
//
// The parts of hostProfile() that read the file system. The root is a
// parameter, so that a test can imitate a machine in a folder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
#define AIRPACK_FORMATS_MACHINE_HOSTFACTS_H

#include <cstdint>
#include <string>

namespace air {

/// The smaller of MemTotal (ROOT/proc/meminfo) and the memory limits of the
/// cgroups that hold this process (ROOT/proc/self/cgroup, v1 and v2, each with
/// its ancestors); 0 when nothing is known. Both are constant during the
/// lifetime of a machine and its container.
uint64_t memoryCapacity(const std::string &root);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
