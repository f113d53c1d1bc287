//===- SpecialMatcher.h - finds special tokens in text ----------*- C++ -*-===//
//
// Control and user-defined tokens are found by their text, before the rest of a
// text is encoded. The leftmost match is used; if several matches begin there,
// the longest is used.
//
// The tokens, spelled backwards, are in an Aho-Corasick automaton (Aho and
// Corasick 1975), which reads the text from its end to its beginning. At each
// position, its state tells which is the longest token that begins there. The
// time is proportional to the length of the text, whatever the tokens are. (An
// automaton that reads forwards knows where tokens end. To find the longest
// one, it reads on after a match, and then again from the end of the match, so
// the tokens "a" and "aa...ab" would take quadratic time.)
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
#define AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H

#include "runtime/exec/FunctionRef.h"
#include "runtime/text/ByteTrie.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// Immutable once made; any number of threads may search texts. Takes some 20
/// bytes of memory for each byte of the tokens, and twice as much while it is
/// made.
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
  static constexpr int32_t kNoToken = -1;

  SpecialMatcher() = default;
  /// Tokens without text are left out. If several tokens have the same text,
  /// the one with the lowest id is used.
  explicit SpecialMatcher(std::vector<Token> all);

  /// Returns the token with exactly this text, or kNoToken.
  int32_t idOf(std::string_view text) const;

  /// Finds the matches of a text one after the other. Matcher and text must
  /// outlive the search.
  class Search {
  public:
    Search(const SpecialMatcher &used, std::string_view searched)
        : matcher(&used), text(searched) {}
    /// Returns the next match at or after `from`, which must not decrease.
    Match find(size_t from);

  private:
    struct Found {
      size_t start;
      uint32_t token; ///< an index of `tokens`
    };
    void read(size_t begin);

    const SpecialMatcher *matcher;
    std::string_view text;
    size_t done = 0; ///< the text before this position has been read
    /// The longest match at each position that has been read and was not yet
    /// passed. The leftmost match is the last element.
    std::vector<Found> found;
  };

  using PartSink = FunctionRef<void(std::string_view part, bool isFirst)>;
  using TokenSink = FunctionRef<void(int32_t id)>;
  /// Divides `text` into tokens and the nonempty parts between them, and passes
  /// these to the sinks in order. `flags` has the match_flags of each id, or is
  /// empty. If the flags exclude a match, the search goes on after its end, as
  /// in Hugging Face's tokenizers library.
  void divide(std::string_view text, std::span<const uint8_t> flags,
              PartSink onPart, TokenSink onToken) const;

  /// Returns the next match at or after a position, as Search::find() does.
  using Finder = FunctionRef<Match(size_t from)>;
  /// Like the other divide(), but uses the matches that `find` returns.
  static void divide(std::string_view text, std::span<const uint8_t> flags,
                     Finder find, PartSink onPart, TokenSink onToken);

private:
  /// A token without its text.
  struct Known {
    size_t length;
    int32_t id;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t next(uint32_t state, char byte) const;

  std::vector<Known> tokens; ///< ordered by id
  size_t longest = 0;        ///< bytes of the longest token
  ByteTrie backwards;        ///< the reversed texts, by index of `tokens`
  /// For each node of `backwards`, the node of the longest proper suffix of its
  /// text that has a node, or the root if there is none.
  std::vector<uint32_t> shorter;
  /// For each node, the longest token with which its text ends, as an index of
  /// `tokens`, or kNone.
  std::vector<uint32_t> tokenAt;
  /// For each byte, whether a token ends with it.
  std::array<bool, 256> lastBytes{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SPECIALMATCHER_H
