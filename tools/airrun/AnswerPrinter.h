//===- AnswerPrinter.h - an answer as it appears ----------------*- C++ -*-===//
//
// Writes an answer to standard output, piece by piece. On a terminal, what the
// model thinks before it answers, from <think> to </think>, is dimmed; in a
// file or a pipe it is text like any other.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H
#define AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H

#include "formats/support/Status.h"

#include <functional>
#include <string>
#include <string_view>

namespace air {

class AnswerPrinter {
public:
  using Write = std::function<Status(std::string_view)>;

  /// `dims` says whether reasoning is dimmed, `isThinking` whether the answer
  /// begins within it, because the prompt ends with <think>.
  AnswerPrinter(Write output, bool dims, bool isThinking);

  /// Takes the next part of the answer, which may be empty.
  Status add(std::string_view text);
  /// Writes the rest, and a newline unless the answer ends with one.
  Status finish();

private:
  enum class State : uint8_t {
    Start,    ///< only white space and a part of <think> so far
    Thinking, ///< after <think>
    Answer,   ///< after that, where the marks are plain text
  };

  Status emit(std::string_view text);

  Write write;
  bool dims;
  State state;
  std::string held; ///< text that may be the beginning of <think>
  bool isDimmed = false;
  bool endsLine = true;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H
