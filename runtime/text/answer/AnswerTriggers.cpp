//===- AnswerTriggers.cpp - where the grammar of an answer begins ---------===//
#include "runtime/text/answer/AnswerTriggers.h"

#include <string>
#include <utility>

namespace air::rt {

GrammarTriggers answerTriggers(const AnswerSyntax &syntax,
                               GrammarTriggers triggers,
                               const ReasoningMarks *open) {
  const bool hasTriggers = !triggers.empty();
  if (syntax.family->hasChannels) {
    if (hasTriggers) {
      triggers.spans.push_back({"analysis<|message|>",
                                {"<|end|>", "<|start|>", "<|channel|>"},
                                true});
    } else {
      // In the header of a message, other words, such as the type of the text,
      // may come between the channel and <|message|>. The two are therefore
      // searched for separately.
      triggers.preludeMark = "<|channel|>final";
      triggers.preludeEnds = {"<|message|>"};
      // Messages in channels other than analysis and final are refused, because
      // their text would be a part of the answer although the grammar does not
      // restrict it.
      triggers.branchMark = "<|channel|>";
      triggers.branches = {"analysis", "final"};
    }
    return triggers;
  }
  if (!hasTriggers) {
    if (open != nullptr) {
      triggers.preludeEnds = {std::string(open->end)};
    }
    return triggers;
  }
  for (const ReasoningMarks &marks : syntax.reasoning) {
    if (open != nullptr && marks.begin == open->begin) {
      triggers.open = triggers.spans.size();
    }
    triggers.spans.push_back(
        {std::string(marks.begin), {std::string(marks.end)}, marks.isAnywhere});
  }
  return triggers;
}

} // namespace air::rt
