//===- TurnEndTest.cpp - the tokens with which templates end turns --------===//
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

TEST(TurnEndTest, AControlTokenBehindTheAnswer) {
  EXPECT_EQ(endOf(turns("{{ m.role }}: {{ m.content }}<sep>")), "<sep>");
  EXPECT_EQ(endOf(turns("{{ m.content }}\n<sep>!")), "<sep>!");
  // The next message may begin with it.
  EXPECT_EQ(endOf(turns("<sep>{{ m.content }}")), "<sep>");
}

TEST(TurnEndTest, NothingElseEndsATurn) {
  EXPECT_EQ(endOf(turns("{{ m.content }}")), "");
  EXPECT_EQ(endOf(turns("{{ m.content }}.<sep>")), "");
  EXPECT_EQ(endOf("{{ messages[0].content }}<sep>"), "");
  EXPECT_EQ(endOf("{{ raise_exception('no') }}"), "");
  // A known piece is no end if the vocabulary gives it another meaning.
  EXPECT_EQ(endOf(turns("{{ m.content }}<|end|>")), "");
  // A mark of the answer is no end.
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
