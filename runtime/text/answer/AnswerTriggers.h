//===- AnswerTriggers.h - where the grammar of an answer begins -*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/grammar/LazyGrammar.h"

namespace air::rt {

/// Adds to `triggers` what the notation of answers implies. Triggers do not
/// count within reasoning. If there are none, the grammar applies to the text
/// that follows the reasoning which the prompt has begun, or to the message of
/// the final channel; there is then no message in another channel than analysis
/// and final, as its text would be part of the answer. With triggers, the text
/// before a trigger is free in every channel. `open` is the reasoning that the
/// prompt has begun, one of `syntax.reasoning`; null if there is none.
GrammarTriggers answerTriggers(const AnswerSyntax &syntax,
                               GrammarTriggers triggers,
                               const ReasoningMarks *open);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
