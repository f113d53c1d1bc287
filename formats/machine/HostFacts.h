//===- HostFacts.h - what Linux reports about this machine ------*- C++ -*-===//
//
// memoryCapacity() is the part of hostProfile() that reads the file system. The
// root directory is a parameter, so that a test can imitate a machine with
// files in a folder.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
#define AIRPACK_FORMATS_MACHINE_HOSTFACTS_H

#include <cstdint>
#include <string>

namespace air {

/// Returns the smallest of MemTotal (in ROOT/proc/meminfo) and the memory
/// limits of the cgroups of this process and their ancestors
/// (ROOT/proc/self/cgroup, versions 1 and 2), in bytes; 0 if none is known.
/// These numbers are constant during the lifetime of a machine and its
/// container.
uint64_t memoryCapacity(const std::string &root);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_HOSTFACTS_H
