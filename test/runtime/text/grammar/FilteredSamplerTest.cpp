//===- FilteredSamplerTest.cpp - a sampler that a grammar restricts -------===//
#include "runtime/text/Sampler.h"
#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/LazyGrammar.h"

#include "GrammarTexts.h"

#include <cmath>

using namespace air;
using namespace air::rt;

namespace {

LazyGrammar filterOf(const char *text) {
  auto grammar = parseGbnf(text);
  EXPECT_TRUE(grammar.isOk()) << grammar.status().message();
  return {GrammarMatcher(*grammar, byteTrie(), {0}), byteTrie(), {}};
}

TEST(FilteredSamplerTest, ChoosesTheBestOfTheAllowed) {
  SamplerOptions options;
  options.temperature = 0;
  auto sampler = Sampler::create(options, 256);
  ASSERT_TRUE(sampler.isOk());
  std::vector<float> logits(256, 0.0F);
  logits['z'] = 5;
  logits['b'] = 3;
  LazyGrammar filter = filterOf("root ::= [a-y]");
  auto id = sampler->sample(logits, &filter);
  ASSERT_TRUE(id.isOk()) << id.status().message();
  EXPECT_EQ(*id, 'b');
  // The text is complete, so only token 0, which ends it, is allowed.
  ASSERT_TRUE(filter.accept('b').isOk());
  id = sampler->sample(logits, &filter);
  ASSERT_TRUE(id.isOk()) << id.status().message();
  EXPECT_EQ(*id, 0);
}

TEST(FilteredSamplerTest, AllowsEachOfTheTextsSometimes) {
  SamplerOptions options;
  options.temperature = 1;
  auto sampler = Sampler::create(options, 256);
  ASSERT_TRUE(sampler.isOk());
  std::vector<float> logits(256, 0.0F);
  std::vector<int> counts(256);
  LazyGrammar filter = filterOf("root ::= [x-z]");
  for (int i = 0; i < 300; ++i) {
    auto id = sampler->sample(logits, &filter);
    ASSERT_TRUE(id.isOk());
    ++counts[static_cast<size_t>(*id)];
  }
  // Each of the three tokens is drawn 100 times on average. The probability
  // that one of them is drawn at most 50 times is 2 * 10^-10.
  EXPECT_GT(std::min({counts['x'], counts['y'], counts['z']}), 50);
  EXPECT_EQ(counts['x'] + counts['y'] + counts['z'], 300);
}

TEST(FilteredSamplerTest, NoAllowedTokenIsAnError) {
  auto sampler = Sampler::create({}, 256);
  ASSERT_TRUE(sampler.isOk());
  std::vector<float> logits(256, 0.0F);
  logits['a'] = -HUGE_VALF;
  LazyGrammar filter = filterOf("root ::= \"a\"");
  auto id = sampler->sample(logits, &filter);
  ASSERT_FALSE(id.isOk());
  EXPECT_EQ(id.status().code(), ErrorCode::Internal);
}

} // namespace
