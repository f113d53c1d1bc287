//===- TileRegisters.cpp - permission for AMX tiles -----------------------===//
#include "formats/machine/TileRegisters.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace air {

namespace {

bool usesTiles(const MachineProfile &profile) {
  return std::ranges::count(profile.features, "amx-tile") != 0;
}

#if defined(__x86_64__)

// ARCH_GET_XCOMP_SUPP and ARCH_REQ_XCOMP_PERM of asm/prctl.h in Linux 5.16 and
// later.
constexpr long kGetSupported = 0x1021;
constexpr long kRequestPermission = 0x1023;
constexpr long kTileData = 18; ///< the bit of TILEDATA in XCR0

#endif

} // namespace

#if defined(__x86_64__)

bool hasTileRegisters() {
  uint64_t states = 0;
  return syscall(SYS_arch_prctl, kGetSupported, &states) == 0 &&
         (states >> kTileData & 1) != 0;
}

bool requestTileRegisters() {
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#else

bool hasTileRegisters() { return false; }

bool requestTileRegisters() {
  errno = ENOTSUP;
  return false;
}

#endif

Status prepareToRun(const MachineProfile &plan, const MachineProfile &host) {
  AIR_RETURN_IF_ERROR(checkRunsOn(plan, host));
  if (usesTiles(plan) && !requestTileRegisters()) {
    return mismatchError(
        "features: the plan needs amx-tile, but this system grants no tile "
        "registers (" +
        std::string(std::strerror(errno)) +
        "); pack the model for another target, for example x86-64-v4-bf16");
  }
  return Status::ok();
}

} // namespace air
