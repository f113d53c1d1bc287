//===- AnswerTriggers.h - where the grammar of an answer begins -*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/grammar/LazyGrammar.h"

namespace air::rt {

/// Adds to `triggers` what the notation of answers implies. Triggers do not
/// count within reasoning. If `triggers` is empty, the grammar applies to the
/// whole answer after the reasoning that the prompt has begun. In a notation
/// with channels, it then applies to the message of the final channel, and no
/// message of the commentary channel is allowed, because its text would be a
/// part of the answer. `open` is the reasoning that the prompt has begun, one
/// of `syntax.reasoning`; null if it has begun none.
GrammarTriggers answerTriggers(const AnswerSyntax &syntax,
                               GrammarTriggers triggers,
                               const ReasoningMarks *open);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
