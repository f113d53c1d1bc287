//===- GgufMutationTest.cpp - thousands of damaged files ------------------===//
//
// The tests damage a small valid file in ways that are the same in every run.
// Whatever the bytes are, the reader must return either a model whose spans lie
// in the file, or an error of one line.
//
//===----------------------------------------------------------------------===//
#include "GgufBuilder.h"

#include "formats/gguf/GgufReader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

using namespace air;
using namespace air::test;

namespace {

Bytes validFile(bool spm) {
  GgufBuilder builder;
  builder.text("general.architecture", "llama")
      .value<uint32_t>("general.alignment", 32)
      .value<uint32_t>("llama.block_count", 1)
      .value<float>("llama.rope.freq_base", 10000)
      .array<bool>("flags", {true, false})
      .array<int16_t>("numbers", {1, -2, 3})
      .text("tokenizer.ggml.model", spm ? "llama" : "gpt2")
      .text("tokenizer.ggml.pre", "default")
      .texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "ab"})
      .array<int32_t>("tokenizer.ggml.token_type", {2, 3, 3, 1, 1, 1})
      .value<uint32_t>("tokenizer.ggml.bos_token_id", 1)
      .value<uint32_t>("tokenizer.ggml.eos_token_id", 2)
      .value<bool>("tokenizer.ggml.add_bos_token", true);
  if (spm) {
    builder.array<float>("tokenizer.ggml.scores", {0, 0, 0, -1, -2, -3});
  } else {
    builder.texts("tokenizer.ggml.merges", {"a b"});
  }
  builder.tensor({"token_embd.weight", {32, 6}, 8, Bytes(34 * 6, 1)})
      .tensor({"output_norm.weight", {32}, 0, Bytes(128, 2)})
      .tensor({"blk.0.attn_q.weight", {256, 2}, 12, Bytes(288, 3)});
  return builder.build();
}

/// Reads the file as far as it is valid. Returns whether all of it was
/// accepted.
bool readAll(const Bytes &file) {
  auto check = [](const Status &status) {
    EXPECT_TRUE(status.code() == ErrorCode::Corrupt ||
                status.code() == ErrorCode::Unsupported)
        << status.message();
    EXPECT_FALSE(status.message().empty());
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
    EXPECT_LT(status.message().size(), 600U) << status.message();
  };
  Result<ModelSource> model = parseGguf(file, "damaged.gguf");
  if (!model) {
    check(model.status());
    return false;
  }
  const uint8_t *begin = file.data();
  const uint8_t *end = begin + file.size();
  for (const auto &[name, tensor] : model->tensors) {
    EXPECT_GE(tensor.data.data(), begin) << name;
    EXPECT_LE(tensor.data.data() + tensor.data.size(), end) << name;
    EXPECT_EQ(tensor.data.data(), begin + tensor.fileOffset);
  }
  Result<TokenizerData> tokenizer = readGgufTokenizer(*model);
  if (!tokenizer) {
    check(tokenizer.status());
    return false;
  }
  EXPECT_EQ(tokenizer->types.size(), tokenizer->tokens.size());
  return true;
}

TEST(GgufSeeds, EveryFuzzerSeedIsValid) {
  int seeds = 0;
  for (const auto &entry : std::filesystem::directory_iterator(
           std::string(AIR_TEST_INPUTS) + "/fuzz/gguf")) {
    std::ifstream in(entry.path(), std::ios::binary);
    EXPECT_TRUE(readAll(Bytes(std::istreambuf_iterator<char>(in), {})))
        << entry.path();
    ++seeds;
  }
  EXPECT_GE(seeds, 2);
}

class GgufMutation : public testing::TestWithParam<bool> {};

TEST_P(GgufMutation, TheFileItselfIsValid) {
  EXPECT_TRUE(readAll(validFile(GetParam())));
}

TEST_P(GgufMutation, EveryTruncationIsRefused) {
  const Bytes valid = validFile(GetParam());
  for (size_t size = 0; size < valid.size(); ++size) {
    ASSERT_FALSE(readAll(Bytes(valid.begin(), valid.begin() + size))) << size;
  }
}

TEST_P(GgufMutation, EveryBitOfTheHeader) {
  Bytes file = validFile(GetParam());
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= 1 << (bit % 8);
    readAll(file);
    file[bit / 8] ^= 1 << (bit % 8);
  }
}

TEST_P(GgufMutation, ThousandsOfDamagedFiles) {
  const Bytes valid = validFile(GetParam());
  constexpr uint64_t kExtremes[] = {0,
                                    1,
                                    0x7f,
                                    0xff,
                                    0xffff,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    uint64_t{1} << 32,
                                    uint64_t{1} << 61,
                                    uint64_t{1} << 63,
                                    UINT64_MAX - 31,
                                    UINT64_MAX};
  std::mt19937 random(20240601);
  int refused = 0;
  constexpr int kRounds = 5000;
  for (int round = 0; round < kRounds; ++round) {
    Bytes file = valid;
    unsigned edits = 1 + random() % 4;
    for (unsigned edit = 0; edit < edits; ++edit) {
      size_t place = random() % file.size();
      switch (random() % 5) {
      case 0: // flip a bit
        file[place] ^= 1 << (random() % 8);
        break;
      case 1: // replace a byte
        file[place] = static_cast<uint8_t>(random());
        break;
      case 2: { // replace a count, a length or an offset
        uint64_t extreme = kExtremes[random() % std::size(kExtremes)];
        size_t size =
            std::min<size_t>(random() % 2 ? 8 : 4, file.size() - place);
        std::memcpy(file.data() + place, &extreme, size);
        break;
      }
      case 3: // remove some bytes
        file.erase(file.begin() + static_cast<ptrdiff_t>(place),
                   file.begin() + static_cast<ptrdiff_t>(std::min(
                                      file.size(), place + random() % 16)));
        break;
      default: // duplicate some bytes
        Bytes piece(file.begin() + static_cast<ptrdiff_t>(place),
                    file.begin() + static_cast<ptrdiff_t>(
                                       std::min(file.size(), place + 16)));
        file.insert(file.begin() + static_cast<ptrdiff_t>(place), piece.begin(),
                    piece.end());
        break;
      }
      if (file.empty()) {
        break;
      }
    }
    refused += readAll(file) ? 0 : 1;
  }
  // Much of the file is tensor data, where any value is valid, so not all
  // damaged files are refused.
  EXPECT_GT(refused, kRounds / 4);
  EXPECT_LT(refused, kRounds);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, GgufMutation, testing::Bool(),
                         [](const auto &param) {
                           return param.param ? "Spm" : "Bpe";
                         });

} // namespace
