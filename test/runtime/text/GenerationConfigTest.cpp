//===- GenerationConfigTest.cpp - generation_config.json --------*- C++ -*-===//
#include "formats/tokenizer/GenerationConfig.h"

#include <gmock/gmock.h>

using namespace air;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

struct Outcome {
  Status status = Status::ok();
  std::vector<int32_t> ends;
  SamplingDefaults sampling;
  std::vector<std::string> notes;
};

/// Reads `text` as generation_config.json of a model with 10 tokens, in which
/// token 7 ends an answer.
Outcome read(std::string_view text) {
  TokenizerData data;
  data.tokens.resize(10, "a");
  data.endOfGeneration = {7};
  SamplingSettings settings;
  Outcome outcome;
  outcome.status =
      parseGenerationConfig(text, "generation_config.json", data, &settings);
  outcome.sampling = readSampling(settings, data.notes);
  outcome.ends = data.endOfGeneration;
  outcome.notes = data.notes;
  return outcome;
}

// Qwen3-0.6B and Llama-3.2-1B were published with these fields and values,
// except for the ids.
TEST(GenerationConfigTest, PublishedFiles) {
  Outcome qwen = read(R"({
    "bos_token_id": 6, "do_sample": true, "eos_token_id": [8, 6],
    "pad_token_id": 6, "temperature": 0.6, "top_k": 20, "top_p": 0.95,
    "transformers_version": "4.51.0"})");
  EXPECT_TRUE(qwen.status.isOk());
  EXPECT_THAT(qwen.ends, ElementsAre(6, 7, 8));
  EXPECT_EQ(qwen.sampling,
            (SamplingDefaults{.temperature = 0.6F, .topK = 20, .topP = 0.95F}));
  EXPECT_THAT(qwen.notes, IsEmpty());
  Outcome llama = read(R"({
    "_from_model_config": true, "bos_token_id": 8, "do_sample": true,
    "eos_token_id": 7, "temperature": 0.6, "top_p": 0.9})");
  EXPECT_THAT(llama.ends, ElementsAre(7));
  EXPECT_EQ(llama.sampling,
            (SamplingDefaults{.temperature = 0.6F, .topP = 0.9F}));
}

// transformers ignores the temperature of a greedy search, and applies the
// penalty to every token of the prompt and of the answer.
TEST(GenerationConfigTest, GreedySearchAndPenalty) {
  EXPECT_EQ(read(R"({"do_sample": false, "temperature": 0.7,
                     "repetition_penalty": 1.05, "min_p": 0.1,
                     "typical_p": 0.95})")
                .sampling,
            (SamplingDefaults{.temperature = 0.0F,
                              .minP = 0.1F,
                              .repeatPenalty = 1.05F,
                              .repeatLastN = -1,
                              .typicalP = 0.95F}));
  EXPECT_EQ(read(R"({"repetition_penalty": 1})").sampling,
            (SamplingDefaults{.repeatPenalty = 1.0F}));
}

TEST(GenerationConfigTest, TheFirstIdIsTheEosOfAVocabularyWithoutOne) {
  TokenizerData data;
  data.tokens.resize(10, "a");
  const std::string ids = R"({"eos_token_id": [99, 5, 3]})";
  EXPECT_TRUE(parseGenerationConfig(ids, "config.json", data, nullptr).isOk());
  EXPECT_EQ(data.eos, 5);
  EXPECT_THAT(data.endOfGeneration, ElementsAre(3, 5));
  data.eos = 7;
  EXPECT_TRUE(parseGenerationConfig(ids, "config.json", data, nullptr).isOk());
  EXPECT_EQ(data.eos, 7);
}

TEST(GenerationConfigTest, NullAndNestedFieldsSayNothing) {
  Outcome outcome = read(R"({"eos_token_id": null, "temperature": null,
    "do_sample": null, "typical_p": null,
    "inner": {"eos_token_id": 3, "list": [{"top_k": 1}], "temperature": 2},
    "list": [4, [5, {"eos_token_id": 6}]]})");
  EXPECT_TRUE(outcome.status.isOk());
  EXPECT_THAT(outcome.ends, ElementsAre(7));
  EXPECT_EQ(outcome.sampling, SamplingDefaults());
  EXPECT_THAT(outcome.notes, IsEmpty());
}

