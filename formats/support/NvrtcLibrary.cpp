//===- NvrtcLibrary.cpp - where NVRTC is on this machine ------------------===//
#include "formats/support/NvrtcLibrary.h"

#include "formats/support/DynamicLibrary.h"

namespace air {

std::vector<std::string> nvrtcPaths(const std::string &place) {
  std::vector<std::string> folders = {"", "/usr/local/cuda/lib64/"};
  std::vector<std::string> paths;
  if (!place.empty()) {
    folders = {place + "/"};
    paths.push_back(place);
  }
  for (const std::string &folder : folders) {
    for (const char *name : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
      paths.push_back(folder + name);
    }
  }
  return paths;
}

std::string installedNvrtc() {
  for (const std::string &path : nvrtcPaths("")) {
    const DynamicLibrary library = DynamicLibrary::open(path);
    if (!library.isOpen()) {
      continue;
    }
    int (*version)(int *, int *) = nullptr;
    int major = 0;
    int minor = 0;
    return library.find("nvrtcVersion", version) && version(&major, &minor) == 0
               ? std::to_string(major) + "." + std::to_string(minor)
               : "";
  }
  return "";
}

} // namespace air
