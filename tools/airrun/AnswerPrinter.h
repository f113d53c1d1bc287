//===- AnswerPrinter.h - an answer as it appears ----------------*- C++ -*-===//
//
// Writes an answer, event by event. The reasoning of the model is dimmed or
// stands between <think> and </think>, whatever the model's own delimiters are.
// It is dimmed on a terminal unless NO_COLOR is set. A tool call is written as
// <tool_call>{"name": ..., "arguments": ...}</tool_call>.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H
#define AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H

#include "formats/support/Status.h"
#include "runtime/text/answer/AnswerParser.h"

#include <functional>
#include <span>
#include <string_view>

namespace air {

class AnswerPrinter {
public:
  using Write = std::function<Status(std::string_view)>;

  /// `dims` says whether reasoning is printed in dim text instead of between
  /// <think> and </think>.
  AnswerPrinter(Write output, bool dims);

  Status add(std::span<const rt::AnswerEvent> events);
  /// Ends the answer. Writes a newline unless the text so far is empty or ends
  /// with one. If the answer ends within the reasoning, dim text is switched
  /// off, but </think> is not written.
  Status finish();

private:
  Status add(const rt::AnswerEvent &event);
  Status put(std::string_view text);
  Status endLine();
  Status beginReasoning();
  Status endReasoning();

  Write write;
  bool dims;
  bool isReasoning = false;
  bool endsLine = true;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_ANSWERPRINTER_H