TEST(GenerationConfigTest, WhatMakesNoSenseIsIgnoredWithANote) {
  Outcome outcome = read(R"({"eos_token_id": [9, 10, -1, 1.5, "</s>"],
    "do_sample": 0, "temperature": -0.5, "top_k": 2.5, "top_p": 1.5,
    "min_p": "low", "repetition_penalty": 0, "typical_p": true})");
  EXPECT_TRUE(outcome.status.isOk());
  EXPECT_THAT(outcome.ends, ElementsAre(7, 9));
  EXPECT_EQ(outcome.sampling, SamplingDefaults());
  EXPECT_THAT(
      outcome.notes,
      ElementsAre(
          "'eos_token_id' of generation_config.json: the id 10 is ignored, "
          "because the ids of the vocabulary are 0 to 9",
          "'eos_token_id' of generation_config.json: the id -1 is ignored, "
          "because the ids of the vocabulary are 0 to 9",
          "'eos_token_id' of generation_config.json: the id 1.5 is ignored, "
          "because the ids of the vocabulary are 0 to 9",
          "'eos_token_id' of generation_config.json is ignored where it is not "
          "the id of a token",
          "'do_sample' of generation_config.json is ignored: it is not true or "
          "false",
          "'temperature' of generation_config.json is ignored: -0.5 is not in "
          "the range from 0 to 3.402823466e+38",
          "'top_k' of generation_config.json is ignored: 2.5 is not a whole "
          "number",
          "'top_p' of generation_config.json is ignored: 1.5 is not in the "
          "range from 0 to 1",
          "'min_p' of generation_config.json is ignored: it is not a number",
          "'repetition_penalty' of generation_config.json is ignored: 0 is not "
          "in the range from 1.175494351e-38 to 3.402823466e+38",
          "'typical_p' of generation_config.json is ignored: it is not a "
          "number"));
}

TEST(GenerationConfigTest, OfConfigJsonOnlyTheIdsAreUsed) {
  TokenizerData data;
  data.tokens.resize(3, "a");
  EXPECT_TRUE(parseGenerationConfig(R"({"eos_token_id": 2, "do_sample": 3})",
                                    "config.json", data, nullptr)
                  .isOk());
  EXPECT_THAT(data.endOfGeneration, ElementsAre(2));
  EXPECT_THAT(data.notes, IsEmpty());
}

TEST(GenerationConfigTest, MalformedFiles) {
  struct Case {
    const char *text;
    const char *error;
  };
  for (const Case &each : {
           Case{"", "the file is not valid JSON: the error is in line 1, "
                    "column 1"},
           Case{"{\n \"top_k\": 2,\n  ]", "the file is not valid JSON: the "
                                          "error is in line 3, column 3"},
           Case{"{\"top_k\": 2", "the file is not valid JSON: the error is in "
                                 "line 1, column 12"},
           Case{"{} {}", "the file is not valid JSON: the error is in line 1, "
                         "column 4"},
           Case{"[{\"top_k\": 2}]", "the file is not a JSON object"},
           Case{"2", "the file is not a JSON object"},
       }) {
    Outcome outcome = read(each.text);
    EXPECT_EQ(outcome.status.code(), ErrorCode::Corrupt) << each.text;
    EXPECT_EQ(outcome.status.message(), each.error) << each.text;
  }
  // Deep nesting must cost neither memory nor stack space.
  const std::string deep =
      "{\"a\": " + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_TRUE(read(deep).status.isOk());
}

TEST(OverrideSamplingTest, NotesWhatChanges) {
  SamplingDefaults defaults = {
      .temperature = 0.5F, .topK = 20, .mirostatTau = 4.0F};
  std::vector<std::string> notes;
  overrideSampling(defaults, {.temperature = 0.25F, .topK = 20, .minP = 0.125F},
                   "F", notes);
  EXPECT_EQ(defaults, (SamplingDefaults{.temperature = 0.25F,
                                        .topK = 20,
                                        .minP = 0.125F,
                                        .mirostatTau = 4.0F}));
  EXPECT_THAT(notes, ElementsAre("the model's file recommends --temp 0.5, but "
                                 "F recommends 0.25, which is used"));
}

} // namespace
