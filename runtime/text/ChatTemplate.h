//===- ChatTemplate.h - a conversation as text ------------------*- C++ -*-===//
//
// Chooses a model's chat template, and gives it the variables that
// apply_chat_template of Hugging Face's transformers gives
// (https://huggingface.co/docs/transformers/chat_templating).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_CHATTEMPLATE_H
#define AIRPACK_RUNTIME_TEXT_CHATTEMPLATE_H

#include "formats/model/TokenizerData.h"
#include "formats/text/jinja/Template.h"

#include <optional>
#include <string_view>

namespace air::rt {

/// What a chat template renders. All strings in it should be tainted, which
/// means marked as data that cannot become control tokens (jinja::fromJson).
struct Conversation {
  jinja::Value messages;             ///< a list of dictionaries
  std::optional<jinja::Value> tools; ///< a list of dictionaries
  /// A dictionary of further variables, such as "enable_thinking".
  std::optional<jinja::Value> variables;
  /// Whether to add the text that introduces the model's answer.
  bool addGenerationPrompt = true;
};

/// A chat template of a model. Its members refer to the TokenizerData, which
/// must outlive it.
struct ChosenTemplate {
  std::string_view source; ///< "" if the model has no template
  /// Null if `source` must be parsed.
  const jinja::ProgramCode *program = nullptr;
};

/// Returns the template named "tool_use" if there are tools and the model has
/// this template. Otherwise returns the model's unnamed template or, if there
/// is none, the one named "default". If the model has none of these, the
/// `source` of the result is empty.
ChosenTemplate chooseTemplate(const TokenizerData &data, bool hasTools);

/// Makes a template from chosen.program or, if that is null, from
/// chosen.source, which is then parsed. Errors: those of
/// jinja::Template::load() and parse().
Result<jinja::Template> makeTemplate(const ChosenTemplate &chosen);

/// Returns the variables of a template: Conversation::variables, messages,
/// tools, documents (none by default) and add_generation_prompt, and also
/// bos_token, eos_token, unk_token and pad_token if the vocabulary has these
/// tokens. Some templates build control tokens from the role of a message, so
/// well-known roles, such as "user", are not tainted. Templates look for the
/// reasoning of a message under the key reasoning_content or the key thinking.
/// A message may have its reasoning under reasoning_content, thinking or
/// reasoning. The first of these keys whose value is not none counts: its value
/// is copied to reasoning_content and, unless the message already has the key
/// thinking, to thinking. Fails with Usage if Conversation::variables has
/// messages, tools or add_generation_prompt.
Result<jinja::Value> templateVariables(const TokenizerData &data,
                                       const Conversation &conversation);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_CHATTEMPLATE_H
