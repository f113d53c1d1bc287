//===- SamplerKindTest.cpp - names and letters of the samplers ------------===//
//
// The names of the samplers, the other spellings of these names, and the letter
// of each sampler are those of llama.cpp (common/sampling.cpp of October 2026).
//
//===----------------------------------------------------------------------===//
#include "formats/model/SamplerKind.h"

#include <gmock/gmock.h>

using namespace air;
using testing::HasSubstr;

namespace {

using Kinds = std::vector<SamplerKind>;

TEST(SamplerKind, TheDefaultOrderInBothForms) {
  EXPECT_EQ(samplerNames(defaultSamplers()),
            "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;"
            "temperature");
  EXPECT_EQ(*parseSamplerNames(samplerNames(defaultSamplers())),
            defaultSamplers());
  EXPECT_EQ(*parseSamplerLetters("edskypmxt"), defaultSamplers());
  EXPECT_EQ(*parseSamplerLetters("a"), Kinds{SamplerKind::AdaptiveP});
}

TEST(SamplerKind, OtherSpellings) {
  for (const char *text : {"top_k", "top-k", "topk", "TOP_K", "Top-K"}) {
    EXPECT_EQ(*parseSamplerNames(text), Kinds{SamplerKind::TopK}) << text;
  }
  EXPECT_EQ(*parseSamplerNames("nucleus"), Kinds{SamplerKind::TopP});
  EXPECT_EQ(*parseSamplerNames("temp"), Kinds{SamplerKind::Temperature});
  EXPECT_EQ(*parseSamplerNames("typ"), Kinds{SamplerKind::TypicalP});
  EXPECT_EQ(*parseSamplerNames("top-n-sigma"), Kinds{SamplerKind::TopNSigma});
  EXPECT_EQ(*parseSamplerNames("min_p,xtc;min_p"),
            (Kinds{SamplerKind::MinP, SamplerKind::Xtc, SamplerKind::MinP}));
}

TEST(SamplerKind, Refusals) {
  for (const char *text : {"", "top_k;", ";xtc", "top k", "infill", "xtc;;dry",
                           "top_-k", "greedy"}) {
    Result<Kinds> kinds = parseSamplerNames(text);
    ASSERT_FALSE(kinds.isOk()) << text;
    EXPECT_EQ(kinds.status().code(), ErrorCode::Usage);
    EXPECT_THAT(kinds.status().message(), HasSubstr("the samplers are "
                                                    "penalties, dry,"));
  }
  EXPECT_THAT(parseSamplerNames("xtc;\x1b[1m").status().message(),
              HasSubstr("entry 2 is '\\x1b[1m'"));
  EXPECT_THAT(parseSamplerLetters("kK").status().message(),
              HasSubstr("letter 2 of 'kK'"));
  EXPECT_THAT(parseSamplerLetters("").status().message(),
              HasSubstr("no sampler is named"));
}

} // namespace
