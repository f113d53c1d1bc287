//===- TurnEnd.cpp - the token with which a template ends a turn ----------===//
#include "runtime/text/answer/TurnEnd.h"

#include "formats/model/KnownPieces.h"
#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <string>

namespace air::rt {
namespace {

// No template contains these texts by itself.
constexpr std::string_view kAnswer = "the answer is 8191";
constexpr std::string_view kReasoning = "the reason is 131071";
constexpr std::string_view kTool = "tool_524287";

/// Renders a user's message, an answer with the further keys `more`, and the
/// further messages `rest`. Returns "" if the template refuses them.
std::string renderedTurn(const jinja::Template &chatTemplate,
                         const TokenizerData &vocabulary,
                         const jinja::Date &date, const std::string &more,
                         const std::string &rest) {
  Result<jinja::Value> messages = jinja::fromJson(
      R"([{"role": "user", "content": "1"},
          {"role": "assistant", "content": ")" +
          std::string(kAnswer) + "\"" + more + "}" + rest + "]",
      true);
  if (!messages) {
    return {};
  }
  Conversation conversation;
  conversation.messages = *std::move(messages);
  conversation.addGenerationPrompt = false;
  Result<jinja::Value> variables = templateVariables(vocabulary, conversation);
  if (!variables) {
    return {};
  }
  Result<jinja::Rendered> rendered = chatTemplate.render(*variables, date);
  return rendered ? rendered->text : std::string();
}

/// Whether the first `text` after the start of `first` comes before `second`.
bool isBetween(const std::string &whole, std::string_view text,
               std::string_view first, std::string_view second) {
  const size_t begin = whole.find(first);
  const size_t end =
      begin == std::string::npos ? begin : whole.find(second, begin);
  return end != std::string::npos && whole.find(text, begin) < end;
}

} // namespace

std::optional<int32_t> turnEnd(const jinja::Template &chatTemplate,
                               const TokenizerData &vocabulary,
                               const Tokenizer &tokenizer,
                               const AnswerSyntax &syntax,
                               const jinja::Date &date) {
  const auto render = [&](const std::string &more, const std::string &rest) {
    return renderedTurn(chatTemplate, vocabulary, date, more, rest);
  };
  const std::string turns = render("", R"(, {"role": "user", "content": "2"})");
  std::string_view rest = turns;
  const size_t at = rest.rfind(kAnswer);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  rest.remove_prefix(at + kAnswer.size());
  rest = trimmed(rest);
  std::optional<int32_t> end;
  std::string_view piece;
  for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
    const std::string_view text = tokenizer.piece(id, true);
    if (text.size() > piece.size() && rest.starts_with(text) &&
        tokenizer.piece(id).empty()) {
      piece = text;
      end = id;
    }
  }
  if (!end || isKnownEndPiece(piece) ||
      std::ranges::binary_search(markTokens(syntax, tokenizer), *end)) {
    return std::nullopt;
  }
  const std::string reason = "\": \"" + std::string(kReasoning) + "\"";
  const std::string thinking =
      render(", \"reasoning_content" + reason + ", \"thinking" + reason, "");
  const std::string calling =
      render(R"(, "tool_calls": [{"type": "function", "id": "123456789",
                 "function": {"name": ")" +
                 std::string(kTool) + R"(", "arguments": {}}}])",
             "");
  if (isBetween(thinking, piece, kReasoning, kAnswer) ||
      isBetween(calling, piece, kAnswer, kTool)) {
    return std::nullopt;
  }
  return end;
}

} // namespace air::rt
