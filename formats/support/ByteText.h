//===- ByteText.h - human-readable sizes ------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_SUPPORT_BYTETEXT_H
#define AIRPACK_FORMATS_SUPPORT_BYTETEXT_H

#include <cstdint>
#include <string>

namespace air {

/// Returns a size for people to read, such as "1.50 GiB" or "312 B". Values of
/// 1 KiB and above have two decimals. The unit is the largest one, up to TiB,
/// in which the value is at least 1.
std::string byteText(uint64_t bytes);

/// Like byteText(), but rounds up, so that the text never states less than what
/// is needed.
std::string byteTextUp(uint64_t bytes);

/// Like byteText(), but rounds down, so that the text never states more than
/// what is available. If one size exceeds another and both are below 2^53,
/// byteTextUp() of the first differs from byteTextDown() of the second.
std::string byteTextDown(uint64_t bytes);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_BYTETEXT_H
