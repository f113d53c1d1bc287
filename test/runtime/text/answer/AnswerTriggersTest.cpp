//===- AnswerTriggersTest.cpp - where the grammar of an answer begins -----===//
#include "../grammar/GrammarTexts.h"
#include "Answers.h"

#include "runtime/text/answer/AnswerTriggers.h"
#include "runtime/text/grammar/GbnfParser.h"

using namespace air;
using namespace air::rt;

namespace {

/// Whether a LazyGrammar allows the whole answer. Its grammar matches only the
/// text "x=1". Each byte of the answer is a token, and the byte 0 is the token
/// that ends a text.
bool allows(const std::string &family, const std::string &prompt,
            GrammarTriggers triggers, std::string_view answer) {
  const AnswerSyntax syntax = syntaxNamed(family);
  LazyGrammar filter(
      GrammarMatcher(*parseGbnf("root ::= \"x=1\""), byteTrie(), {0}),
      byteTrie(),
      answerTriggers(syntax, std::move(triggers),
                     openReasoning(syntax, prompt, {})));
  for (const char c : std::string(answer) + '\0') {
    const auto id = static_cast<uint8_t>(c);
    if (!filter.allows(id)) {
      return false;
    }
    EXPECT_TRUE(filter.accept(id).isOk());
  }
  return true;
}

const GrammarTriggers kX = {{"x"}, {}};

} // namespace

TEST(AnswerTriggersTest, NoTriggerCountsWithinReasoning) {
  for (const char *begin : {"", "<think>"}) {
    const std::string prompt = *begin == '\0' ? "<think>" : "";
    const auto isAllowed = [&](const std::string &rest) {
      return allows("hermes", prompt, kX, begin + rest);
    };
    EXPECT_TRUE(isAllowed("x or y</think>a x=1")) << begin;
    EXPECT_FALSE(isAllowed("x or y</think>a x=2")) << begin;
  }
  EXPECT_TRUE(allows("hermes", "", kX, "x=1"));
  EXPECT_FALSE(allows("hermes", "", kX, "x or y"));
}

TEST(AnswerTriggersTest, NoTriggerCountsWithinTheAnalysisChannel) {
  const std::string analysis = "<|channel|>analysis<|message|>x or y<|end|>";
  const std::string final =
      "<|start|>assistant<|channel|>final<|message|>So x=";
  EXPECT_TRUE(allows("harmony", "", kX, analysis + final + "1"));
  EXPECT_FALSE(allows("harmony", "", kX, analysis + final + "2"));
  EXPECT_TRUE(allows("harmony", "", kX, final + "1"));
}

TEST(AnswerTriggersTest, WithoutTriggersTheGrammarFollowsTheReasoning) {
  EXPECT_TRUE(allows("hermes", "<think>", {}, "x or y</think>x=1"));
  EXPECT_FALSE(allows("hermes", "<think>", {}, "x or y</think>x=2"));
  EXPECT_TRUE(allows("hermes", "", {}, "x=1"));
  EXPECT_FALSE(allows("hermes", "", {}, "<think>"));
}

TEST(AnswerTriggersTest, WithoutTriggersTheGrammarIsForTheFinalChannel) {
  const std::string analysis =
      "<|channel|>analysis<|message|>x or y<|end|><|start|>assistant";
  for (const char *header :
       {"", " json", " <|constrain|>json", "<|constrain|>json ", " json "}) {
    const std::string start =
        analysis + "<|channel|>final" + header + "<|message|>";
    EXPECT_TRUE(allows("harmony", "", {}, start + "x=1")) << header;
    EXPECT_FALSE(allows("harmony", "", {}, start + "x=2")) << header;
  }
  EXPECT_FALSE(allows("harmony", "", {}, analysis));
  // Messages in channels other than "analysis" and "final" are refused, because
  // their text would be part of the answer. A model can invent channel names.
  for (const char *channel :
       {"commentary", "c", "notes", "finale", "final_2", "analysis2", ""}) {
    EXPECT_FALSE(allows("harmony", "", {},
                        std::string("<|channel|>") + channel +
                            "<|message|>Hi<|end|><|start|>assistant"
                            "<|channel|>final<|message|>x=1"))
        << channel;
  }
}
