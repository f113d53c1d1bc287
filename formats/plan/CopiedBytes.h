//===- CopiedBytes.h - what a pass copies to a GPU --------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_COPIEDBYTES_H
#define AIRPACK_FORMATS_PLAN_COPIEDBYTES_H

#include "formats/plan/plan_generated.h"

#include <cstdint>

namespace air {

/// Returns how many bytes one pass copies from RAM to the GPU under
/// `placement`, which must belong to a verified plan.
inline uint64_t copiedBytesPerPass(const plan::Placement &placement) {
  uint64_t bytes = 0;
  if (placement.device_reads() != nullptr) {
    for (const plan::StreamRead *read : *placement.device_reads()) {
      bytes += read->bytes();
    }
  }
  return bytes;
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_COPIEDBYTES_H
