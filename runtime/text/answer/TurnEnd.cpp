//===- TurnEnd.cpp - the token with which a template ends a turn ----------===//
#include "runtime/text/answer/TurnEnd.h"

#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"

#include <algorithm>

namespace air::rt {

std::optional<int32_t> turnEnd(const jinja::Template &chatTemplate,
                               const TokenizerData &vocabulary,
                               const Tokenizer &tokenizer,
                               const AnswerSyntax &syntax,
                               const jinja::Date &date) {
  // No template contains this text by itself.
  constexpr std::string_view kAnswer = "the answer is 8191";
  Conversation conversation;
  Result<jinja::Value> messages = jinja::fromJson(
      R"([{"role": "user", "content": "1"},
          {"role": "assistant", "content": "the answer is 8191"},
          {"role": "user", "content": "2"}])",
      true);
  if (!messages) {
    return std::nullopt;
  }
  conversation.messages = *std::move(messages);
  Result<jinja::Value> variables = templateVariables(vocabulary, conversation);
  if (!variables) {
    return std::nullopt;
  }
  Result<jinja::Rendered> rendered = chatTemplate.render(*variables, date);
  if (!rendered) {
    return std::nullopt;
  }
  std::string_view rest = rendered->text;
  const size_t at = rest.rfind(kAnswer);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  rest.remove_prefix(at + kAnswer.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
  const std::vector<int32_t> marks = markTokens(syntax, tokenizer);
  std::optional<int32_t> end;
  size_t longest = 0;
  for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
    const std::string_view text = tokenizer.piece(id, true);
    if (text.size() > longest && rest.starts_with(text) &&
        tokenizer.piece(id).empty()) {
      longest = text.size();
      end = id;
    }
  }
  return end && std::ranges::binary_search(marks, *end) ? std::nullopt : end;
}

} // namespace air::rt
