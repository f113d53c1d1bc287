//===- TurnEndTest.cpp - the tokens that a template implies ---------------===//
#include "../Vocabularies.h"

#include "runtime/text/answer/TurnEnd.h"

using namespace air;
using namespace air::rt;

namespace {

/// The text of the token with which the template ends a turn; "" if there is
/// none.
std::string endOf(const std::string &source) {
  TokenizerData data = smallBpe({});
  for (const char *piece :
       {"<sep>", "<sep>!", "<|end|>", "<|START_RESPONSE|>"}) {
    appendToken(data, piece, TokenType::Control);
  }
  const Tokenizer tokenizer = tokenizerOf(data);
  Result<jinja::Template> parsed = jinja::Template::parse(source);
  EXPECT_TRUE(parsed.isOk()) << source;
  const std::optional<int32_t> end =
      turnEnd(*parsed, data, tokenizer, syntaxOf(source), {2024, 7, 26});
  return end ? std::string(tokenizer.piece(*end, true)) : "";
}

std::string turns(const std::string &body) {
  return "{% for m in messages %}" + body + "{% endfor %}";
}

TEST(MarkTokensTest, ControlTokensThatOccurInMarks) {
  TokenizerData data = smallBpe({});
  for (const char *piece : {"<|eot_id|>", "<|python_tag|>", "[THINK]", "<s>"}) {
    appendToken(data, piece, TokenType::Control);
  }
  const Tokenizer tokenizer = tokenizerOf(data);
  AnswerSyntax syntax =
      syntaxOf("<|start_header_id|>\"parameters\"[/THINK]<|eot_id|>");
  EXPECT_STREQ(syntax.family->name, "llama-3");
  const int32_t think = tokenizer.specialToken("[THINK]");
  EXPECT_EQ(
      markTokens(syntax, tokenizer),
      (std::vector<int32_t>{tokenizer.specialToken("<|python_tag|>"), think}));
  syntax.hasTools = false;
  EXPECT_EQ(markTokens(syntax, tokenizer), std::vector<int32_t>{think});
}

TEST(TurnEndTest, AControlTokenBehindTheAnswer) {
  EXPECT_EQ(endOf(turns("{{ m.role }}: {{ m.content }}<sep>")), "<sep>");
  EXPECT_EQ(endOf(turns("{{ m.content }}\n<sep>!")), "<sep>!");
  // Instead of ending each message with this token, the template may begin each
  // message with it.
  EXPECT_EQ(endOf(turns("<sep>{{ m.content }}")), "<sep>");
}

TEST(TurnEndTest, NothingElseEndsATurn) {
  EXPECT_EQ(endOf(turns("{{ m.content }}")), "");
  EXPECT_EQ(endOf(turns("{{ m.content }}.<sep>")), "");
  EXPECT_EQ(endOf("{{ messages[0].content }}<sep>"), "");
  EXPECT_EQ(endOf("{{ raise_exception('no') }}"), "");
  // turnEnd() returns none of the pieces in KnownPieces.h, such as <|end|>.
  // markEndPieces() decides whether such a piece ends generation.
  EXPECT_EQ(endOf(turns("{{ m.content }}<|end|>")), "");
  // A marker of the notation of answers, here the one that begins the response,
  // does not end a turn.
  EXPECT_EQ(
      endOf(turns("{{ m.content }}<|START_RESPONSE|>") + "<|START_ACTION|>"),
      "");
}

TEST(TurnEndTest, ATokenWithinAnAnswerDoesNotEndIt) {
  EXPECT_EQ(endOf(turns("{% if m.reasoning_content %}{{ m.reasoning_content }}"
                        "<sep>{% endif %}{{ m.content }}<sep>")),
            "");
  EXPECT_EQ(endOf(turns("{{ m.content }}<sep>{% for c in m.tool_calls or [] %}"
                        "{{ c.function.name }}{% endfor %}")),
            "");
  EXPECT_EQ(endOf(turns("{{ m.content }}{% for c in m.tool_calls or [] %}"
                        "{{ c.function.name }}{% endfor %}<sep>")),
            "<sep>");
}

} // namespace
