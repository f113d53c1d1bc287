//===- GrammarMatcherTest.cpp - the tokens that a grammar allows ----------===//
//
// Compares the mask of allowed tokens with what accept(), which does not use
// the trie, says about each token. The vocabularies have random pieces, which
// may begin and end inside a character.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/LazyGrammar.h"

#include "GrammarTexts.h"

#include <cmath>
#include <gmock/gmock.h>
#include <random>

using namespace air;
using namespace air::rt;
using testing::HasSubstr;

namespace {

std::shared_ptr<const Grammar> grammarOf(const std::string &text) {
  GbnfVocabulary tokens{1000, [](std::string_view) { return -1; }};
  auto grammar = parseGbnf(text, &tokens);
  EXPECT_TRUE(grammar.isOk()) << grammar.status().message();
  return *grammar;
}

/// Random texts of tokens, each joined from up to six parts. Some parts are
/// incomplete UTF-8 characters.
std::vector<std::string> randomPieces(std::mt19937 &random) {
  const std::vector<std::string> parts = {
      "a",    "b",        "c",        "x",    "1",        "2",        "\"",
      "\\",   "{",        "}",        "[",    "]",        ",",        ":",
      " ",    "\n",       "\xc3",     "\xa9", "\xc3\xa9", "\xe2\x82", "\xac",
      "\xe2", "\xf0\x9f", "\x98\x80", "\xed", "\x9f\xbf", "\xff"};
  // Token 0 has no text, and token 1 ends a text.
  std::vector<std::string> pieces(2);
  for (int i = 2; i < 700; ++i) {
    std::string piece;
    for (size_t n = random() % 6 + 1; n > 0; --n) {
      piece += parts[random() % (random() % 2 == 0 ? 4 : parts.size())];
    }
    pieces.push_back(piece);
  }
  return pieces;
}

const char *const kJson = R"(
root ::= object
value ::= object | array | string | number | "true" | "null"
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}"
array ::= "[" ws (value ("," ws value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\bfnrt])* "\""
number ::= [0-9]{1,3}
ws ::= [ \n]{0,2}
)";

class MaskTest : public testing::TestWithParam<const char *> {};

TEST_P(MaskTest, AgreesWithAcceptForEveryToken) {
  std::mt19937 random(7);
  auto grammar = grammarOf(GetParam());
  int reached = 0;
  for (int round = 0; round < 8; ++round) {
    std::vector<std::string> pieces = randomPieces(random);
    TokenTrie trie(static_cast<int32_t>(pieces.size()), [&](int32_t id) {
      return std::string_view(pieces[static_cast<size_t>(id)]);
    });
    GrammarMatcher matcher(grammar, trie, {1});
    for (int step = 0; step < 12; ++step) {
      auto mask = matcher.allowed();
      ASSERT_TRUE(mask.isOk()) << mask.status().message();
      const TokenMask allowed = **mask;
      std::vector<int32_t> possible;
      for (int32_t id = 0; id < trie.size(); ++id) {
        GrammarMatcher copy = matcher;
        bool isAccepted = copy.accept(id).isOk();
        ASSERT_EQ(matcher.allows(id), isAccepted);
        ASSERT_EQ(allowed.contains(id), isAccepted)
            << testing::PrintToString(pieces[static_cast<size_t>(id)]);
        if (isAccepted && id != 1) {
          possible.push_back(id);
        }
      }
      EXPECT_EQ(allowed.contains(1), matcher.isComplete());
      if (possible.empty()) {
        break;
      }
      ++reached;
      ASSERT_TRUE(matcher.accept(possible[random() % possible.size()]).isOk());
    }
  }
  EXPECT_GT(reached, 8);
}

INSTANTIATE_TEST_SUITE_P(
    Grammars, MaskTest,
    testing::Values(kJson, "root ::= [abc\xc3\xa9]{0,9} \"x\" .{3,30}",
                    "root ::= ([a-c]{0,4} [x1] | .{2} \"\xe2\x82\xac\"?)*",
                    "root ::= \"a\" <[5]> .* | !<[6]> [^x]*",
                    // In the next two grammars, no set in brackets contains the
                    // letter "a", which in some rounds is the character that
                    // occurs most often in the tokens. The quoted characters
                    // make each letter a character class of its own.
                    "root ::= [bcx12]{1,4} | [bcx12:]{2,7} [,:]? root? | "
                    "\"a\" \"b\" \"c\" \"x\" \"1\" \"2\"",
                    "root ::= [^a\\\\]{0,5} \"\\\\\" root? | "
                    "\"b\" \"c\" \"x\" \"1\" \"2\"",
                    "root ::= \"{\" root \"}\" | [^{}]{1,20} root? "
                    "| \"a\" root \"b\""));

