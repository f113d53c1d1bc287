//===- BatchRuns.h - batches of tokens for tests of sessions ----*- C++ -*-===//
#ifndef AIRPACK_TEST_RUNTIME_EXEC_BATCHRUNS_H
#define AIRPACK_TEST_RUNTIME_EXEC_BATCHRUNS_H

#include "runtime/exec/Session.h"
#include "test/runtime/fake/FakePlan.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace air::test {

using Rows = std::vector<std::vector<float>>;

/// Runs a batch and returns the rows of logits that it requested.
inline Result<Rows> runRows(rt::Session &session,
                            const std::vector<int32_t> &tokens,
                            const std::vector<rt::SequenceId> &sequences,
                            const std::vector<uint32_t> &outputs) {
  Rows rows;
  uint64_t next = 0;
  Status status = session.run(
      {tokens, sequences, outputs},
      [&](uint64_t first, std::span<const float> logits) {
        EXPECT_EQ(first, next) << "rows come in order";
        EXPECT_LE(logits.size(),
                  session.plan().max_outputs() * FAKE_VOCABULARY);
        for (size_t at = 0; at < logits.size(); at += FAKE_VOCABULARY) {
          rows.emplace_back(logits.begin() + static_cast<ptrdiff_t>(at),
                            logits.begin() +
                                static_cast<ptrdiff_t>(at + FAKE_VOCABULARY));
          ++next;
        }
        return Status::ok();
      });
  if (!status.isOk()) {
    return status;
  }
  EXPECT_EQ(rows.size(), outputs.size());
  return rows;
}

inline std::vector<int32_t> someTokens(size_t count, uint32_t seed = 7) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t &token : tokens) {
    token = static_cast<int32_t>(random() % FAKE_VOCABULARY);
  }
  return tokens;
}

inline std::vector<uint32_t> allOf(size_t count) {
  std::vector<uint32_t> outputs(count);
  for (uint32_t i = 0; i < count; ++i) {
    outputs[i] = i;
  }
  return outputs;
}

/// Starts a sequence. An error fails the test.
inline rt::SequenceId beginSequence(rt::Session &session) {
  Result<rt::SequenceId> sequence = session.newSequence();
  EXPECT_TRUE(sequence) << sequence.status().message();
  return *sequence;
}

/// Runs `tokens` as one sequence, `m` at a time, requests all logits, and
/// compares them with fakeLogits().
inline void checkAllLogits(rt::Session &session, const FakeModel &model,
                           const std::vector<int32_t> &tokens, size_t m) {
  const rt::SequenceId sequence = beginSequence(session);
  for (size_t at = 0; at < tokens.size(); at += m) {
    const size_t count = std::min(m, tokens.size() - at);
    const auto begin = tokens.begin() + static_cast<ptrdiff_t>(at);
    Result<Rows> rows =
        runRows(session, {begin, begin + static_cast<ptrdiff_t>(count)},
                std::vector<rt::SequenceId>(count, sequence), allOf(count));
    ASSERT_TRUE(rows) << rows.status().message();
    for (size_t i = 0; i < count; ++i) {
      const std::vector<int32_t> before(tokens.begin(),
                                        begin + static_cast<ptrdiff_t>(i + 1));
      ASSERT_EQ((*rows)[i], fakeLogits(model, before)) << at + i;
    }
  }
  EXPECT_EQ(session.length(sequence), tokens.size());
}

/// Runs batches of tokens of three sequences in random order, requests some of
/// their logits, and now and then truncates a sequence.
inline void checkMixedSequences(rt::Session &session, const FakeModel &model) {
  std::mt19937 random(3);
  std::map<rt::SequenceId, std::vector<int32_t>> histories;
  for (int i = 0; i < 3; ++i) {
    histories[beginSequence(session)] = {};
  }
  for (int round = 0; round < 30; ++round) {
    std::vector<int32_t> tokens = someTokens(1 + random() % 11, random());
    std::vector<rt::SequenceId> sequences;
    std::vector<uint32_t> outputs;
    Rows expected;
    for (size_t i = 0; i < tokens.size(); ++i) {
      rt::SequenceId sequence = random() % 3;
      sequences.push_back(sequence);
      histories[sequence].push_back(tokens[i]);
      if (random() % 2 == 0) {
        outputs.push_back(static_cast<uint32_t>(i));
        expected.push_back(fakeLogits(model, histories[sequence]));
      }
    }
    Result<Rows> rows = runRows(session, tokens, sequences, outputs);
    ASSERT_TRUE(rows) << rows.status().message();
    ASSERT_EQ(*rows, expected) << round;
    // After the first of every five rounds, one of the sequences, chosen at
    // random, is truncated to a random length, possibly to 0.
    rt::SequenceId chosen = random() % 3;
    if (round % 5 == 0) {
      size_t keep = random() % (histories[chosen].size() + 1);
      ASSERT_TRUE(session.truncate(chosen, keep).isOk());
      histories[chosen].resize(keep);
    }
  }
}

/// Forks a sequence in the middle of a page, runs one more token in each of the
/// two sequences, and compares the logits with fakeLogits().
inline void checkFork(rt::Session &session, const FakeModel &model) {
  rt::SequenceId first = beginSequence(session);
  std::vector<int32_t> tokens = someTokens(70);
  ASSERT_TRUE(
      runRows(session, tokens, std::vector<rt::SequenceId>(70, first), {}));
  Result<rt::SequenceId> second = session.fork(first, 66);
  ASSERT_TRUE(second) << second.status().message();
  Result<Rows> rows = runRows(session, {5, 9}, {first, *second}, {0, 1});
  ASSERT_TRUE(rows) << rows.status().message();
  tokens.push_back(5);
  EXPECT_EQ((*rows)[0], fakeLogits(model, tokens));
  tokens.resize(66);
  tokens.push_back(9);
  EXPECT_EQ((*rows)[1], fakeLogits(model, tokens));
}

} // namespace air::test

#endif // AIRPACK_TEST_RUNTIME_EXEC_BATCHRUNS_H
