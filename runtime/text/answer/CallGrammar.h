//===- CallGrammar.h - a grammar of valid tool calls ------------*- C++ -*-===//
//
// Makes a grammar of the calls that a model may write in the notation of its
// family. Each call that the grammar allows names one of the tools, and has the
// arguments that the tool requires. docs/answers.md says to what extent the
// schemas restrict the values.
//
// The delimiters of a notation are control tokens if the vocabulary has such
// tokens, and otherwise text.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_CALLGRAMMAR_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_CALLGRAMMAR_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/answer/ToolSchemas.h"
#include "runtime/text/grammar/LazyGrammar.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace air::rt {

/// The tool_choice option of OpenAI's chat completions.
struct ToolChoice {
  enum Kind : uint8_t {
    Auto,     ///< the model decides whether it calls tools
    None,     ///< the model calls no tools
    Required, ///< one or more calls; only reasoning may precede them
  };

  Kind kind = Auto;
  std::string name; ///< the only tool that may be called; "" for any

  bool operator==(const ToolChoice &) const = default;
};

/// Reads "auto", "none", "required", or the name of a tool. A name means that
/// the model must call this tool and may call no other. Fails with Usage if
/// `text` is none of these, or is one of the three words and also the name of a
/// tool.
Result<ToolChoice> parseToolChoice(const std::string &text,
                                   const ToolSchemas &tools);

struct CallGrammar {
  std::shared_ptr<const Grammar> grammar;
  /// What begins a call. If it is empty, the grammar applies from the beginning
  /// of the answer.
  GrammarTriggers triggers;
  /// Sentences for the user. Each says of one tool that its schema is not
  /// enforced, that the model cannot call it, or that calls cannot contain some
  /// of its arguments.
  std::vector<std::string> notes;
};

/// The grammar of an answer, which may begin with reasoning. `controls` are the
/// control tokens of markTokens() and their texts, ascending. `open` is the
/// reasoning that the prompt has begun; null if there is none. Errors: Corrupt
/// if the parameters of a tool are not a JSON schema that allows an object;
/// Unsupported if the grammar is too large, or if calls are allowed, but none
/// of the tools can be called in the family's notation.
Result<CallGrammar>
callGrammar(const AnswerSyntax &syntax, const ToolSchemas &tools,
            const ToolChoice &choice,
            std::vector<std::pair<int32_t, std::string>> controls,
            const ReasoningMarks *open);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_CALLGRAMMAR_H
