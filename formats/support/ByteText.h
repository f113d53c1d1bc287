//===- ByteText.h - a number of bytes for people ----------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_SUPPORT_BYTETEXT_H
#define AIRPACK_FORMATS_SUPPORT_BYTETEXT_H

#include <cstdint>
#include <string>

namespace air {

/// "1.50 GiB", "312 B": two decimals of the largest binary unit that leaves a
/// digit before the point; TiB at most.
std::string byteText(uint64_t bytes);

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_BYTETEXT_H
