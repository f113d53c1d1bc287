//===- TurnEnd.h - the token with which a template ends a turn --*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_TURNEND_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_TURNEND_H

#include "formats/text/jinja/Template.h"
#include "runtime/text/Tokenizer.h"
#include "runtime/text/answer/AnswerSyntax.h"

#include <optional>

namespace air::rt {

/// The control token that the template writes after an answer, found by
/// rendering an answer that another message follows. A model that was trained
/// with the template ends its answers with this token, even if the model's file
/// does not list it among the tokens that end generation. Returns nothing if
/// the template refuses the conversation, or writes no control token after the
/// answer. Also returns nothing if the token is a delimiter of the answer
/// syntax or is known to end turns anyway (isKnownEndPiece()), or if the
/// template also writes it within an answer, after the reasoning or before the
/// tool calls.
std::optional<int32_t> turnEnd(const jinja::Template &chatTemplate,
                               const TokenizerData &vocabulary,
                               const Tokenizer &tokenizer,
                               const AnswerSyntax &syntax,
                               const jinja::Date &date);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_TURNEND_H
