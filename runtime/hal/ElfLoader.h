//===- ElfLoader.h - relocatable objects as callable kernels ----*- C++ -*-===//
//
// Loads the ELF64 relocatable object of a plan's CPU executable: its loaded
// sections are copied into one private mapping, relocated against each other,
// and made readable and executable (never writable and executable at once).
//
// What an object may hold: code and read-only data that refer to themselves.
// Writable sections, undefined symbols, TLS, constructors and relocations that
// need a GOT are refused: kernels keep no state and call nobody.
//
// The bytes are not trusted: every offset, size, index and name is checked
// before use. Whether the *instructions* are benign is not checked; a plan is
// code, and its digests say only that it is the plan that was made.
//
// Ownership: the image owns the mapping; entry points die with it.
// Thread-safety: immutable after load.
// Errors: Corrupt (malformed, with both numbers), Mismatch (another machine),
// Unsupported (well-formed, but needs a linker), DoesNotFit, Io.
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

/// An image larger than this is refused: a branch of the smallest reach (CALL26
/// of aarch64, 128 MiB) gets from any of its bytes to any other.
inline constexpr uint64_t kMaxElfImageBytes = uint64_t(128) << 20;

/// The machine this program was built for.
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

  /// As load, for a given machine: the image of a foreign one can be read, not
  /// run.
  static Result<ElfImage> loadFor(ElfMachine machine,
                                  std::span<const uint8_t> object,
                                  const std::string &where);

  /// The global function `name` (hidden ones do not count); Corrupt when the
  /// object has none.
  Result<AirKernelFn> entry(std::string_view name) const;

  /// The image's bytes as they lie in memory.
  std::span<const uint8_t> bytes() const { return {base, size}; }
  /// Global functions, sorted: name and offset into bytes().
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
