//===- TokenizerFilesTest.cpp - vocabularies outside of GGUF ----*- C++ -*-===//
//
// Compares the tokenizer's ids with those that Hugging Face's `tokenizers`
// library computed: test/Inputs/tokenizers/json/NAME-ids.json (make_json.py).
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"

#include "formats/model/CheckTokenizer.h"
#include "formats/tokenizer/TokenizerFiles.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <random>

/// The entry point of the fuzz target. It aborts when a property is violated.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

std::string fileOf(const std::string &name) {
  return inputs("tokenizers/json/" + name + ".json");
}

class TokenizerJsonTest : public testing::TestWithParam<const char *> {};

TEST_P(TokenizerJsonTest, AgreesWithTheLibrary) {
  Result<TokenizerData> data = readTokenizer(fileOf(GetParam()), "");
  ASSERT_TRUE(data.isOk()) << data.status().message();
  Tokenizer tokenizer = tokenizerOf(*std::move(data));
  json cases = json::parse(slurp(fileOf(GetParam() + std::string("-ids"))),
                           nullptr, false);
  ASSERT_EQ(cases.size(), 80U);
  for (const json &each : cases) {
    auto text = each["text"].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, false, true),
              each["ids"].get<std::vector<int32_t>>())
        << each["text"];
    if (each.contains("whole")) {
      EXPECT_EQ(tokenizer.encode(text, true, true),
                each["whole"].get<std::vector<int32_t>>())
          << each["text"];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerJsonTest,
                         testing::Values("llama3", "nfc", "prefix", "prepend",
                                         "first", "split", "spaces", "unigram",
                                         "wordpiece", "words", "unspaced",
                                         "fused", "fallback"),
                         [](const auto &info) { return info.param; });

struct Refusal {
  const char *message;
  const char *name;
  ErrorCode code;
  const char *where; ///< a JSON pointer
  const char *value; ///< JSON that is put there; "" removes what is there
};

class RefusedJsonTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedJsonTest, Refused) {
  const Refusal &refusal = GetParam();
  json file = json::parse(slurp(fileOf(refusal.name)), nullptr, false);
  json::json_pointer where(refusal.where);
  if (*refusal.value == '\0') {
    file[where.parent_pointer()].erase(where.back());
  } else {
    file[where] = json::parse(refusal.value, nullptr, false);
  }
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_FALSE(data.isOk());
  EXPECT_THAT(data.status().message(), HasSubstr(refusal.message));
  EXPECT_EQ(data.status().code(), refusal.code);
}

constexpr ErrorCode kCorrupt = ErrorCode::Corrupt;
constexpr ErrorCode kUnsupported = ErrorCode::Unsupported;

