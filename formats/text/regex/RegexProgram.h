//===- RegexProgram.h - a compiled regular expression -----------*- C++ -*-===//
//
// A program is a graph of instructions. The matcher follows it through the
// text, and where an instruction has two successors, it returns to the second
// one if the first one leads to no match.
//
// Characters are classified once, when the program is compiled: two characters
// are in the same class if every set of the expression contains both or
// neither. The program's sets are sets of these classes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_REGEX_REGEXPROGRAM_H
#define AIRPACK_FORMATS_TEXT_REGEX_REGEXPROGRAM_H

#include "formats/text/regex/RegexSyntax.h"

#include <array>
#include <bitset>

namespace air {

/// A set of classes of characters, to which instructions refer by its index in
/// RegexProgram::rows. byClass[c] is 1 if class c is in it, and byAscii[c] is 1
/// if the class of the ASCII character c is in it.
struct RegexRow {
  std::array<uint8_t, 256> byClass{};
  std::array<uint8_t, 128> byAscii{};
};

/// The members `row`, `nextRow` and `otherRow` are indices into
/// RegexProgram::rows. The comments below use the same names for these rows.
struct RegexInstruction {
  enum Op : uint8_t {
    Accept,     ///< the end of the expression, or of a look-ahead
    Characters, ///< `count` characters of the set `row`, then `next`
    /// Takes characters up to the first one that is not in the set `row`, then
    /// continues at `next`. If `next` fails, the matcher does not try fewer
    /// characters.
    Run,
    /// Takes any number of characters of the set `row`, then continues at
    /// `next`. The matcher tries larger numbers before smaller ones. `nextRow`
    /// contains the classes with which a match of `next` may begin.
    Loop,
    /// Tries `next` and, if that fails, `other`. `nextRow` contains the classes
    /// with which a match of `next` may begin, and `otherRow` those with which
    /// a match of `other` may begin.
    Split,
    /// Continues at `next` if a character of the set `row` follows or, if
    /// `negated`, if none follows.
    LookSet,
    /// Continues at `next` if `other` matches here or, if `negated`, if it does
    /// not match.
    Look,
    Assertion, ///< continues at `next` if `assertion` holds here
  };
  /// The `memo` of an instruction for which nothing is remembered.
  static constexpr uint32_t kNoMemo = UINT32_MAX;

  Op op = Accept;
  RegexAssertion assertion = RegexAssertion::WordEdge;
  bool negated = false;
  /// Split: `next` certainly matches if the class of the next character is in
  /// `nextRow`.
  bool nextIsSure = false;
  /// Split: one of its successors leads back to it.
  bool isLoop = false;
  uint32_t row = 0;
  uint32_t nextRow = 0;
  uint32_t otherRow = 0;
  uint32_t next = 0;
  uint32_t other = 0;
  uint32_t count = 0;
  /// The matcher remembers positions in numbered sets. Set `memo` contains the
  /// positions at which this instruction is known to fail. In a look-ahead,
  /// set memo + 1 contains those at which it is known to succeed.
  uint32_t memo = kNoMemo;
};

struct RegexProgram {
  /// The largest number of instructions. In the worst case, the matcher runs
  /// each of them once for every position of the text, so this limits the time
  /// per character.
  static constexpr uint32_t kMostInstructions = 20000;
  /// The largest number of sets of positions (see RegexInstruction::memo). For
  /// a block of 4096 bytes of text, the matcher takes 512 bytes of memory for
  /// each set, so at most 512 KiB.
  static constexpr uint32_t kMostMemos = 1024;
  /// The class of the end of the text. It is in no set of the expression.
  static constexpr uint8_t kEndClass = 255;

  std::vector<RegexInstruction> code;
  std::vector<RegexRow> rows;
  /// The entry of `start` for a class with which no match begins.
  static constexpr uint32_t kNowhere = UINT32_MAX;
  /// For each class of the next character, the instruction at which the matcher
  /// starts. Splits that the class decides are skipped.
  std::array<uint32_t, 256> start{};
  uint32_t wordRow = 0; ///< index of the row with the word characters
  uint32_t memos = 0;
  /// The memos of instructions that are not in a look-ahead.
  std::vector<uint32_t> mainMemos;
  /// The class of code point c is classes[pages[c / 128] * 128 + c % 128].
  std::vector<uint16_t> pages;
  std::vector<uint8_t> classes;

  uint8_t classOf(uint32_t codePoint) const {
    return classes[size_t{pages[codePoint >> 7]} * 128 + (codePoint & 127)];
  }
};

/// Errors: Unsupported if the expression has too many instructions, classes,
/// rows or sets of positions, or repeats, without a limit, something that may
/// match the empty text.
Result<RegexProgram> compileRegex(const RegexSyntax &syntax);

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_REGEX_REGEXPROGRAM_H
