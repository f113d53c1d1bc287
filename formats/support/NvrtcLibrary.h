//===- NvrtcLibrary.h - where NVRTC is on this machine ----------*- C++ -*-===//
//
// NVRTC is NVIDIA's compiler of CUDA C++ as a library. airpack compiles kernels
// with it (codegen/cuda/Nvrtc.h). airrun, which can run airpack to make a plan
// for this machine, only asks whether NVRTC is there. Without NVRTC, airpack
// makes a plan for the CPU, and airrun must stop using this plan once NVRTC is
// installed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_NVRTCLIBRARY_H
#define AIRPACK_FORMATS_SUPPORT_NVRTCLIBRARY_H

#include <string>
#include <vector>

namespace air {

/// The paths at which the library is looked for, in this order. `place` is a
/// library or its folder, or "" for the dynamic linker's search path and then
/// /usr/local/cuda/lib64. In each folder, the newest version is first.
std::vector<std::string> nvrtcPaths(const std::string &place);

/// Opens the library at the first of nvrtcPaths("") that can be opened, and
/// returns the version that it reports, such as "13.0"; "" if there is no such
/// library, or if it reports no version.
std::string installedNvrtc();

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_NVRTCLIBRARY_H