INSTANTIATE_TEST_SUITE_P(
    All, RefusedJsonTest,
    testing::Values(
        Refusal{"'model' is missing", "llama3", kCorrupt, "/model", ""},
        Refusal{"'model' is not a JSON object", "llama3", kCorrupt, "/model",
                "[]"},
        Refusal{"'model' has the type 'Word'; only BPE, Unigram, WordPiece and "
                "WordLevel",
                "llama3", kUnsupported, "/model/type", "\"Word\""},
        Refusal{"'model.vocab' is not an object", "llama3", kCorrupt,
                "/model/vocab", "[]"},
        Refusal{"'model.vocab['zz']' is not a token id but -1; token ids are "
                "whole numbers below 16777216",
                "llama3", kCorrupt, "/model/vocab/zz", "-1"},
        Refusal{"'model.vocab['zz']' is not a token id but 1.5;", "llama3",
                kCorrupt, "/model/vocab/zz", "1.5"},
        Refusal{"'model.vocab['zz']' is not a token id but a JSON string;",
                "llama3", kCorrupt, "/model/vocab/zz", "\"1\""},
        Refusal{"'model.vocab['zz']' is not a token id but 16777216; token ids "
                "are whole numbers below 16777216",
                "llama3", kCorrupt, "/model/vocab/zz", "16777216"},
        Refusal{"id 3 belongs both to ", "llama3", kCorrupt, "/model/vocab/zz",
                "3"},
        Refusal{"no token has the id 325; the vocabulary must have all ids "
                "from 0 to its largest, 400",
                "llama3", kCorrupt, "/model/vocab/zz", "400"},
        Refusal{"'model.merges' is missing", "llama3", kCorrupt,
                "/model/merges", ""},
        Refusal{"'model.merges[0]' must be two pieces", "llama3", kCorrupt,
                "/model/merges/0", "\"ab\""},
        Refusal{"'model.merges[0]' must be two pieces", "llama3", kCorrupt,
                "/model/merges/0", "[\"a\", 1]"},
        Refusal{"'model.merges[0]' must be two pieces", "llama3", kCorrupt,
                "/model/merges/0", "[\"\", \"a\"]"},
        Refusal{"'model.dropout' must be a number from 0 to 1", "llama3",
                kCorrupt, "/model/dropout", "1.001"},
        Refusal{"'model.dropout' must be a number from 0 to 1", "llama3",
                kCorrupt, "/model/dropout", "\"0\""},
        Refusal{"'model.ignore_merges' is not a boolean", "llama3", kCorrupt,
                "/model/ignore_merges", "1"},
        Refusal{"'model.unk_token' is '<none>', which is not in the vocabulary",
                "prepend", kCorrupt, "/model/unk_token", "\"<none>\""},
        Refusal{"'added_tokens' is not an array", "llama3", kCorrupt,
                "/added_tokens", "{}"},
        Refusal{"'added_tokens[0].content' is '<x>', but the vocabulary gives "
                "the id 0 to '<s>'",
                "llama3", kCorrupt, "/added_tokens/0/content", "\"<x>\""},
        Refusal{"'added_tokens[1].id' is missing", "llama3", kCorrupt,
                "/added_tokens/1/id", ""},
        Refusal{"'added_tokens[1].lstrip' is not a boolean", "llama3", kCorrupt,
                "/added_tokens/1/lstrip", "3"},
        Refusal{"'normalizer' has the type 'Other', which is not supported",
                "nfc", kUnsupported, "/normalizer/type", "\"Other\""},
        Refusal{"'pre_tokenizer.pretokenizers[0]' has the type 'Other', which "
                "is not supported",
                "llama3", kUnsupported, "/pre_tokenizer/pretokenizers/0/type",
                "\"Other\""},
        Refusal{"'pre_tokenizer' has the behavior 'Last', which", "words",
                kUnsupported, "/pre_tokenizer",
                R"({"type": "Punctuation", "behavior": "Last"})"},
        Refusal{"'pre_tokenizer.delimiter' is empty", "words", kCorrupt,
                "/pre_tokenizer",
                R"({"type": "CharDelimiterSplit", "delimiter": ""})"},
        Refusal{"'pre_tokenizer.delimiter' is 'ab'; it must be one character",
                "words", kCorrupt, "/pre_tokenizer",
                R"({"type": "CharDelimiterSplit", "delimiter": "ab"})"},
        Refusal{"'pre_tokenizer.length' is not a whole number from 0 to ",
                "words", kCorrupt, "/pre_tokenizer",
                R"({"type": "FixedLength", "length": -1})"},
        Refusal{"'pre_tokenizer.prepend_scheme' is 'first', but "
                "'add_prefix_space' is false",
                "first", kCorrupt, "/pre_tokenizer",
                R"({"type": "Metaspace", "prepend_scheme": "first",
                    "add_prefix_space": false})"},
        Refusal{"'normalizer.pattern' is missing", "nfc", kCorrupt,
                "/normalizer", R"({"type": "Replace", "content": ""})"},
        Refusal{"must have either a 'Regex' or a 'String', and not both", "nfc",
                kUnsupported, "/normalizer",
                R"({"type": "Replace", "content": "", "pattern": {}})"},
        Refusal{"POSIX classes such as [:alpha:] are not supported", "nfc",
                kUnsupported, "/normalizer",
                R"({"type": "Replace", "content": "",
                    "pattern": {"Regex": "[[:alpha:]]"}})"},
        Refusal{"'decoder' has the type 'CTC', which is not supported here",
                "llama3", kUnsupported, "/decoder", R"({"type": "CTC"})"},
        Refusal{"'decoder' must replace the text in 'pattern.String'", "llama3",
                kUnsupported, "/decoder",
                R"({"type": "Replace", "content": "_",
                    "pattern": {"String": " "}})"},
        Refusal{"'decoder.pattern' must have either a 'Regex' or a 'String'",
                "llama3", kUnsupported, "/decoder",
                R"({"type": "Replace", "content": " ",
                    "pattern": {"String": "_", "Regex": "x"}})"},
        Refusal{"'decoder' must replace the text in 'pattern.String'", "llama3",
                kUnsupported, "/decoder",
                R"({"type": "Replace", "content": " ",
                    "pattern": {"Regex": "x"}})"},
        Refusal{"strips something other than one space", "llama3", kUnsupported,
                "/decoder",
                R"({"type": "Strip", "content": " ", "start": 1, "stop": 0})"},
        Refusal{"follows another decoder that changes the text", "llama3",
                kUnsupported, "/decoder",
                R"({"type": "Sequence", "decoders": [
                    {"type": "ByteLevel"}, {"type": "Metaspace"}]})"},
        Refusal{"the decoder expects parts of words to be marked with '</x>', "
                "but the model marks them with ''",
                "llama3", kUnsupported, "/decoder",
                R"({"type": "BPEDecoder", "suffix": "</x>"})"},
        Refusal{"'decoder' has an empty suffix", "llama3", kUnsupported,
                "/decoder", R"({"type": "BPEDecoder", "suffix": ""})"},
        Refusal{"'decoder.replacement' is empty", "llama3", kCorrupt,
                "/decoder", R"({"type": "Metaspace", "replacement": ""})"},
        Refusal{"'pre_tokenizer.pretokenizers[0]' has the behavior 'Other', "
                "which is not supported",
                "split", kUnsupported,
                "/pre_tokenizer/pretokenizers/0/behavior", "\"Other\""},
        Refusal{"'pre_tokenizer.pretokenizers[0].pattern'", "llama3",
                kUnsupported, "/pre_tokenizer/pretokenizers/0/pattern/Regex",
                "\"(?<=a)b\""},
        Refusal{"'pre_tokenizer.pretokenizers' is not an array", "llama3",
                kCorrupt, "/pre_tokenizer/pretokenizers", "{}"},
        Refusal{"'pre_tokenizer.prepend_scheme' is 'last'", "first", kCorrupt,
                "/pre_tokenizer/prepend_scheme", "\"last\""},
        Refusal{"'post_processor' has the type 'Other'", "llama3", kUnsupported,
                "/post_processor/type", "\"Other\""},
        Refusal{"has a template that is not supported", "llama3", kUnsupported,
                "/post_processor/single/0", "{\"Other\": 1}"},
        Refusal{"must have ids for '<s>'", "llama3", kCorrupt,
                "/post_processor/special_tokens/<s>/ids", "[]"},
        Refusal{"must have an id that is a whole number below the number of "
                "tokens, 325",
                "llama3", kCorrupt, "/post_processor/special_tokens/<s>/ids",
                "[325]"},
        Refusal{"'post_processor.single' must contain a 'Sequence'", "prefix",
                kCorrupt, "/post_processor/single", "[]"},
        Refusal{"has a template that is not supported", "llama3", kUnsupported,
                "/post_processor/single/1/Sequence/id", "1"},
        Refusal{"'model.vocab[4]' must be an array of a piece and its score",
                "unigram", kCorrupt, "/model/vocab/4", "[\"a\"]"},
        Refusal{"'model.unk_id' is 999; it must be less than the number of "
                "pieces, 170",
                "unigram", kCorrupt, "/model/unk_id", "999"},
        Refusal{"'normalizer.precompiled_charsmap' is not base64", "unigram",
                kCorrupt, "/normalizer/precompiled_charsmap", "\"#\""},
        Refusal{"'normalizer.normalizers[1]' has the type 'Precompiled' for a "
                "second time",
                "unigram", kUnsupported, "/normalizer",
                R"({"type": "Sequence", "normalizers": [
                    {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
                    {"type": "Precompiled", "precompiled_charsmap": "AAAA"}]})"}),
    [](const auto &info) { return std::to_string(info.index); });

