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
      // The header of a message may have more words after the channel, such as
      // the type of the text.
      triggers.preludeMark = "<|channel|>final";
      triggers.preludeEnds = {"<|message|>"};
      // Messages in all other channels are refused, because their text would be
      // part of the answer although the grammar does not restrict it.
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
