//===- ByteSize.cpp - sizes on the command line ---------------------------===//
#include "tools/cli/ByteSize.h"

#include "formats/support/CheckedMath.h"
#include "tools/cli/Output.h"

#include <charconv>
#include <string_view>
#include <utility>

namespace air::cli {

Result<uint64_t> parseByteSize(const std::string &text) {
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"", 1},
      {"KiB", uint64_t{1} << 10},
      {"MiB", uint64_t{1} << 20},
      {"GiB", uint64_t{1} << 30}};
  uint64_t number = 0;
  const char *end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (rest != text.data() && failure != std::errc::invalid_argument) {
    for (const auto &[unit, bytes] : kUnits) {
      if (std::string_view(rest, static_cast<size_t>(end - rest)) != unit) {
        continue;
      }
      const std::optional<uint64_t> size = checkedMul(number, bytes);
      if (failure == std::errc::result_out_of_range || !size ||
          *size > INT64_MAX) {
        return usageError("'" + oneLine(text) +
                          "' is too large; a size is at most 2^63 - 1 bytes");
      }
      return *size;
    }
  }
  return usageError("'" + oneLine(text) +
                    "' is not a size; give a whole number of bytes, or one "
                    "with KiB, MiB or GiB, such as 3GiB");
}

Result<std::optional<uint64_t>> byteSizeOf(const Invocation &invocation,
                                           const std::string &option) {
  const std::optional<std::string> text = invocation.text(option);
  if (!text) {
    return std::optional<uint64_t>();
  }
  Result<uint64_t> size = parseByteSize(*text);
  if (!size) {
    return size.status().withContext(option);
  }
  return std::optional(*size);
}

Result<std::optional<uint64_t>> ramOf(const Invocation &invocation) {
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       byteSizeOf(invocation, "--ram"));
  if (ram == uint64_t{0}) {
    return usageError(
        "--ram: nothing runs without RAM; give a size above 0, or "
        "leave the option out to use the memory of the machine");
  }
  return ram;
}

} // namespace air::cli