TEST(TokenizerFilesTest, WordsFromGguf) {
  Result<TokenizerData> data = readTokenizer(fileOf("words"), "");
  ASSERT_TRUE(data.isOk()) << data.status().message();
  ModelSource source;
  source.metadata["tokenizer.ggml.model"] = "whitespace";
  source.metadata["tokenizer.ggml.tokens"] = data->tokens;
  source.metadata["tokenizer.ggml.merges"] = data->merges;
  source.metadata["tokenizer.ggml.unknown_token_id"] = uint64_t{0};
  source.metadata["tokenizer.ggml.normalizer.lowercase"] = true;
  std::vector<int64_t> types;
  for (TokenType type : data->types) {
    types.push_back(static_cast<int64_t>(type));
  }
  source.metadata["tokenizer.ggml.token_type"] = types;
  Result<TokenizerData> read = readGgufTokenizer(source);
  ASSERT_TRUE(read.isOk()) << read.status().message();
  EXPECT_TRUE(read->lowercase);
  Tokenizer tokenizer = tokenizerOf(*std::move(read));
  json cases = json::parse(slurp(fileOf("words-ids")), nullptr, false);
  size_t compared = 0;
  for (const json &each : cases) {
    auto text = each["text"].get<std::string>();
    // A GGUF file does not say how added tokens match, so texts with them are
    // left out.
    if (text.find_first_of("<") == std::string::npos &&
        text.find("word") == std::string::npos &&
        text.find("caf") == std::string::npos) {
      EXPECT_EQ(tokenizer.encode(text, false, true),
                each["ids"].get<std::vector<int32_t>>())
          << each["text"];
      ++compared;
    }
  }
  EXPECT_GT(compared, 10U);
  // The vocabulary has no upper-case letters. Each of the two words is one of
  // its tokens.
  const std::vector<int32_t> lower = tokenizer.encode("your all", false, true);
  EXPECT_EQ(lower.size(), 2U);
  EXPECT_EQ(tokenizer.encode("YOUR\n\tAll ", false, true), lower);
}

