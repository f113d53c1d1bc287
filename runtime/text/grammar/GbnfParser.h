//===- GbnfParser.h - grammars in llama.cpp's GBNF --------------*- C++ -*-===//
//
// The dialect of grammars/README.md of llama.cpp in October 2026:
//   name ::= X            a rule; names consist of letters, digits and -
//   X Y   X | Y           X, then Y; X or Y
//   ( X )                 a group; a line may end in it and after ::= and |
//   X* X+ X? X{m} X{m,} X{m,n}
//   "text"                the characters of a text
//   [a-z_]  [^"\\]  .     one character in a set, one not in a set, or any
//   <[42]>  <think>       the token with this id, or with this text
//   !<[42]> !<think>      any token except this one
//   # ...                 a comment
// Escapes in texts and sets: \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH.
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
