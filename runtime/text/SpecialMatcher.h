//===- SpecialMatcher.h - finds special tokens in text ----------*- C++ -*-===//
//
// Control and user-defined tokens are found by their text, before the rest of a
// text is encoded. The leftmost match is used; if several matches begin there,
// the longest is used. The sorted list of tokens is narrowed down byte by
// byte, so the cost at a position is proportional to the length of the match
// times the logarithm of the number of tokens.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
#define AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H

#include "runtime/exec/FunctionRef.h"

#include <array>
#include <cstdint>
#include <span>
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
    size_t length; ///< 0 if nothing matches; `start` is then the text's size
    int32_t id;
  };

  SpecialMatcher() = default;
  /// Tokens without text are left out. If several tokens have the same text,
  /// the one with the lowest id is used.
  explicit SpecialMatcher(std::vector<Token> all);

  /// The next match at or after `from`.
  Match find(std::string_view text, size_t from) const;

  using PartSink = FunctionRef<void(std::string_view part, bool isFirst)>;
  using TokenSink = FunctionRef<void(int32_t id)>;
  /// Divides `text` into tokens and the nonempty parts between them, and passes
  /// these to the sinks in order. `flags` has the match_flags of each id, or is
  /// empty. If the flags exclude a match, the search goes on after its end, as
  /// in Hugging Face's tokenizers library.
  void divide(std::string_view text, std::span<const uint8_t> flags,
              PartSink onPart, TokenSink onToken) const;

  /// Returns the next match at or after a position, as find() does.
  using Finder = FunctionRef<Match(size_t from)>;
  /// Like the other divide(), but uses the matches that `find` returns.
  static void divide(std::string_view text, std::span<const uint8_t> flags,
                     Finder find, PartSink onPart, TokenSink onToken);

private:
  Match matchAt(std::string_view text, size_t start) const;

  std::vector<Token> tokens; ///< sorted by text
  std::array<bool, 256> starts{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
