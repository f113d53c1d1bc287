//===- DispatchRange.h - the dispatches that one run asks for ---*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_HAL_DISPATCHRANGE_H
#define AIRPACK_RUNTIME_HAL_DISPATCHRANGE_H

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <string>

namespace air::rt {

/// Returns an Internal error unless the program has the dispatches from index
/// `first` to first + count - 1, as Device::run() requires.
inline Status checkDispatchRange(uint32_t program, uint64_t dispatches,
                                 uint32_t first, uint32_t count) {
  return rangeFits(first, count, dispatches)
             ? Status::ok()
             : internalError("program " + std::to_string(program) + " has " +
                             countOf(dispatches, "dispatch", "dispatches") +
                             ", but the run asks for " +
                             countOf(count, "dispatch", "dispatches") +
                             " from index " + std::to_string(first) + " on");
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_DISPATCHRANGE_H
