//===- Finite.h - NaN and infinity in weights -------------------*- C++ -*-===//
//
// A weight that is NaN or infinite spoils every result that it contributes to.
// In a block format only the scales and the minimums can be NaN or infinite;
// the quantised values are always finite.
//
// An F64, F32, F16 or BF16 number, which may also be the scale or the minimum
// of a block, is not finite if all bits of its exponent are set. An E8M0 scale
// (MXFP4) is NaN if it is 255, according to "OCP Microscaling Formats (MX)",
// version 1.0. An E4M3 scale (NVFP4) is NaN if its low seven bits are all set,
// according to "OCP 8-bit Floating Point", revision 1.0.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_FINITE_H
#define AIRPACK_FORMATS_DTYPE_FINITE_H

#include "formats/dtype/DType.h"

#include <optional>
#include <span>

namespace air {

/// Returns the index of the first block that contains a NaN or an infinity;
/// nullopt if there is none. In dtypes without blocks, every element counts as
/// a block. Integers are always finite. The function reads every float of
/// dtypes without blocks, but only the scales and minimums of the others.
/// Thread-safety: a pure function.
std::optional<uint64_t> firstNotFinite(DType dtype,
                                       std::span<const uint8_t> blocks);

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_FINITE_H
