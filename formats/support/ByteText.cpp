//===- ByteText.cpp - human-readable sizes --------------------------------===//
#include "formats/support/ByteText.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace air {
namespace {

/// Returns `bytes` as text: below 1 KiB in whole bytes, otherwise with two
/// decimals in the largest unit of kUnits that is not larger than `bytes`.
/// `round` is applied to the number of hundredths of this unit before it is
/// printed.
std::string textOf(uint64_t bytes, double (*round)(double)) {
  static constexpr std::array<const char *, 5> kUnits = {"B", "KiB", "MiB",
                                                         "GiB", "TiB"};
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  value = round(value * 100) / 100;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, kUnits[unit]);
  return text.data();
}

} // namespace

std::string byteText(uint64_t bytes) {
  return textOf(bytes, [](double hundredths) { return hundredths; });
}

std::string byteTextUp(uint64_t bytes) { return textOf(bytes, std::ceil); }

std::string byteTextDown(uint64_t bytes) { return textOf(bytes, std::floor); }

} // namespace air
