//===- KernelFolder.cpp - where airpack keeps compiled kernels ------------===//
#include "tools/airpack/KernelFolder.h"

#include "formats/support/Digest.h"
#include "formats/support/MappedFile.h"
#include "tools/airpack/Commands.h"
#include "tools/cli/ProbeFile.h"

#include <link.h>
#include <sys/stat.h>
#include <utility>

namespace air {
namespace {

constexpr const char *kProgram = "/proc/self/exe";

/// Appends the path, the size and the time of modification of a shared library
/// to the string that `text` points at. dl_iterate_phdr() calls it for
/// the program, too, whose name is empty.
int addLibrary(dl_phdr_info *info, size_t, void *text) {
  struct stat facts = {};
  const std::string path = info->dlpi_name;
  if (!path.empty() && stat(path.c_str(), &facts) == 0) {
    *static_cast<std::string *>(text) +=
        path + ' ' + std::to_string(facts.st_size) + ' ' +
        std::to_string(facts.st_mtim.tv_sec) + '.' +
        std::to_string(facts.st_mtim.tv_nsec) + '\n';
  }
  return 0;
}

/// A text that is different after airpack or one of its libraries, such as
/// LLVM, has been replaced.
Result<std::string> compilerIdentity() {
  AIR_ASSIGN_OR_RETURN(const MappedFile program, MappedFile::open(kProgram));
  std::string text = "airpack " + toHex(digestOf(program.bytes())) + '\n';
  dl_iterate_phdr(addLibrary, &text);
  return text;
}

Result<std::shared_ptr<const codegen::KernelCache>>
openFolder(const std::string &folder) {
  AIR_ASSIGN_OR_RETURN(std::string identity, compilerIdentity());
  AIR_ASSIGN_OR_RETURN(codegen::KernelCache cache,
                       codegen::KernelCache::open(folder, std::move(identity)));
  return std::make_shared<const codegen::KernelCache>(std::move(cache));
}

} // namespace

cli::Option kernelCacheOption() {
  return makeOption(
      "--kernel-cache", "", cli::ValueKind::String, "FOLDER",
      "Keep compiled kernels in FOLDER, so that the next plan with the same "
      "kernels takes less time; with none, compile all of them. The plan is "
      "the same. The folder takes up to 256 MiB, and no other user may be able "
      "to write to it.",
      "airpack/kernels in XDG_CACHE_HOME or ~/.cache, if possible");
}

Result<std::shared_ptr<const codegen::KernelCache>>
openKernelCache(const cli::Invocation &invocation) {
  if (const std::optional<std::string> given =
          invocation.text("--kernel-cache")) {
    if (given->empty()) {
      return usageError("--kernel-cache: the path is empty; give a folder, or "
                        "none to compile all kernels");
    }
    return *given == "none" ? std::shared_ptr<const codegen::KernelCache>()
                            : openFolder(*given);
  }
  const std::string usual = cli::cacheFolder();
  if (usual.empty()) {
    return std::shared_ptr<const codegen::KernelCache>();
  }
  // The cache only saves time, so without the option it is no error if the
  // folder cannot be used.
  Result<std::shared_ptr<const codegen::KernelCache>> cache =
      openFolder(usual + "/kernels");
  return cache ? *std::move(cache)
               : std::shared_ptr<const codegen::KernelCache>();
}

} // namespace air
