//===- SharedKernels.h - kernels that tests compile only once ---*- C++ -*-===//
#ifndef AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H
#define AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H

#include "codegen/KernelCache.h"

#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

namespace air::compiler {

/// Keeps the kernels for CPUs that the tests of this process compile, so that
/// packing a model again does not compile them again. Null if the folder cannot
/// be created. When the process ends, the folder is removed.
inline std::shared_ptr<const codegen::KernelCache> sharedKernels() {
  struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() /
        ("air-shared-kernels-" + std::to_string(getpid()));
    std::shared_ptr<const codegen::KernelCache> cache;

    Folder() {
      Result<codegen::KernelCache> opened =
          codegen::KernelCache::open(path.string(), "", "tests");
      if (opened) {
        cache =
            std::make_shared<const codegen::KernelCache>(*std::move(opened));
      }
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
  };
  static const Folder folder;
  return folder.cache;
}

} // namespace air::compiler

#endif // AIRPACK_TEST_COMPILER_DRIVER_SHAREDKERNELS_H
