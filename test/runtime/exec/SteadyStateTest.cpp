//===- SteadyStateTest.cpp - a decode step allocates nothing --------------===//
//
// Every allocation is counted: operator new calls malloc, and the malloc family
// that this executable defines takes precedence over the C library's.
//
//===----------------------------------------------------------------------===//
#include "runtime/exec/Generator.h"

#include "formats/plan/PlanConvert.h"
#include "test/runtime/fake/FakePlan.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define AIR_TEST_SANITIZER_OWNS_MALLOC 1
#endif
#endif

#ifndef AIR_TEST_SANITIZER_OWNS_MALLOC
static std::atomic<uint64_t> allocations{0};

extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void *realloc(void *pointer, size_t size) {
  ++allocations;
  return __libc_realloc(pointer, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}

using namespace air;
using namespace air::rt;
using namespace air::test;

namespace {

TEST(SteadyState, TheCounterCounts) {
  uint64_t before = allocations;
  auto *volatile number = new int(1);
  delete number;
  EXPECT_GT(allocations, before);
}

TEST(SteadyState, DecodeAllocatesNothing) {
  std::string path = temporaryPath("plan.air");
  writeFakePlan(path);
  Result<Session> session = Session::open(path, {.threads = 2});
  ASSERT_TRUE(session) << session.status().message();
  Result<SequenceId> sequence = session->newSequence();
  ASSERT_TRUE(sequence) << sequence.status().message();
  const std::vector<int32_t> prompt = {1, 2, 3, 4, 5};
  const std::vector<SequenceId> sequences(prompt.size(), *sequence);
  const uint32_t output = 0;
  float sum = 0;
  auto sink = [&](uint64_t, std::span<const float> logits) {
    sum += logits[0];
    return Status::ok();
  };
  ASSERT_TRUE(session->run({prompt, sequences, {}}, sink).isOk());
  uint64_t before = allocations;
  bool ok = true;
  // Decoding 140 tokens starts a new page of the KV cache twice.
  for (int32_t token = 0; token < 140; ++token) {
    ok &= session
              ->run({std::span(&token, 1), std::span(&*sequence, 1),
                     std::span(&output, 1)},
                    sink)
              .isOk();
  }
  uint64_t after = allocations;
  EXPECT_TRUE(ok);
  EXPECT_NE(sum, 0);
  EXPECT_EQ(after - before, 0U);
  EXPECT_EQ(session->length(*sequence), 145U);
  std::remove(path.c_str());
}

/// Covers all of text generation: passes over the model, penalties, sampling,
/// detokenizing and stop strings.
TEST(SteadyState, GeneratingTextAllocatesNothing) {
  std::string path = temporaryPath("plan.air");
  writeFakePlan(path);
  Result<Session> session = Session::open(path, {.threads = 2});
  ASSERT_TRUE(session) << session.status().message();
  Result<Tokenizer> tokenizer =
      Tokenizer::create(fromPlan(*session->plan().tokenizer()));
  ASSERT_TRUE(tokenizer) << tokenizer.status().message();
  GenerateOptions options;
  options.maxTokens = 140;
  options.ignoreEndOfText = true;
  options.stops = {"a text that does not come", "\n\n\n\n"};
  options.sampler.temperature = 100;
  options.sampler.topK = 0;
  options.sampler.repeatPenalty = 1.1F;
  Result<std::unique_ptr<Generator>> generator =
      Generator::create(*session, &*tokenizer, options);
  ASSERT_TRUE(generator) << generator.status().message();
  const std::vector<int32_t> prompt = {1, 100, 101};
  ASSERT_TRUE((*generator)->prompt(prompt).isOk());
  ASSERT_TRUE((*generator)->next());
  uint64_t before = allocations;
  uint64_t tokens = 1;
  uint64_t bytes = 0;
  while (true) {
    Result<std::optional<GeneratedToken>> token = (*generator)->next();
    if (!token || !*token) {
      break;
    }
    ++tokens;
    bytes += (*token)->text.size();
  }
  uint64_t after = allocations;
  EXPECT_EQ(tokens, 140U);
  EXPECT_GT(bytes, 50U);
  EXPECT_EQ(after - before, 0U);
  std::remove(path.c_str());
}

} // namespace

#else

TEST(SteadyState, SkippedUnderSanitizers) {
  GTEST_SKIP() << "the sanitizer owns malloc";
}

#endif
