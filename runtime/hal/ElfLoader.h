//===- ElfLoader.h - relocatable objects as callable kernels ----*- C++ -*-===//
//
// Loads the ELF64 relocatable object of a plan's CPU executable. Its allocated
// sections are copied into one private mapping, relocated against each other,
// and made readable and executable (never writable and executable at once).
//
// An object may contain code and read-only data that refer only to each other.
// Writable sections, undefined symbols, TLS, constructors and relocations that
// need a GOT are refused, because kernels keep no state and call no libraries.
//
// The bytes are not trusted: every offset, size, index and name is checked
// before use. Whether the *instructions* are benign is not checked. A plan is
// code, and its digests only show that it has not changed since it was made.
//
// Ownership: the image owns the mapping, and entry points become invalid when
// the image is destroyed. Thread-safety: immutable after load(). Errors:
// Corrupt (malformed; the message states the value found and its limit),
// Mismatch (built for another machine), Unsupported (well-formed, but needs a
// linker), DoesNotFit (the image is too large), Io (the system refused the
// memory).
//
// Source: System V ABI, chapter 4 (Object Files), edition 4.1 and the gABI
// drafts; the relocations are in ElfRelocation.h.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_ELFLOADER_H
#define AIRPACK_RUNTIME_HAL_ELFLOADER_H

#include "formats/abi/KernelAbi.h"
#include "formats/support/Status.h"
#include "runtime/hal/ElfRelocation.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace air::rt {

/// Larger images are refused. Within this limit, every byte of the image is in
/// reach of an aarch64 call (CALL26, 128 MiB in either direction) from every
/// other byte.
inline constexpr uint64_t kMaxElfImageBytes = uint64_t(128) << 20;

/// The machine that this program was built for.
ElfMachine hostElfMachine();

class ElfImage {
public:
  ElfImage() = default;
  ~ElfImage();
  ElfImage(ElfImage &&other) noexcept;
  ElfImage &operator=(ElfImage &&other) noexcept;
  ElfImage(const ElfImage &) = delete;
  ElfImage &operator=(const ElfImage &) = delete;

  /// `where` names the object in messages.
  static Result<ElfImage> load(std::span<const uint8_t> object,
                               const std::string &where);

  /// Like load, but for the given machine. An image for a foreign machine can
  /// be read but not run.
  static Result<ElfImage> loadFor(ElfMachine machine,
                                  std::span<const uint8_t> object,
                                  const std::string &where);

  /// Returns the global function `name`. Errors: Corrupt if the object has no
  /// such function, or if the function is hidden.
  Result<AirKernelFn> entry(std::string_view name) const;

  /// The bytes of the image in memory.
  std::span<const uint8_t> bytes() const { return {base, size}; }
  /// The global functions with default visibility, sorted by name, with their
  /// offsets into bytes().
  std::span<const std::pair<std::string, uint64_t>> functions() const {
    return entries;
  }

private:
  uint8_t *base = nullptr;
  size_t size = 0;
  std::vector<std::pair<std::string, uint64_t>> entries;
  std::string origin;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_ELFLOADER_H