TEST(GrammarMatcherTest, ACharacterMayBeCutAnywhere) {
  auto grammar = grammarOf("root ::= \"\xf0\x9f\x98\x80\" [\xe2\x82\xac]");
  EXPECT_TRUE(accepts(grammar, "\xf0\x9f\x98\x80\xe2\x82\xac"));
  EXPECT_FALSE(accepts(grammar, "\xf0\x9f\x98\x81\xe2\x82\xac"));
  GrammarMatcher matcher(grammar, byteTrie(), {});
  ASSERT_TRUE(matcher.accept(0xf0).isOk());
  auto mask = matcher.allowed();
  ASSERT_TRUE(mask.isOk());
  for (int32_t byte = 0; byte < 256; ++byte) {
    EXPECT_EQ((*mask)->contains(byte), byte == 0x9f) << byte;
  }
}

TEST(GrammarMatcherTest, ARefusedTokenChangesNothing) {
  auto grammar = grammarOf("root ::= \"ab\"");
  GrammarMatcher matcher(grammar, byteTrie(), {255});
  Status refused = matcher.accept('b');
  EXPECT_EQ(refused.code(), ErrorCode::Usage);
  EXPECT_THAT(refused.message(), HasSubstr("token 98 ('b') is not allowed"));
  EXPECT_FALSE(matcher.accept(255).isOk());
  EXPECT_FALSE(matcher.accept(256).isOk());
  ASSERT_TRUE(matcher.accept('a').isOk());
  ASSERT_TRUE(matcher.acceptText("b").isOk());
  EXPECT_TRUE(matcher.accept(255).isOk());
}

TEST(GrammarMatcherTest, DeepNestingNeedsNoDeepStack) {
  auto grammar = grammarOf("root ::= \"(\" root \")\" | \"x\"");
  GrammarMatcher matcher(grammar, byteTrie(), {});
  const std::string open(100'000, '(');
  ASSERT_TRUE(matcher.acceptText(open + "x").isOk());
  ASSERT_TRUE(matcher.acceptText(std::string(99'999, ')')).isOk());
  EXPECT_FALSE(matcher.isComplete());
  ASSERT_TRUE(matcher.accept(')').isOk());
  EXPECT_TRUE(matcher.isComplete());
}

TEST(GrammarMatcherTest, TooDeepNestingIsAnError) {
  auto grammar = grammarOf("root ::= \"(\" root \")\" | \"x\"");
  GrammarMatcher matcher(grammar, byteTrie(), {}, {4096, 1 << 20});
  Status status = Status::ok();
  int accepted = 0;
  while (status.isOk() && accepted < 1'000'000) {
    status = matcher.accept('(');
    ++accepted;
  }
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), HasSubstr("nested so deeply"));
  EXPECT_GT(accepted, 5'000);
}

TEST(GrammarMatcherTest, TooManyReadingsAreAnError) {
  // Each letter may begin another `root` or complete one, so there are many
  // ways to read the text.
  auto grammar = grammarOf("root ::= \"a\" root root | \"a\"");
  GrammarMatcher matcher(grammar, byteTrie(), {}, {100, 64 << 20});
  Status status = Status::ok();
  for (int i = 0; i < 1000 && status.isOk(); ++i) {
    status = matcher.accept('a');
  }
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), HasSubstr("more than 100 ways"));
}

TEST(GrammarMatcherTest, AmbiguityDoesNotMultiply) {
  // Each letter doubles the number of parses.
  auto grammar = grammarOf(
      "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\" root [bc] | \"d\"");
  std::string text = std::string(500, 'a') + "d";
  for (int i = 0; i < 500; ++i) {
    text += i % 3 == 0 ? 'b' : 'c';
  }
  EXPECT_TRUE(accepts(grammar, text));
  EXPECT_FALSE(accepts(grammar, text + "b"));
}

TEST(GrammarMatcherTest, ForgettingStatesChangesNothing) {
  auto grammar = grammarOf("root ::= ([a-z]{0,400} [0-9] ){0,2000} \".\"");
  GrammarMatcher large(grammar, byteTrie(), {});
  GrammarMatcher small(grammar, byteTrie(), {}, {4096, 1 << 18});
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    auto a = large.allowed();
    auto b = small.allowed();
    ASSERT_TRUE(a.isOk() && b.isOk());
    for (int32_t byte : {'a', 'z', '0', '.', '!'}) {
      ASSERT_EQ((*a)->contains(byte), (*b)->contains(byte)) << i;
    }
    int32_t next = (*a)->contains('m') && random() % 100 != 0 ? 'm' : '1';
    if (!(*a)->contains(next)) {
      next = '.';
    }
    ASSERT_EQ(large.accept(next).isOk(), small.accept(next).isOk());
    if (next == '.') {
      break;
    }
  }
}

