//===- CountText.h - how many there are, as text ----------------*- C++ -*-===//
//
// Thread-safety: a pure function.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_COUNTTEXT_H
#define AIRPACK_FORMATS_SUPPORT_COUNTTEXT_H

#include <cstdint>
#include <string>
#include <string_view>

namespace air {

/// Returns the count and what is counted: "1 thread", but "0 threads" and "2
/// threads". `noun` is in the singular. If `plural` is empty, the plural is
/// `noun` followed by "s".
inline std::string countOf(uint64_t count, std::string_view noun,
                           std::string_view plural = {}) {
  std::string text = std::to_string(count) + " ";
  text += count == 1 || plural.empty() ? noun : plural;
  text += count == 1 || !plural.empty() ? "" : "s";
  return text;
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_COUNTTEXT_H