TEST(TokenizerFilesTest, TheLastOfEqualMergesCounts) {
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  file["model"]["merges"] = {"a b", "b c", "a b"};
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  // With these merges, Hugging Face's `tokenizers` library divides "abc" into
  // "a" and "bc".
  EXPECT_THAT(data->merges, ElementsAre("b c", "a b"));
}

// 'fuse_unk' has no effect if no part of a text can be unknown. Only if some
// byte has no token does it become a flag of the unknown token. Both
// vocabularies have a token for each byte; in "prepend" these are <0x00> to
// <0xFF>.
TEST(TokenizerFilesTest, FuseUnkNeedsUnknownParts) {
  const auto isFused = [](const json &file) {
    Result<TokenizerData> data = parseTokenizerJson(file.dump());
    EXPECT_TRUE(data.isOk()) << data.status().message();
    return std::ranges::any_of(data->matching, [](uint8_t flags) {
      return (flags & match_flags::kFused) != 0;
    });
  };
  for (const char *name : {"llama3", "prepend"}) {
    json file = json::parse(slurp(fileOf(name)), nullptr, false);
    json &model = file["model"];
    model["fuse_unk"] = true;
    model["unk_token"] = "<s>";
    EXPECT_FALSE(isFused(file));
    const char *zero = model["byte_fallback"] == true ? "<0x00>" : "\u0100";
    model["vocab"]["<none>"] = model["vocab"][zero];
    model["vocab"].erase(zero);
    EXPECT_TRUE(isFused(file));
    model["fuse_unk"] = false;
    EXPECT_FALSE(isFused(file));
    model["fuse_unk"] = true;
    model["unk_token"] = nullptr; // bytes without tokens are left out
    EXPECT_FALSE(isFused(file));
  }
}

// If an added token has the text of a token of the vocabulary, but another id,
// the library uses the id of the vocabulary.
TEST(TokenizerFilesTest, AddedTokenWithAnotherId) {
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  const int32_t id = file["model"]["vocab"]["!"];
  file["added_tokens"].push_back({{"id", 9999}, {"content", "!"}});
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->types[static_cast<size_t>(id)], TokenType::UserDefined);
}

// ByteLevel spells "!" as "!". Without a token for it, the library encodes "!"
// as the token <0x21>.
TEST(TokenizerFilesTest, ByteFallbackAfterByteLevel) {
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  json &model = file["model"];
  const int32_t id = model["vocab"]["!"];
  model["byte_fallback"] = true;
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_FALSE(data->rules.pipeline.isSet);
  model["vocab"].erase("!");
  model["vocab"]["<0x21>"] = id;
  data = parseTokenizerJson(file.dump());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_THAT(tokenizerOf(*std::move(data)).encode("!", false, false),
              ElementsAre(id));
}

