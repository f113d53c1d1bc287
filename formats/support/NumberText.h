//===- NumberText.h - real numbers in messages ------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_SUPPORT_NUMBERTEXT_H
#define AIRPACK_FORMATS_SUPPORT_NUMBERTEXT_H

#include <array>
#include <charconv>
#include <concepts>
#include <string>

namespace air {

/// Returns the shortest decimal that reads back as `value`: "8", "0.5",
/// "1e-06", "inf", "nan". Two different numbers never look the same.
template <std::floating_point Real> std::string numberText(Real value) {
  std::array<char, 64> text{};
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_NUMBERTEXT_H
