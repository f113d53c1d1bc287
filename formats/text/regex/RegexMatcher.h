//===- RegexMatcher.h - finds matches in linear time ------------*- C++ -*-===//
//
// The matcher tries the alternatives of an expression in order. When one fails,
// it goes back and tries the next one. The time is linear in the length of the
// text because the matcher remembers at which positions instructions have
// failed, except for those that cannot fail often (RegexCheck.cpp). This is
// possible because there are no back-references: whether an instruction fails
// depends only on the position. It does not depend on the position at which the
// match began, so the failures that are remembered also save time when a match
// is tried from a later position.
//
// Memory: for each set of positions (RegexInstruction::memo), 512 bytes per
// block of 4096 bytes of text. Only the blocks from the start of the current
// match to the farthest position that was reached take memory; those before the
// start are forgotten. Matches in ordinary text are short, so a few kilobytes
// suffice. In addition, an index takes 8 bytes for each block of the text.
//
// Thread-safety: a matcher is used by one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXMATCHER_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXMATCHER_H

#include "formats/text/regex/Regex.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace air {

struct RegexRow;
struct RegexInstruction;
enum class RegexAssertion : uint8_t;

/// The bytes from `start` to `end` (exclusive) of a text.
struct RegexMatch {
  size_t start;
  size_t end;
};

class RegexMatcher {
public:
  /// Shares the program of `regex`, which need not outlive the matcher.
  explicit RegexMatcher(const Regex &regex);

  /// Sets a new text, which must be well-formed UTF-8 and must exist as long as
  /// the matcher uses it. The window becomes the whole text.
  void setText(std::string_view text);
  /// Limits the matches to the bytes from `begin` to `end`, as if these were
  /// the whole text. A window must not begin before the end of the previous
  /// one.
  void setWindow(size_t begin, size_t end);
  /// Finds the first match that starts at `from` or later. Within a window,
  /// `from` must not decrease, nor lie before the end of an earlier match.
  /// Returns false if there is no match.
  bool find(size_t from, RegexMatch &match);

  /// Returns true if a match may begin with the ASCII character `c`. If the
  /// expression can match the empty text at the end of the text, returns true
  /// for every `c`.
  bool mayBeginWith(char c) const {
    return begins[static_cast<uint8_t>(c) & 127];
  }

  /// Returns true if a match may begin with the ASCII character `c` when the
  /// character `next` comes after it. `next` is an ASCII character, or kEnd for
  /// the end of the text. A call takes about as long as a match, so callers
  /// should keep the result.
  bool mayBeginWith(char c, int next) const;
  static constexpr int kEnd = -1;

  /// The number of steps that the matcher has taken. Its running time is
  /// proportional to this number.
  uint64_t steps() const { return stepsTaken; }

private:
  /// An alternative to try if the current one fails.
  struct Pending {
    uint32_t pc;
    size_t position;
    size_t lowest; ///< for a Loop: the position at which it began
    size_t trail;  ///< size of RegexMatcher::trail when this was added
  };
  /// The positions from `first` to `last`, which a look-ahead has marked in set
  /// `memo`. If the look-ahead succeeds, they are also marked in set memo + 1.
  struct Step {
    uint32_t memo;
    size_t first;
    size_t last;
  };
  struct Character {
    uint8_t cls;
    uint8_t length;
  };

  Character at(size_t position) const;
  size_t before(size_t position, size_t lowest) const;
  bool isWordAt(size_t position) const;
  bool isWordEdge(size_t position) const;
  bool holds(RegexAssertion assertion, size_t position) const;
  size_t skip(const RegexRow &row, size_t position) const;
  bool run(uint32_t pc, size_t position, bool inLook, size_t &end);
  bool repeat(uint32_t pc, const RegexInstruction &in, size_t &position,
              bool inLook, bool &isKnown);
  /// Whether set `memo` (see RegexInstruction::memo) contains `position`.
  bool marked(uint32_t memo, size_t position) const;
  void mark(uint32_t memo, size_t position);
  void unmark(uint32_t memo, size_t position);
  void releasePagesBefore(size_t position);
  bool fails(uint32_t memo, size_t position, bool inLook, bool &succeeds);

  static constexpr size_t kPagePositions = 4096;

  Regex regex;
  const RegexProgram *program;
  const uint8_t *asciiClasses;
  std::array<bool, 128> begins{}; ///< results of mayBeginWith(c)
  std::string_view text;
  size_t windowBegin = 0;
  size_t windowEnd = 0;
  std::vector<Pending> pending;
  std::vector<Step> trail;
  /// For each block of kPagePositions positions: the bits of its page, or null
  /// if no position of the block is marked.
  std::vector<uint64_t *> pageOf;
  /// All pages. Each has memory of its own, so that a page can be added without
  /// copying the others, which would take twice the memory for a moment.
  std::vector<std::unique_ptr<uint64_t[]>> pages;
  std::vector<uint64_t *> freePages; ///< pages without a mark
  size_t firstPage = 0;              ///< no earlier entry of pageOf has a page
  size_t lastPage = 0; ///< no entry of pageOf from here on has a page
  uint64_t stepsTaken = 0;
};

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXMATCHER_H