// The ids are those of Hugging Face's `tokenizers` 0.23.3. Where a text
// contains the name of the unknown token, such as <unk>, this name is encoded
// as the unknown token only if that token is an added token. A Unigram model,
// however, may choose the unknown token as a piece in any case.
TEST(TokenizerFilesTest, TheUnknownTokenIsFoundInTextsOnlyIfItIsAdded) {
  using Ids = std::vector<int32_t>;
  const struct {
    const char *file;
    const char *text;
    Ids added;
    Ids notAdded;
  } cases[] = {
      {"fused", "a <s> b", {261, 222, 0, 275}, {261, 222, 29, 84, 31, 275}},
      {"fallback", "a<s>b", {320, 1, 334}, {320, 63, 286, 65, 270}},
      {"words", "a<unk>b", {13, 0, 14}, {13, 0, 32, 26, 23, 0, 14}},
      {"unigram", "a<unk>b", {5, 165, 0, 5, 153}, {5, 165, 0, 153}},
      {"wordpiece", "a[UNK]b", {13, 1, 14}, {13, 1, 32, 72, 73, 1, 14}},
  };
  for (const auto &each : cases) {
    json file = json::parse(slurp(fileOf(each.file)), nullptr, false);
    Result<TokenizerData> data = parseTokenizerJson(file.dump());
    ASSERT_TRUE(data.isOk()) << data.status().message();
    const int32_t unknown = data->unknown;
    EXPECT_EQ(tokenizerOf(*std::move(data)).encode(each.text, false, true),
              each.added)
        << each.file;
    json kept = json::array();
    for (const json &token : file["added_tokens"]) {
      if (token["id"] != unknown) {
        kept.push_back(token);
      }
    }
    file["added_tokens"] = kept;
    data = parseTokenizerJson(file.dump());
    ASSERT_TRUE(data.isOk()) << data.status().message();
    EXPECT_EQ(tokenizerOf(*std::move(data)).encode(each.text, false, true),
              each.notAdded)
        << each.file;
  }
}

// The `transformers` library begins and ends a text with the tokens that
// tokenizer.json names. "llama3" begins each text with token 0.
TEST(TokenizerFilesTest, TheModelsFileDoesNotOverrideTokenizerJson) {
  ModelSource source;
  source.metadata["tokenizer.ggml.add_bos_token"] = false;
  source.metadata["tokenizer.ggml.add_eos_token"] = true;
  source.metadata["tokenizer.ggml.bos_token_id"] = uint64_t{1};
  source.metadata["tokenizer.ggml.eos_token_id"] = uint64_t{1};
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  Result<TokenizerData> data =
      withGgufSpecials(source, *parseTokenizerJson(file.dump()));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_TRUE(data->addBos);
  EXPECT_EQ(data->bos, 0);
  EXPECT_FALSE(data->addEos);
  EXPECT_EQ(data->eos, 1);
  const std::string why = " of the model's file is ignored, because "
                          "tokenizer.json says which tokens begin and end a "
                          "text";
  EXPECT_THAT(data->notes, ElementsAre("'tokenizer.ggml.add_bos_token'" + why,
                                       "'tokenizer.ggml.add_eos_token'" + why));
  file["post_processor"] = nullptr;
  source.metadata["tokenizer.ggml.add_bos_token"] = true;
  data = withGgufSpecials(source, *parseTokenizerJson(file.dump()));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_FALSE(data->addBos);
  EXPECT_EQ(data->bos, 1);
  // vocab.json and merges.txt do not say which tokens begin and end a text.
  data = withGgufSpecials(
      source, *parseVocabAndMerges(file["model"]["vocab"].dump(), "", "gpt-2"));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_TRUE(data->addBos);
  EXPECT_TRUE(data->addEos);
}

