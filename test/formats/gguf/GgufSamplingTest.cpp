//===- GgufSamplingTest.cpp - the general.sampling.* keys -----------------===//
#include "formats/gguf/GgufSampling.h"

#include <gmock/gmock.h>

#include <cmath>

using namespace air;

namespace {

SamplingDefaults read(const std::map<std::string, MetadataValue> &keys,
                      std::vector<std::string> *notes = nullptr) {
  ModelSource source;
  for (const auto &[key, value] : keys) {
    source.metadata["general.sampling." + key] = value;
  }
  std::vector<std::string> ignored;
  return readGgufSampling(source, notes == nullptr ? ignored : *notes);
}

// GGUFWriter.add_sampling_* of gguf-py writes these keys with these types.
TEST(GgufSampling, EveryKey) {
  std::vector<std::string> notes;
  EXPECT_EQ(read({{"temp", 0.0},
                  {"top_k", int64_t{20}},
                  {"top_p", 0.8},
                  {"min_p", 0.0},
                  {"penalty_repeat", 1.05},
                  {"penalty_last_n", int64_t{-1}},
                  {"xtc_probability", 0.0},
                  {"xtc_threshold", 0.1},
                  {"mirostat", int64_t{0}},
                  {"mirostat_tau", 5.0},
                  {"mirostat_eta", 0.1},
                  {"sequence", std::string("top_k;temp")}},
                 &notes),
            (SamplingDefaults{
                .temperature = 0.0F,
                .topK = 20,
                .topP = 0.8F,
                .minP = 0.0F,
                .repeatPenalty = 1.05F,
                .repeatLastN = -1,
                .xtcProbability = 0.0F,
                .xtcThreshold = 0.1F,
                .mirostat = 0,
                .mirostatTau = 5.0F,
                .mirostatEta = 0.1F,
                .samplers = {SamplerKind::TopK, SamplerKind::Temperature}}));
  EXPECT_TRUE(notes.empty());
}

TEST(GgufSampling, NothingSaidIsNothing) {
  EXPECT_EQ(read({}), SamplingDefaults());
}

TEST(GgufSampling, NumbersAreNumbers) {
  EXPECT_EQ(read({{"temp", uint64_t{1}}, {"top_k", 40.0}}),
            (SamplingDefaults{.temperature = 1.0F, .topK = 40}));
}

TEST(GgufSampling, WhatMakesNoSenseOrIsNotThereIsANote) {
  std::vector<std::string> notes;
  EXPECT_EQ(read({{"temp", -1.0},
                  {"top_k", 1.5},
                  {"top_p", std::nan("")},
                  {"min_p", std::string("low")},
                  {"penalty_repeat", 0.0},
                  {"penalty_last_n", int64_t{-2}},
                  {"xtc_probability", 1.5},
                  {"mirostat", int64_t{3}},
                  {"sequence", std::string("kpm")}},
                 &notes),
            SamplingDefaults());
  EXPECT_THAT(
      notes,
      ::testing::ElementsAre(
          "key 'general.sampling.temp' is ignored: -1 is not in the range from "
          "0 to 3.402823466e+38",
          "key 'general.sampling.top_k' is ignored: 1.5 is not a whole number",
          "key 'general.sampling.top_p' is ignored: nan is not in the range "
          "from 0 to 1",
          "key 'general.sampling.min_p' is ignored: it is not a number",
          "key 'general.sampling.penalty_repeat' is ignored: 0 is not in the "
          "range from 1.175494351e-38 to 3.402823466e+38",
          "key 'general.sampling.penalty_last_n' is ignored: -2 is not in the "
          "range from -1 to 16777216",
          "key 'general.sampling.xtc_probability' is ignored: 1.5 is not in "
          "the range from 0 to 1",
          "key 'general.sampling.mirostat' is ignored: 3 is not in the range "
          "from 0 to 2",
          "key 'general.sampling.sequence' is ignored: entry 1 is 'kpm', which "
          "is not a sampler; the samplers are penalties, dry, top_n_sigma, "
          "top_k, typ_p, top_p, min_p, xtc, temperature, adaptive_p"));
  notes.clear();
  EXPECT_EQ(read({{"sequence", 1.5}}, &notes), SamplingDefaults());
  EXPECT_THAT(notes, ::testing::ElementsAre(
                         "key 'general.sampling.sequence' is ignored: it is "
                         "not a string"));
}

} // namespace
