//===- ProgramCode.h - a parsed template as numbers and texts ---*- C++ -*-===//
//
// A plan contains the programs of its chat templates in this form, so that
// airrun runs them without parsing. docs/plan-format.md lists the words of each
// statement and each expression.
//
// A program is a tree, so it has neither cycles nor shared parts. Its words are
// in preorder, and every count precedes the elements that it counts. A reader
// can therefore check a program in one pass from the first word to the last.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PROGRAMCODE_H
#define AIRPACK_FORMATS_TEXT_JINJA_PROGRAMCODE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace air::jinja {

struct ProgramCode {
  /// Empty if there is no program. The program of an empty template has one
  /// word.
  std::vector<uint32_t> words;
  /// Names and constants, in UTF-8. Words refer to them by their indices.
  std::vector<std::string> texts;
  bool operator==(const ProgramCode &) const = default;
};

/// The largest number of words of a program. The programs of published models'
/// templates have fewer than 20,000 words. A reader needs up to 130 bytes of
/// memory for each word, so this limit and kMaxCopiedBytes bound the memory
/// that a damaged file can make a reader allocate.
inline constexpr size_t kMaxProgramWords = size_t{1} << 18;
/// The largest sum of the sizes, in bytes, of the texts that a program uses. A
/// text counts once for each use.
inline constexpr uint64_t kMaxCopiedBytes = uint64_t{16} << 20;

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PROGRAMCODE_H