// Pieces of more than TokenTrie::kLongestPiece bytes are not in the trie.
TEST(GrammarMatcherTest, VeryLongPiecesAreAllowedNowhere) {
  const std::vector<std::string> pieces = {
      std::string(TokenTrie::kLongestPiece, 'a'),
      std::string(TokenTrie::kLongestPiece + 1, 'a')};
  const TokenTrie trie(2, [&](int32_t id) {
    return std::string_view(pieces[static_cast<size_t>(id)]);
  });
  GrammarMatcher matcher(grammarOf("root ::= [a-z]+"), trie, {});
  for (int32_t id = 0; id < 2; ++id) {
    const auto allowed = matcher.allowed();
    ASSERT_TRUE(allowed.isOk());
    EXPECT_EQ((*allowed)->contains(id), id == 0);
    EXPECT_EQ(matcher.allows(id), id == 0);
    EXPECT_EQ(matcher.accept(id).isOk(), id == 0);
  }
}

class LazyGrammarTest : public testing::Test {
protected:
  LazyGrammar lazy(GrammarTriggers triggers) {
    return {GrammarMatcher(grammarOf("root ::= \"<t>\" [0-9]+ | <[7]> \"x\""),
                           byteTrie(), {255}),
            byteTrie(), std::move(triggers)};
  }
  static void feed(LazyGrammar &grammar, std::string_view text) {
    for (char c : text) {
      ASSERT_TRUE(grammar.accept(static_cast<uint8_t>(c)).isOk());
    }
  }
};

TEST_F(LazyGrammarTest, HoldsFromATextOn) {
  LazyGrammar grammar = lazy({{"<t>"}, {}});
  feed(grammar, "any <text> <t");
  EXPECT_FALSE(grammar.isActive());
  EXPECT_TRUE(grammar.allows('a') && grammar.allows(255));
  std::vector<float> logits(256, 1.0F);
  grammar.mask(logits);
  EXPECT_EQ(logits, std::vector<float>(256, 1.0F));
  feed(grammar, ">");
  EXPECT_TRUE(grammar.isActive());
  EXPECT_FALSE(grammar.allows('a') || grammar.allows(255));
  // The vocabulary has only 256 tokens. mask() must exclude the other logits,
  // which belong to no token.
  logits.resize(300, 1.0F);
  grammar.mask(logits);
  for (size_t id = 0; id < logits.size(); ++id) {
    EXPECT_EQ(logits[id] == 1.0F, id >= '0' && id <= '9') << id;
  }
  feed(grammar, "12");
  EXPECT_TRUE(grammar.allows(255));
}

TEST_F(LazyGrammarTest, ATriggerMustBeginATextOfTheGrammar) {
  EXPECT_TRUE(lazy({{"<t>", "<"}, {7}}).checkTriggers().isOk());
  const Status status = lazy({{"<t>", " <t>"}, {}}).checkTriggers();
  EXPECT_EQ(status.code(), ErrorCode::Usage);
  EXPECT_NE(status.message().find("' <t>'"), std::string::npos);
  const auto messageOf = [&](const GrammarTriggers &triggers) {
    return lazy(triggers).checkTriggers().message();
  };
  EXPECT_THAT(messageOf({{}, {7, 8}}), HasSubstr("the trigger token 8"));
  EXPECT_THAT(messageOf({{}, {-1}}), HasSubstr("the trigger token -1"));
  EXPECT_EQ(messageOf({.texts = {}, .tokens = {}, .starts = {"<"}}), "");
  EXPECT_THAT(messageOf({.texts = {}, .tokens = {}, .starts = {"<", "t"}}),
              HasSubstr("the trigger 't'"));
}

TEST_F(LazyGrammarTest, HoldsFromATokenOn) {
  LazyGrammar grammar = lazy({{}, {7}});
  feed(grammar, "<t>x");
  EXPECT_FALSE(grammar.isActive());
  ASSERT_TRUE(grammar.accept(7).isOk());
  EXPECT_TRUE(grammar.isActive());
  EXPECT_FALSE(grammar.accept('y').isOk());
  EXPECT_TRUE(grammar.accept('x').isOk());
}

