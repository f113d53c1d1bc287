//===- AnswerTriggers.h - where the grammar of an answer begins -*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/grammar/LazyGrammar.h"

namespace air::rt {

/// Completes `triggers` for the notation of answers. If it contains triggers,
/// they do not count within reasoning, and the text before a trigger is free in
/// every channel. If it is empty, the grammar applies to the whole answer after
/// the reasoning that the prompt has begun or, in a notation with channels, to
/// the message of the final channel. In that notation, an empty `triggers` also
/// refuses messages of channels other than analysis and final, because their
/// text would be a part of the answer. `open` is the reasoning that the prompt
/// has begun, one of `syntax.reasoning`; null if it has begun none.
GrammarTriggers answerTriggers(const AnswerSyntax &syntax,
                               GrammarTriggers triggers,
                               const ReasoningMarks *open);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERTRIGGERS_H
