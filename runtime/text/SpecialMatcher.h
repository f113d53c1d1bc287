//===- SpecialMatcher.h - tokens that are matched before all ----*- C++ -*-===//
//
// Control and user-defined tokens, found as text: the leftmost place first, the
// longest token there. Sorted strings are narrowed byte by byte, so that the
// cost at one place is the match's length times the logarithm of their number.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
#define AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

class SpecialMatcher {
public:
  struct Token {
    std::string text;
    int32_t id;
  };
  struct Match {
    size_t start;
    size_t length; ///< 0: none, and `start` is the text's size
    int32_t id;
  };

  SpecialMatcher() = default;
  /// Empty texts are left out; of equal ones the lowest id stays.
  explicit SpecialMatcher(std::vector<Token> all);

  /// The next match at or after `from`.
  Match find(std::string_view text, size_t from) const;

private:
  Match matchAt(std::string_view text, size_t start) const;

  std::vector<Token> tokens; ///< sorted by text
  std::array<bool, 256> starts{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