// In "llama3", each byte has a token until the test removes that of byte 0.
// Hugging Face's library then leaves this byte out.
TEST(TokenizerFilesTest, TheModelsFileDoesNotNameTheUnknownToken) {
  ModelSource source;
  source.metadata["tokenizer.ggml.unknown_token_id"] = uint64_t{1};
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  const auto read = [&] {
    Result<TokenizerData> data =
        withGgufSpecials(source, *parseTokenizerJson(file.dump()));
    EXPECT_TRUE(data.isOk()) << data.status().message();
    return data.isOk() ? *std::move(data) : TokenizerData();
  };
  // Each byte still has a token, so no text needs an unknown token. Only chat
  // templates use the one that the model's file names, so that one is accepted.
  TokenizerData data = read();
  EXPECT_EQ(data.unknown, 1);
  EXPECT_THAT(data.notes, IsEmpty());
  json &model = file["model"];
  model["vocab"]["<none>"] = model["vocab"]["\u0100"];
  model["vocab"].erase("\u0100"); // this is the spelling of the byte 0
  const std::string_view text("a\0a", 3);
  const auto note =
      ElementsAre("'tokenizer.ggml.unknown_token_id' of the model's file is "
                  "ignored, because tokenizer.json says what becomes of text "
                  "that has no token");
  const int32_t a = model["vocab"]["a"];
  data = read();
  EXPECT_THAT(data.notes, note);
  EXPECT_THAT(tokenizerOf(data).encode(text, false, false), ElementsAre(a, a));
  model["unk_token"] = "<s>"; // token 0
  data = read();
  EXPECT_THAT(data.notes, note);
  EXPECT_THAT(tokenizerOf(data).encode(text, false, false),
              ElementsAre(a, 0, a));
  // If the model's file names the same unknown token as tokenizer.json, nothing
  // is ignored, so there is no note.
  source.metadata["tokenizer.ggml.unknown_token_id"] = uint64_t{0};
  EXPECT_THAT(read().notes, IsEmpty());
}

TEST(TokenizerFilesTest, NotJson) {
  for (const char *text : {"", "{", "[]", "3", "{}", "{\"model\": null}"}) {
    Result<TokenizerData> data = parseTokenizerJson(text);
    ASSERT_FALSE(data.isOk()) << text;
    EXPECT_EQ(data.status().code(), kCorrupt);
  }
}

TEST(TokenizerFilesTest, NestingHasALimit) {
  json file = json::parse(slurp(fileOf("llama3")), nullptr, false);
  json inner = file["pre_tokenizer"];
  for (int i = 0; i < 20; ++i) {
    inner = {{"type", "Sequence"}, {"pretokenizers", {inner}}};
  }
  file["pre_tokenizer"] = inner;
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_FALSE(data.isOk());
  EXPECT_THAT(data.status().message(), HasSubstr("is nested more than 8 deep"));
}

TEST(TokenizerFilesTest, FilesHaveALargestSize) {
  // The file has one byte more than 128 MiB. Most of it is a hole, which takes
  // no space on the disk.
  const std::string path = testing::TempDir() + "tokenizer-too-large.json";
  std::ofstream(path).put('{');
  std::filesystem::resize_file(path, (uint64_t{128} << 20) + 1);
  const Status status = readTokenizer(path, "").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(),
              HasSubstr("has 134217729 bytes; a file of a vocabulary may have "
                        "at most 134217728"));
  std::filesystem::remove(path);
}

TEST(TokenizerFilesTest, VocabAndMerges) {
  json llama3 = json::parse(slurp(fileOf("llama3")), nullptr, false);
  std::string merges = "#version: 0.2\n";
  for (const json &merge : llama3["model"]["merges"]) {
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() +
              "\r\n";
  }
  Result<TokenizerData> data =
      parseVocabAndMerges(llama3["model"]["vocab"].dump(), merges, "llama-bpe");
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->merges.size(), llama3["model"]["merges"].size());
  Result<TokenizerData> whole = readTokenizer(fileOf("llama3"), "");
  ASSERT_TRUE(whole.isOk());
  const char *text = "there's time for 2026 caf\xc3\xa9s";
  EXPECT_EQ(tokenizerOf(*std::move(data)).encode(text, false, false),
            tokenizerOf(*std::move(whole)).encode(text, false, false));
  EXPECT_FALSE(parseVocabAndMerges("[]", "", "gpt-2").isOk());
  data = parseVocabAndMerges("{\"a\": 0, \"b\": 1}", "ab\n", "gpt-2");
  ASSERT_FALSE(data.isOk());
  EXPECT_THAT(data.status().message(), HasSubstr("must be two pieces"));
}

// ---- tokenizer.model --------------------------------------------------------

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes += static_cast<char>(value | 0x80);
  }
  return bytes + static_cast<char>(value);
}
std::string number(uint64_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string message(uint64_t field, const std::string &bytes) {
  return varint((field << 3) | 2) + varint(bytes.size()) + bytes;
}
std::string piece(const std::string &text, float score, uint64_t type) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  return message(1, message(1, text) + varint((2 << 3) | 5) + bits +
                        number(3, type));
}

/// The bytes of a sentencepiece model, a protobuf message, with the vocabulary
/// `data`.
std::string modelOf(const TokenizerData &data, uint64_t type,
                    const std::string &more = "") {
  std::string bytes;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    bytes += piece(data.tokens[i], data.scores[i],
                   static_cast<uint64_t>(data.types[i]));
  }
  return bytes + message(2, number(3, type)) + more;
}

