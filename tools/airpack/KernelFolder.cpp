//===- KernelFolder.cpp - where airpack keeps compiled kernels ------------===//
#include "tools/airpack/KernelFolder.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"
#include "formats/support/MappedFile.h"
#include "tools/airpack/Commands.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProbeFile.h"

#include <cerrno>
#include <cstring>
#include <link.h>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

constexpr const char *kProgram = "/proc/self/exe";

/// The build id of a loaded library in hexadecimal digits; "" if it has none. A
/// linker computes it from the contents of the library and stores it in a note,
/// a kind of record that the ELF specification describes.
std::string buildIdOf(const dl_phdr_info &info) {
  constexpr std::string_view kOwner("GNU", 4); // with its terminating zero
  constexpr uint64_t kAlignment = 4;
  for (size_t i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr) &header = info.dlpi_phdr[i];
    if (header.p_type != PT_NOTE || header.p_align > kAlignment) {
      continue;
    }
    const auto *bytes =
        reinterpret_cast<const uint8_t *>(info.dlpi_addr + header.p_vaddr);
    uint64_t at = 0;
    while (header.p_memsz - at >= sizeof(ElfW(Nhdr))) {
      ElfW(Nhdr) note = {};
      std::memcpy(&note, bytes + at, sizeof note);
      const uint64_t name = at + sizeof note;
      const uint64_t content = name + alignUp(note.n_namesz, kAlignment);
      const uint64_t end = content + alignUp(note.n_descsz, kAlignment);
      if (end > header.p_memsz) {
        break;
      }
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == kOwner.size() &&
          std::memcmp(bytes + name, kOwner.data(), kOwner.size()) == 0) {
        std::string digits;
        for (const uint8_t byte :
             std::span(bytes + content, size_t{note.n_descsz})) {
          digits += cli::format("%02x", byte);
        }
        return digits;
      }
      at = end;
    }
  }
  return "";
}

/// Appends the identity of a shared library to the string that `text` points
/// at: its path, and its build id or else its size and time of modification.
/// dl_iterate_phdr() calls the function for the program, too, whose path is
/// empty.
int addLibrary(dl_phdr_info *info, size_t, void *text) {
  const std::string path = info->dlpi_name;
  std::string identity = buildIdOf(*info);
  struct stat facts = {};
  if (identity.empty() && stat(path.c_str(), &facts) == 0) {
    identity = std::to_string(facts.st_size) + ' ' +
               std::to_string(facts.st_mtim.tv_sec) + '.' +
               std::to_string(facts.st_mtim.tv_nsec);
  }
  if (!path.empty()) {
    *static_cast<std::string *>(text) += path + ' ' + identity + '\n';
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
  constexpr const char *kAdvice = "name another folder with --kernel-cache, or "
                                  "give --kernel-cache none";
  AIR_ASSIGN_OR_RETURN(std::string identity, compilerIdentity());
  AIR_ASSIGN_OR_RETURN(
      codegen::KernelCache cache,
      codegen::KernelCache::open(folder, kAdvice, std::move(identity)));
  if (access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return ioError("cannot write to the folder '" + folder +
                   "' for kernels: " + std::strerror(errno) + "; " + kAdvice);
  }
  return std::make_shared<const codegen::KernelCache>(std::move(cache));
}

} // namespace

cli::Option kernelCacheOption() {
  return makeOption(
      "--kernel-cache", "", cli::ValueKind::String, "FOLDER",
      "Keep compiled kernels in FOLDER, so that the next plan with the same "
      "kernels takes less time. Give 'none' to compile all of them. The plan "
      "is the same. The folder takes up to 256 MiB, and no other user may be "
      "able to write to it.",
      "airpack/kernels in XDG_CACHE_HOME or ~/.cache, if possible");
}

Result<std::shared_ptr<const codegen::KernelCache>>
openKernelCache(const cli::Invocation &invocation) {
  if (const std::optional<std::string> given =
          invocation.text("--kernel-cache")) {
    if (given->empty()) {
      return usageError("--kernel-cache: the path is empty; give a folder, or "
                        "'none' to compile all kernels");
    }
    return *given == "none" ? std::shared_ptr<const codegen::KernelCache>()
                            : openFolder(*given);
  }
  const std::string usual = cli::cacheFolder();
  if (usual.empty()) {
    return std::shared_ptr<const codegen::KernelCache>();
  }
  // The cache only saves time. So if --kernel-cache was not given and the usual
  // folder cannot be used, the kernels are compiled without a cache.
  Result<std::shared_ptr<const codegen::KernelCache>> cache =
      openFolder(usual + "/kernels");
  return cache ? *std::move(cache)
               : std::shared_ptr<const codegen::KernelCache>();
}

} // namespace air
