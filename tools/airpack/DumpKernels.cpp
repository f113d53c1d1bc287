//===- DumpKernels.cpp - the kernels of a plan as files -------------------===//
#include "tools/airpack/DumpKernels.h"

#include "tools/cli/OutputFile.h"

#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace air {

namespace fs = std::filesystem;

static Status noDumpFolder(const std::string &folder, std::error_code error) {
  return ioError("--dump-kernels: the folder '" + folder +
                 "' cannot be created: " + error.message());
}

Status checkDumpFolder(const std::string &folder, const std::string &output) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(folder), error);
  if (error) {
    return noDumpFolder(folder, error);
  }
  const fs::path plan = fs::weakly_canonical(fs::absolute(output), error);
  fs::path existing = place;
  bool isUnderPlan = false;
  while (!fs::exists(existing, error) && existing.has_relative_path()) {
    isUnderPlan = isUnderPlan || existing == plan;
    existing = existing.parent_path();
  }
  if (isUnderPlan || existing == plan) {
    return usageError(
        "--dump-kernels: '" + folder +
        "' is the path of the plan or lies inside it; name another folder");
  }
  if (!fs::is_directory(existing, error)) {
    return noDumpFolder(folder,
                        std::make_error_code(std::errc::not_a_directory));
  }
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    return noDumpFolder(folder, {errno, std::generic_category()});
  }
  return Status::ok();
}

Status dumpKernels(compiler::Compiler &compiler, const std::string &folder) {
  AIR_ASSIGN_OR_RETURN(const std::vector<compiler::KernelFile> kernels,
                       compiler.kernelFiles());
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return noDumpFolder(folder, error);
  }
  const auto bytesOf = [](const std::string &text) {
    return std::span(reinterpret_cast<const uint8_t *>(text.data()),
                     text.size());
  };
  for (const compiler::KernelFile &kernel : kernels) {
    const std::string path = (fs::path(folder) / kernel.name).string();
    using Parts =
        std::vector<std::pair<const char *, std::span<const uint8_t>>>;
    const Parts parts = kernel.cuda.empty()
                            ? Parts{{".mlir", bytesOf(kernel.listing.mlir)},
                                    {".s", bytesOf(kernel.listing.assembly)},
                                    {".o", kernel.listing.object}}
                            : Parts{{".cu", bytesOf(kernel.cuda)},
                                    {".cubin", kernel.cubin},
                                    {".ptx", kernel.ptx}};
    for (const auto &[extension, bytes] : parts) {
      if (bytes.empty()) {
        continue;
      }
      AIR_ASSIGN_OR_RETURN(AtomicFile file, cli::openOutput(path + extension));
      AIR_RETURN_IF_ERROR(file.writeAt(0, bytes));
      AIR_RETURN_IF_ERROR(file.commit(bytes.size()));
    }
  }
  return Status::ok();
}

} // namespace air
