//===- SharedKernels.h - kernels that tests compile only once ---*- C++ -*-===//
#ifndef AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H
#define AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H

#include "codegen/KernelCache.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

namespace air::compiler {

/// Returns a cache in a temporary folder for the CPU kernels that the tests of
/// this process compile, so that packing a model again does not compile them
/// again. Returns null if the folder or the cache cannot be made. The folder is
/// removed when the process ends.
inline std::shared_ptr<const codegen::KernelCache> sharedKernels() {
  struct Folder {
    std::string path =
        std::filesystem::temp_directory_path() / "air-shared-kernels-XXXXXX";
    std::shared_ptr<const codegen::KernelCache> cache;

    Folder() {
      // The folder must be a new one. An old folder, which a killed process has
      // left behind, may hold kernels that an earlier version of the compiler
      // made.
      if (mkdtemp(path.data()) == nullptr) {
        path.clear();
        return;
      }
      Result<codegen::KernelCache> opened =
          codegen::KernelCache::open(path, "", "tests");
      if (opened) {
        cache =
            std::make_shared<const codegen::KernelCache>(*std::move(opened));
      }
    }
    ~Folder() {
      std::error_code ignored;
      if (!path.empty()) {
        std::filesystem::remove_all(path, ignored);
      }
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
  };
  static const Folder folder;
  return folder.cache;
}

} // namespace air::compiler

#endif // AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H
