//===- GbnfParser.h - grammars in llama.cpp's GBNF --------------*- C++ -*-===//
//
// The dialect of grammars/README.md of llama.cpp in October 2026:
//   name ::= X            a rule; names consist of letters, digits and -
//   X Y                   X, then Y
//   X | Y                 X or Y
//   ( X )                 a group
//   X?  X*  X+            X at most once, any number of times, at least once
//   X{m}  X{m,}  X{m,n}   X m times, at least m times, m to n times
//   "text"                the characters of a text
//   [a-z_]                one character that is in the set
//   [^"\\]                one character that is not in the set
//   .                     any character
//   <[42]>                the token with the id 42
//   <think>               the token with the text <think>
//   !<[42]>  !<think>     any token except this one
//   # ...                 a comment, up to the end of the line
// Escapes in texts and sets: \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH.
// A rule ends at the end of its line, but it may continue on the next line
// within a group, after ::= and after |.
//
// The text must match the rule `root`. A rule must not be left-recursive. The
// dialect limits m, the smallest number of repetitions, to 2000.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_GBNFPARSER_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_GBNFPARSER_H

#include "formats/support/Status.h"
#include "runtime/text/grammar/Grammar.h"

#include <functional>
#include <memory>
#include <string_view>

namespace air::rt {

/// The vocabulary to which the tokens in a grammar belong.
struct GbnfVocabulary {
  int32_t size = 0;
  /// The id of the token with a text, or -1 if the text is not one token.
  std::function<int32_t(std::string_view)> find;
};

/// Errors: Corrupt, with line and column; Unsupported if the grammar is too
/// large. A grammar that names tokens is refused if `vocabulary` is null.
Result<std::shared_ptr<const Grammar>>
parseGbnf(std::string_view text, const GbnfVocabulary *vocabulary = nullptr);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_GBNFPARSER_H
