//===- KernelCache.h - compiled kernels that are kept on disk ---*- C++ -*-===//
//
// Compiling the kernels of a plan takes seconds if they are for a CPU, and up
// to a minute if they are for a GPU. The cache is a folder that keeps the code
// of earlier compilations.
//
// The key of an entry states everything that the entry's code depends on. It
// consists of the identity of the compiler and a text from the caller, which
// states everything else. An entry holds its key, and is used only if this is
// exactly the key that is looked up. A plan therefore does not depend on
// whether its kernels come from the cache.
//
// The cache only saves time. An entry that is damaged is not used, and an entry
// that cannot be written is not kept; neither is an error.
//
// Each entry is a file whose name is the digest of the key in hexadecimal and
// ".kernels". All numbers are little-endian:
//
//   byte 0    uint64  size of the key in bytes
//   byte 8    uint64  size of the code in bytes
//   byte 16   Digest  digest of the key and the code, one after the other
//   byte 32           the key and then the code
//
// Thread-safety: all functions may be called from any thread, and several
// processes may use a folder at the same time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_KERNELCACHE_H
#define AIRPACK_CODEGEN_KERNELCACHE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace air::codegen {

class KernelCache {
public:
  /// The default limit on the total size of all entries, in bytes. The kernels
  /// of a plan take about half a MiB for a CPU and a few MiB for a GPU.
  static constexpr uint64_t kUsualBytes = uint64_t{256} << 20;

  /// Opens the cache in `folder`, which is created if it is missing. `compiler`
  /// identifies the program that compiles, and the libraries that it uses.
  /// Whenever store() has added an entry, it removes the entries that were used
  /// longest ago until all entries together have at most `mostBytes` bytes. The
  /// added entry always stays.
  ///
  /// Errors: those of makePrivateFolder() (formats/support/PrivateFolder.h).
  /// The messages of these errors contain `advice`, which says what the user
  /// can do.
  static Result<KernelCache> open(std::string folder, const std::string &advice,
                                  std::string compiler,
                                  uint64_t mostBytes = kUsualBytes);

  /// The code that was stored for `text`; nothing if there is none.
  std::optional<std::vector<uint8_t>> find(const std::string &text) const;

  /// Keeps `code` for `text`, and removes old entries as open() describes.
  void store(const std::string &text, std::span<const uint8_t> code) const;

  /// The path of the entry for `text`, whether or not there is one.
  std::string pathOf(const std::string &text) const;

private:
  KernelCache(std::string path, std::string identity, uint64_t limit)
      : folder(std::move(path)), compiler(std::move(identity)),
        mostBytes(limit) {}
  std::string inputOf(const std::string &text) const {
    return compiler + '\n' + text;
  }
  std::string pathOfInput(const std::string &input) const;
  /// Removes the entries that were used longest ago, until the rest fit into
  /// mostBytes. The entry at `kept` always stays.
  void removeOldest(const std::string &kept) const;

  std::string folder;
  std::string compiler;
  uint64_t mostBytes;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_KERNELCACHE_H
