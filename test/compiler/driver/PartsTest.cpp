//===- PartsTest.cpp - divided steps compute the same logits --------------===//
#include "compiler/driver/Compiler.h"

#include "runtime/exec/Session.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>

using namespace air;
using namespace air::rt;

namespace {

/// Compiles a tiny model for this machine and returns the path of the plan.
std::string compiled(const std::string &name, uint64_t partBytes) {
  compiler::CompileOptions options;
  options.model =
      std::string(AIR_TEST_INPUTS) + "/models/tiny/" + name + ".gguf";
  options.threads = 2;
  options.partBytes = partBytes;
  Result<compiler::Compiler> compiler = compiler::Compiler::load(options);
  EXPECT_TRUE(compiler) << compiler.status().message();
  Status status = compiler->run("");
  EXPECT_TRUE(status.isOk()) << status.message();
  std::string path = testing::TempDir() + "/parts-test-" + name + "-" +
                     std::to_string(partBytes) + ".air";
  Result<AtomicFile> output = AtomicFile::create(path);
  EXPECT_TRUE(output) << output.status().message();
  EXPECT_TRUE(compiler->write(*std::move(output), nullptr));
  return path;
}

/// The bits of all logits of four passes, of 1, 5, 20 and 80 tokens. The last
/// pass requests more rows of logits than the output head computes in one run.
std::vector<uint32_t> logitsOf(Session &session) {
  std::vector<uint32_t> bits;
  SequenceId sequence = *session.newSequence();
  int32_t next = 1;
  for (uint32_t count : {1U, 5U, 20U, 80U}) {
    std::vector<int32_t> tokens(count);
    for (int32_t &token : tokens) {
      next = next * 37 % 211;
      token = next;
    }
    std::vector<SequenceId> sequences(count, sequence);
    std::vector<uint32_t> outputs(count);
    std::iota(outputs.begin(), outputs.end(), 0);
    Status status =
        session.run({tokens, sequences, outputs},
                    [&](uint64_t, std::span<const float> rows) {
                      for (float logit : rows) {
                        bits.push_back(std::bit_cast<uint32_t>(logit));
                      }
                      return Status::ok();
                    });
    EXPECT_TRUE(status.isOk()) << status.message();
  }
  EXPECT_EQ(bits.size(), 106 * session.vocabulary());
  return bits;
}

uint32_t stepsOf(const Session &session) {
  return session.plan().programs()->Get(0)->steps()->size();
}

class Parts : public testing::TestWithParam<const char *> {};

TEST_P(Parts, ComputeTheSameLogits) {
  std::string wholePath = compiled(GetParam(), uint64_t{16} << 20);
  std::string partsPath = compiled(GetParam(), 20'000);
  for (uint32_t threads : {1U, 3U}) {
    Result<Session> whole = Session::open(wholePath, {.threads = threads});
    ASSERT_TRUE(whole) << whole.status().message();
    Result<Session> parts = Session::open(partsPath, {.threads = threads});
    ASSERT_TRUE(parts) << parts.status().message();
    EXPECT_GT(stepsOf(*parts), 2 * stepsOf(*whole));
    std::vector<uint32_t> expected = logitsOf(*whole);
    EXPECT_EQ(logitsOf(*parts), expected);
    // The second time, all weights are already in memory, so the threads go
    // through all steps of a pass without stopping.
    EXPECT_EQ(logitsOf(*parts), expected);
  }
  std::remove(wholePath.c_str());
  std::remove(partsPath.c_str());
}

INSTANTIATE_TEST_SUITE_P(Tiny, Parts,
                         testing::Values("llama2", "llama3", "mistral", "qwen2",
                                         "qwen3"),
                         [](const auto &param) {
                           return std::string(param.param);
                         });

} // namespace