TEST_F(LazyGrammarTest, NothingInASpanIsATrigger) {
  const QuietSpan thought = {"<think>", {"</think>", "<end>"}, false};
  GrammarTriggers triggers = {
      .texts = {"<t>"}, .tokens = {7}, .spans = {thought}};
  LazyGrammar grammar = lazy(triggers);
  feed(grammar, "\n <think>a<t>b\a</think> <");
  EXPECT_FALSE(grammar.isActive());
  feed(grammar, "t>");
  EXPECT_TRUE(grammar.isActive());
  // Unless isAnywhere is true, <think> begins a span without triggers only if
  // nothing but white space precedes it. Here, other text precedes it, so the
  // <t> after it is a trigger.
  LazyGrammar late = lazy(triggers);
  feed(late, "Some text <think>a<t>");
  EXPECT_TRUE(late.isActive());
  triggers.spans[0].isAnywhere = true;
  LazyGrammar anywhere = lazy(triggers);
  feed(anywhere, "Some text <think>a<t>");
  EXPECT_FALSE(anywhere.isActive());
  feed(anywhere, "<end><t>");
  EXPECT_TRUE(anywhere.isActive());
  // The text begins inside a span in which nothing is a trigger. The control
  // token <end> ends this span.
  triggers.open = 0;
  triggers.controls = {{3, "<end>"}};
  LazyGrammar open = lazy(triggers);
  feed(open, "a<t>\x03");
  EXPECT_FALSE(open.isActive());
  feed(open, "<t>");
  EXPECT_TRUE(open.isActive());
}

TEST_F(LazyGrammarTest, ATriggerMayCountOnlyAtTheBeginning) {
  GrammarTriggers triggers = {.texts = {},
                              .tokens = {},
                              .starts = {"<t>"},
                              .spans = {{"<s>", {"</s>"}, false}}};
  LazyGrammar first = lazy(triggers);
  feed(first, " \n\n      <t>");
  EXPECT_TRUE(first.isActive());
  LazyGrammar thought = lazy(triggers);
  feed(thought, "<s>any long thought</s>\n<t>");
  EXPECT_TRUE(thought.isActive());
  LazyGrammar later = lazy(triggers);
  feed(later, "x<t>");
  EXPECT_FALSE(later.isActive());
}

TEST_F(LazyGrammarTest, HoldsAfterAPrelude) {
  GrammarTriggers triggers;
  triggers.preludeEnds = {"</think>", "<end>"};
  triggers.controls = {{3, "<end>"}};
  LazyGrammar text = lazy(triggers);
  feed(text, "a<t>b </think");
  EXPECT_FALSE(text.isActive());
  // Within the prelude, any text is allowed, but the end of the answer (token
  // 255) is not.
  EXPECT_TRUE(text.allows('x'));
  EXPECT_FALSE(text.allows(255));
  feed(text, ">");
  EXPECT_TRUE(text.isActive());
  EXPECT_FALSE(text.allows('a') || text.allows('\n'));
  feed(text, "<t>1");
  EXPECT_TRUE(text.allows(255));
  LazyGrammar control = lazy(triggers);
  feed(control, "a\x03<t>1");
  EXPECT_TRUE(control.allows(255));
}

TEST_F(LazyGrammarTest, APreludeMayEndInsideAToken) {
  const std::vector<std::string> pieces = {"</s>", "a</s>\n\n", "a</s> <t>1",
                                           "a</s>b"};
  const TokenTrie trie(4, [&](int32_t id) {
    return std::string_view(pieces[static_cast<size_t>(id)]);
  });
  GrammarTriggers triggers;
  triggers.preludeEnds = {"</s>"};
  for (int32_t id = 0; id < 4; ++id) {
    LazyGrammar grammar(
        GrammarMatcher(grammarOf("root ::= \"<t>\" [0-9]+"), trie, {}), trie,
        triggers);
    EXPECT_EQ(grammar.allows(id), id != 3);
    EXPECT_EQ(grammar.accept(id).isOk(), id != 3);
    EXPECT_TRUE(grammar.isActive());
  }
}

TEST_F(LazyGrammarTest, HoldsAtOnceWithoutTriggers) {
  LazyGrammar grammar = lazy({});
  EXPECT_TRUE(grammar.isActive());
  EXPECT_FALSE(grammar.accept('a').isOk());
}

TEST_F(LazyGrammarTest, ATokenMayContainMoreThanTheTrigger) {
  std::vector<std::string> pieces = {"a<t>1", "a<t>x", "2"};
  TokenTrie trie(3, [&](int32_t id) {
    return std::string_view(pieces[static_cast<size_t>(id)]);
  });
  auto grammar = grammarOf("root ::= \"<t>\" [0-9]+");
  LazyGrammar good(GrammarMatcher(grammar, trie, {}), trie, {{"<t>"}, {}});
  ASSERT_TRUE(good.accept(0).isOk());
  EXPECT_TRUE(good.accept(2).isOk());
  LazyGrammar other(GrammarMatcher(grammar, trie, {}), trie, {{"<t>"}, {}});
  EXPECT_TRUE(other.allows(0));
  EXPECT_FALSE(other.allows(1));
  std::vector<float> logits(3, 1.0F);
  other.mask(logits);
  EXPECT_EQ(logits[0], 1.0F);
  EXPECT_EQ(logits[1], -HUGE_VALF);
  EXPECT_EQ(logits[2], 1.0F);
  Status status = other.accept(1);
  EXPECT_THAT(status.message(),
              HasSubstr("is not allowed after the text accepted so far"));
}

} // namespace
