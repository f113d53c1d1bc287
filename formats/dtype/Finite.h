//===- Finite.h - NaN and infinity in weights -------------------*- C++ -*-===//
//
// A weight that is not finite makes every product that it is part of a NaN. Of
// blocks only the scales can be not finite; what shares the block's other bits
// cannot.
//
// What is not finite: of IEEE formats (F64, F32, F16, BF16, and the F16 scales
// of blocks) an exponent of ones alone; of E8M0 (MXFP4) the byte 255 and of
// E4M3 (NVFP4) seven ones, which are NaN by "OCP Microscaling Formats (MX)",
// version 1.0, and "OCP 8-bit Floating Point", revision 1.0.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_FINITE_H
#define AIRPACK_FORMATS_DTYPE_FINITE_H

#include "formats/dtype/DType.h"

#include <optional>
#include <span>

namespace air {

/// The first of the blocks (elements, of plain formats) in `blocks` that is not
/// finite. Integers always are. Reads each byte of a plain format, and of
/// blocks the scales only. Thread-safety: a pure function.
std::optional<uint64_t> firstNotFinite(DType dtype,
                                       std::span<const uint8_t> blocks);

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_FINITE_H