TEST(SentencePieceModelTest, Unigram) {
  TokenizerData gguf = vocabularyOf(inputs("tokenizers/unigram.gguf"));
  Result<TokenizerData> data = parseSentencePieceModel(
      modelOf(gguf, 1, message(3, message(2, gguf.charsmap) + number(3, 1))));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Unigram);
  EXPECT_EQ(data->tokens, gguf.tokens);
  EXPECT_EQ(data->scores, gguf.scores);
  EXPECT_EQ(data->types, gguf.types);
  EXPECT_EQ(data->charsmap, gguf.charsmap);
  EXPECT_TRUE(data->removeExtraWhitespaces);
  EXPECT_TRUE(data->addEos);
  const char *text = " the  time \xef\xac\x81";
  EXPECT_EQ(tokenizerOf(*std::move(data)).encode(text, true, true),
            tokenizerOf(std::move(gguf)).encode(text, true, true));
}

TEST(SentencePieceModelTest, Bpe) {
  TokenizerData tiny = vocabularyOf(inputs("models/tiny/llama2.gguf"));
  Result<TokenizerData> data =
      parseSentencePieceModel(modelOf(tiny, 2, message(3, number(4, 0))));
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->kind, TokenizerKind::Spm);
  EXPECT_EQ(data->bos, 1);
  EXPECT_EQ(data->eos, 2);
  EXPECT_TRUE(data->addBos);
  EXPECT_FALSE(data->addEos);
  const char *text = "Once upon a time\n\xe6\xbc\xa2";
  EXPECT_EQ(tokenizerOf(*std::move(data)).encode(text, true, true),
            tokenizerOf(std::move(tiny)).encode(text, true, true));
}

TEST(SentencePieceModelTest, Refused) {
  TokenizerData tiny = vocabularyOf(inputs("models/tiny/llama2.gguf"));
  const struct {
    const char *message;
    ErrorCode code;
    std::string bytes;
  } cases[] = {
      {"it has no pieces", kCorrupt, ""},
      {"a field has 100 bytes, but only 1 are left", kCorrupt, "\x0a\x64x"},
      {"it ends inside a number", kCorrupt, "\x0a"},
      {"a number has more than 64 bits", kCorrupt, std::string(11, '\xff')},
      {"field 1 has the wire type 3", kCorrupt, "\x0b"},
      {"piece 0 has the type 7", kCorrupt, piece("a", 0, 7)},
      {"has the type 3; only 1 (unigram) and 2 (BPE)", kUnsupported,
       modelOf(tiny, 3)},
      {"treat_whitespace_as_suffix", kUnsupported,
       modelOf(tiny, 2, message(2, number(24, 1)))},
      {"escape_whitespaces", kUnsupported,
       modelOf(tiny, 2, message(3, number(5, 0)))},
      {"is of the type BPE and has normalisation rules", kUnsupported,
       modelOf(tiny, 2, message(3, message(2, "x")))},
  };
  for (const auto &each : cases) {
    Result<TokenizerData> data = parseSentencePieceModel(each.bytes);
    ASSERT_FALSE(data.isOk()) << each.message;
    EXPECT_THAT(data.status().message(), HasSubstr(each.message));
    EXPECT_EQ(data.status().code(), each.code);
  }
}

TEST(TokenizerFilesTest, DamagedFilesAreHarmless) {
  std::mt19937 random(3);
  TokenizerData gguf = vocabularyOf(inputs("tokenizers/unigram.gguf"));
  std::vector<std::string> seeds = {
      modelOf(gguf, 1, message(3, message(2, gguf.charsmap)))};
  for (const char *name : {"llama3", "prepend", "unigram", "wordpiece"}) {
    seeds.push_back(slurp(fileOf(name)));
  }
  for (int round = 0; round < 400; ++round) {
    std::string bytes = seeds[static_cast<size_t>(round) % seeds.size()];
    for (int i = 0; i < 1 + round % 4; ++i) {
      size_t at = random() % bytes.size();
      switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 20);
        break;
      default:
        bytes[at] = "0123456789-[]{}\",:tfn"[random() % 21];
      }
    }
    EXPECT_EQ(
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()),
                               bytes.size()),
        0);
  }
}

} // namespace
