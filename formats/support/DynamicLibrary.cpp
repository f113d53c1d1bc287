//===- DynamicLibrary.cpp - a shared library opened at run time -----------===//
#include "formats/support/DynamicLibrary.h"

#include <dlfcn.h>

namespace air {

DynamicLibrary DynamicLibrary::open(const std::string &path) {
  DynamicLibrary library;
  // An empty path would open the program itself. NVRTC leaks memory each time
  // that it is unloaded, so RTLD_NODELETE keeps libraries loaded after
  // dlclose().
  void *opened = path.empty() ? nullptr
                              : dlopen(path.c_str(),
                                       RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (opened) {
    library.handle = std::shared_ptr<void>(opened, dlclose);
  }
  return library;
}

void *DynamicLibrary::address(const char *name) const {
  return handle ? dlsym(handle.get(), name) : nullptr;
}

} // namespace air
