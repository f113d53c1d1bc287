//===- AllocationTest.cpp - nothing is allocated per token ------*- C++ -*-===//
#include "Vocabularies.h"
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Sampler.h"

#include <cstdlib>
#include <new>

namespace {

thread_local size_t allocations = 0;

void *counted(size_t size) {
  ++allocations;
  void *memory = std::malloc(size == 0 ? 1 : size);
  if (!memory) {
    std::abort();
  }
  return memory;
}

} // namespace

void *operator new(size_t size) { return counted(size); }
void *operator new[](size_t size) { return counted(size); }
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, size_t) noexcept { std::free(memory); }

using namespace air;
using namespace air::rt;

namespace {

TEST(AllocationTest, TheCounterCounts) {
  size_t before = allocations;
  std::vector<int> some(100);
  EXPECT_EQ(allocations, before + 1);
}

TEST(AllocationTest, SamplingAllocatesNothing) {
  std::vector<float> logits(5000);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(i * 7919 % 5003) / 500;
  }
  SamplerOptions withTopK;
  withTopK.repeatPenalty = 1.1F;
  SamplerOptions withoutTopK = withTopK;
  withoutTopK.topK = 0;
  withoutTopK.topP = 0.99F;
  SamplerOptions greedy = withTopK;
  greedy.temperature = 0;
  SamplerOptions adding = withTopK;
  adding.dryMultiplier = 1;
  adding.dryBreakers = {};
  adding.topNSigma = 2;
  adding.typicalP = 0.9F;
  adding.xtcProbability = 0.5F;
  adding.dynatempRange = 0.5F;
  adding.logitBias = {{1, 2.0F}};
  SamplerOptions adaptive = withoutTopK;
  adaptive.samplers = {SamplerKind::MinP, SamplerKind::AdaptiveP};
  adaptive.adaptiveTarget = 0.1F;
  SamplerOptions mirostat;
  mirostat.mirostat = 1;
  SamplerOptions mirostat2;
  mirostat2.mirostat = 2;
  for (const SamplerOptions &options :
       {withTopK, withoutTopK, greedy, adding, adaptive, mirostat, mirostat2}) {
    Result<Sampler> sampler = Sampler::create(options, 5000);
    ASSERT_TRUE(sampler.isOk());
    Sampler copy = *sampler;
    for (Sampler *each : {&*sampler, &copy}) {
      size_t before = allocations;
      int32_t sum = 0;
      for (int i = 0; i < 200; ++i) {
        Result<int32_t> id = each->sample(logits);
        sum += *id;
        each->accept(*id);
      }
      EXPECT_EQ(allocations, before);
      EXPECT_GT(sum, 0);
    }
  }
}

// Most tokens repeat earlier ones, and the ends of the text that may begin a
// breaker are too long for the space within a std::string.
TEST(AllocationTest, SamplingWithBreakersAllocatesNothing) {
  Tokenizer tokenizer = tokenizerOf(smallSpm(
      {"a piece of some length", "another piece", "the end of a sentence"}));
  SamplerOptions options;
  options.dryMultiplier = 1;
  options.dryAllowedLength = 1;
  options.dryBreakers = {"a breaker that is longer than any of the pieces"};
  const int32_t vocabSize = tokenizer.vocabSize();
  const std::vector<float> logits(static_cast<size_t>(vocabSize), 1.0F);
  Result<Sampler> sampler = Sampler::create(options, vocabSize, &tokenizer);
  ASSERT_TRUE(sampler.isOk());
  Result<Sampler> assigned = Sampler::create(SamplerOptions{}, vocabSize);
  ASSERT_TRUE(assigned.isOk());
  Sampler copy = *sampler;
  *assigned = *sampler;
  for (Sampler *each : {&*sampler, &copy, &*assigned}) {
    size_t before = allocations;
    for (int32_t i = 0; i < 200; ++i) {
      EXPECT_TRUE(each->sample(logits).isOk());
      each->accept(vocabSize - 1 - i % 3);
    }
    EXPECT_EQ(allocations, before);
  }
}

TEST(AllocationTest, DetokenizingAllocatesNothing) {
  Tokenizer tokenizer =
      tokenizerOf(smallSpm({"\xe2\x96\x81", "a piece of some length \xe4"}));
  Detokenizer detokenizer(tokenizer, {true, true});
  Detokenizer copy = detokenizer;
  for (Detokenizer *each : {&detokenizer, &copy}) {
    size_t before = allocations;
    size_t bytes = 0;
    for (int round = 0; round < 100; ++round) {
      for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
        bytes += each->feed(id).size();
      }
      bytes += each->finish().size();
    }
    EXPECT_EQ(allocations, before);
    EXPECT_GT(bytes, 25600U);
  }
}

} // namespace
