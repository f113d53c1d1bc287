//===- TokenizerConfigTest.cpp - tokenizer_config.json ----------*- C++ -*-===//
//
// make_configs.py has written the expected values to
// test/Inputs/tokenizers/configs.json. They are what Hugging Face's
// `transformers` library reads from the files that these tests write.
//
//===----------------------------------------------------------------------===//
#include "formats/tokenizer/TokenizerConfig.h"

#include "../../formats/support/TempFolder.h"
#include "Vocabularies.h"
#include "formats/model/CheckTokenizer.h"
#include "formats/tokenizer/TokenizerFiles.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

class TokenizerConfigTest : public test::TempFolder {
protected:
  void write(const std::string &name, const std::string &text) const {
    const std::filesystem::path file = folder / name;
    std::filesystem::create_directories(file.parent_path());
    writeText(file, text);
  }

  /// Writes the vocabulary `name` of test/Inputs/tokenizers/json and returns
  /// "". For "gpt2", writes the vocabulary llama3 as vocab.json and merges.txt,
  /// and returns the name of the pre-tokenizer that these two files need.
  std::string writeVocabulary(const std::string &name) const {
    std::filesystem::remove_all(folder);
    if (name != "gpt2") {
      write("tokenizer.json",
            slurp(inputs("tokenizers/json/" + name + ".json")));
      return "";
    }
    const json whole =
        json::parse(slurp(inputs("tokenizers/json/llama3.json")));
    std::string merges;
    for (const json &merge : whole["model"]["merges"]) {
      merges += merge[0].get<std::string>() + " " +
                merge[1].get<std::string>() + "\n";
    }
    write("vocab.json", whole["model"]["vocab"].dump());
    write("merges.txt", merges);
    return "gpt-2";
  }

  Result<TokenizerData> read(const std::string &pre = "") const {
    AIR_ASSIGN_OR_RETURN(TokenizerData data, readTokenizer(folder, pre));
    AIR_RETURN_IF_ERROR(readTokenizerConfig(folder, data));
    return data;
  }

  /// Reads a folder with the test vocabulary llama3 and `config` as its
  /// tokenizer_config.json. In this vocabulary, <s> has the id 0 and </s> the
  /// id 1, and texts begin with <s>.
  TokenizerData with(const std::string &config) const {
    writeVocabulary("llama3");
    write("tokenizer_config.json", config);
    Result<TokenizerData> data = read();
    EXPECT_TRUE(data.isOk()) << data.status().message();
    return data.isOk() ? *std::move(data) : TokenizerData();
  }
};

TEST_F(TokenizerConfigTest, AgreesWithTransformers) {
  const json cases = json::parse(slurp(inputs("tokenizers/configs.json")));
  ASSERT_EQ(cases.size(), 19U);
  for (const json &each : cases) {
    const std::string pre = writeVocabulary(each["vocabulary"]);
    write("tokenizer_config.json", each["config"].dump());
    for (const auto &[name, text] : each["files"].items()) {
      write(name, text);
    }
    Result<TokenizerData> data = read(pre);
    ASSERT_TRUE(data.isOk()) << data.status().message();
    std::map<std::string, std::string> templates = data->namedTemplates;
    if (!data->chatTemplate.empty()) {
      templates["default"] = data->chatTemplate;
    }
    EXPECT_EQ(json(templates), each["templates"]) << each;
    const auto id = [&](const char *name) {
      return each[name].is_null() ? TokenizerData::kNoToken
                                  : each[name].get<int32_t>();
    };
    // The `transformers` library has no BOS if tokenizer_config.json names
    // none, even if tokenizer.json adds a token to the beginning of each text.
    if (each["config"].contains("bos_token")) {
      EXPECT_EQ(data->bos, id("bos")) << each;
    }
    EXPECT_EQ(data->eos, id("eos")) << each;
    EXPECT_EQ(data->padding, id("pad")) << each;
    // transformers has no unknown token if tokenizer_config.json names none,
    // even if the model of tokenizer.json has one.
    if (each["config"].contains("unk_token")) {
      EXPECT_EQ(data->unknown, id("unk")) << each;
    }
    const Tokenizer tokenizer = tokenizerOf(*std::move(data));
    const char *texts[] = {"the time", "the</s>"};
    for (size_t i = 0; i < std::size(texts); ++i) {
      EXPECT_EQ(tokenizer.encode(texts[i], true, true),
                each["ids"][i].get<std::vector<int32_t>>())
          << each;
    }
  }
}

TEST_F(TokenizerConfigTest, EosEndsAnAnswer) {
  const TokenizerData data = with(R"({"eos_token": "</s>"})");
  EXPECT_EQ(data.eos, 1);
  EXPECT_THAT(data.endOfGeneration, ElementsAre(1));
  EXPECT_THAT(data.notes, IsEmpty());
}

TEST_F(TokenizerConfigTest, WhatIsIgnoredHasANote) {
  EXPECT_THAT(with(R"({"eos_token": "<none>"})").notes,
              ElementsAre("'eos_token' of tokenizer_config.json is ignored, "
                          "because the vocabulary has no token '<none>'"));
  EXPECT_THAT(
      with(R"({"add_bos_token": false, "add_eos_token": false})").notes,
      ElementsAre("'add_bos_token' of tokenizer_config.json is "
                  "ignored, because tokenizer.json says which tokens begin "
                  "and end a text"));
  // The vocabulary "words" has the unknown token <unk>.
  writeVocabulary("words");
  write("tokenizer_config.json", R"({"unk_token": "<s>"})");
  EXPECT_THAT(read()->notes,
              ElementsAre("'unk_token' of tokenizer_config.json is ignored, "
                          "because the vocabulary names a different token, "
                          "'<unk>'"));
  // The vocabulary "llama3" has no unknown token. The test also removes the
  // token of byte 0.
  json whole = json::parse(slurp(inputs("tokenizers/json/llama3.json")));
  json &vocab = whole["model"]["vocab"];
  vocab["<none>"] = vocab["\u0100"];
  vocab.erase("\u0100"); // the spelling of byte 0
  write("tokenizer.json", whole.dump());
  EXPECT_THAT(read()->notes,
              ElementsAre("'unk_token' of tokenizer_config.json is ignored, "
                          "because the vocabulary has no unknown token, and "
                          "leaves out what has no token"));
  const TokenizerData data = with(R"({"bos_token": "</s>"})");
  EXPECT_EQ(data.bos, 0);
  EXPECT_THAT(data.notes,
              ElementsAre("'bos_token' of tokenizer_config.json is ignored, "
                          "because tokenizer.json adds a different token, "
                          "'<s>', to each text"));
}

// In "llama3", "!" is the only token of the byte 33. When a configuration makes
// it a special token, the byte must still be encoded as this token.
TEST_F(TokenizerConfigTest, ASpecialTokenMayBeTheOnlyTokenOfAByte) {
  const json whole = json::parse(slurp(inputs("tokenizers/json/llama3.json")));
  const int32_t id = whole["model"]["vocab"]["!"];
  for (const char *field : {"pad_token", "unk_token", "eos_token"}) {
    const TokenizerData data = with(json{{field, "!"}}.dump());
    EXPECT_EQ(field[0] == 'p'   ? data.padding
              : field[0] == 'u' ? data.unknown
                                : data.eos,
              id);
    EXPECT_THAT(data.notes, IsEmpty());
    const Status usable = checkTokenizer(data);
    EXPECT_TRUE(usable.isOk()) << field << ": " << usable.message();
    // "!" is now a special token, so user text is not searched for it. The text
    // "!" is still encoded as this token, because the token also stands for the
    // byte 33.
    const Tokenizer tokenizer = tokenizerOf(data);
    EXPECT_THAT(tokenizer.encode("!", false, false), ElementsAre(id)) << field;
    EXPECT_THAT(tokenizer.encode("!", false, true), ElementsAre(id)) << field;
  }
}

// <x> is a word of the model, and also an added token that is not special.
// tokenizer_config.json makes it a control token. From then on, only a text
// that is searched for control tokens is encoded with it.
TEST_F(TokenizerConfigTest, TextDoesNotSpellAControlTokenOfThePipeline) {
  const json words = {
      {"added_tokens", {{{"id", 3}, {"content", "<x>"}, {"special", false}}}},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"model",
       {{"type", "WordLevel"},
        {"vocab", {{"[UNK]", 0}, {"a", 1}, {"b", 2}, {"<x>", 3}}},
        {"unk_token", "[UNK]"}}}};
  write("tokenizer.json", words.dump());
  // If an added token is not special, Hugging Face's library finds it in every
  // text, even in one that is not searched for control tokens.
  EXPECT_THAT(tokenizerOf(*read()).encode("a <x> b", false, false),
              ElementsAre(1, 3, 2));
  write("tokenizer_config.json", R"({"eos_token": "<x>"})");
  EXPECT_THAT(tokenizerOf(*read()).encode("a <x> b", false, false),
              ElementsAre(1, 0, 2));
  EXPECT_THAT(tokenizerOf(*read()).encode("a <x> b", false, true),
              ElementsAre(1, 3, 2));
  // Plans allow the flag only for user-defined tokens.
  EXPECT_EQ(read()->matching[3] & match_flags::kPiece, 0);
}

TEST_F(TokenizerConfigTest, SpecialTokensOfVocabulariesWithAPipeline) {
  // Adds a normalizer that strips white space, which only a pipeline can do.
  const auto with = [&](const char *name, const json &config) {
    json file = json::parse(
        slurp(inputs("tokenizers/json/" + std::string(name) + ".json")));
    file["normalizer"] = {{"type", "Strip"}, {"strip_left", true}};
    write("tokenizer.json", file.dump());
    write("tokenizer_config.json", config.dump());
    Result<TokenizerData> data = read();
    EXPECT_TRUE(data.isOk() && data->rules.pipeline.isSet);
    return *std::move(data);
  };
  // "!" is the only token of the byte 33, so this byte must be encoded as "!"
  // although it is now a special token.
  const TokenizerData bytes = with("llama3", {{"pad_token", "!"}});
  EXPECT_THAT(tokenizerOf(bytes).encode("!", false, false),
              ElementsAre(bytes.padding));
  // In a WordPiece vocabulary, a token that begins a word has no "##" before
  // it, so the name "the" stands for the token "the".
  const TokenizerData words = with("wordpiece", {{"pad_token", "the"}});
  ASSERT_NE(words.padding, TokenizerData::kNoToken);
  EXPECT_EQ(words.tokens[static_cast<size_t>(words.padding)], "the");
}

TEST_F(TokenizerConfigTest, Malformed) {
  const std::pair<const char *, const char *> cases[] = {
      {"{", "the file is not valid JSON"},
      {"[]", "the file is not a JSON object"},
      {R"({"bos_token": 1})", "'bos_token' must be the text of a token"},
      {R"({"eos_token": {}})", "'eos_token' must be the text of a token"},
      {R"({"eos_token": {"content": null}})", "'eos_token' must be the text"},
      {R"({"unk_token": 1})", "'unk_token' must be the text of a token"},
      {R"({"pad_token": 1})", "'pad_token' must be the text of a token"},
      {R"({"add_bos_token": 1})", "'add_bos_token' is not a boolean"},
      {R"({"chat_template": 1})", "'chat_template' must be a string, or"},
      {R"({"chat_template": ["x"]})",
       "'chat_template[0]' is not a JSON object"},
      {R"({"chat_template": [{"name": "a"}]})",
       "'chat_template[0].template' is missing"},
      {R"({"chat_template": [{"template": "a"}]})",
       "'chat_template[0].name' is missing"},
  };
  for (const auto &[text, message] : cases) {
    writeVocabulary("llama3");
    write("tokenizer_config.json", text);
    const Result<TokenizerData> data = read();
    ASSERT_FALSE(data.isOk()) << text;
    EXPECT_EQ(data.status().code(), ErrorCode::Corrupt);
    EXPECT_THAT(data.status().message(), HasSubstr(message));
    EXPECT_THAT(data.status().message(), HasSubstr("tokenizer_config.json'"));
  }
}

TEST_F(TokenizerConfigTest, TemplatesWithoutAConfig) {
  writeVocabulary("llama3");
  write("chat_template.jinja", "C");
  write("additional_chat_templates/rag.jinja", "R");
  write("additional_chat_templates/notes.txt", "N");
  write("additional_chat_templates/a\nb.jinja", "B");
  const Result<TokenizerData> data = read();
  ASSERT_TRUE(data.isOk()) << data.status().message();
  EXPECT_EQ(data->chatTemplate, "C");
  EXPECT_EQ(data->namedTemplates,
            (std::map<std::string, std::string>{{"rag", "R"}}));
  ASSERT_EQ(data->notes.size(), 1U);
  EXPECT_THAT(data->notes[0], HasSubstr("is left out, because its name must"));
}

TEST_F(TokenizerConfigTest, AFileAloneSaysNothing) {
  writeVocabulary("llama3");
  write("tokenizer_config.json", R"({"eos_token": "</s>"})");
  const std::string file = path("tokenizer.json");
  Result<TokenizerData> data = readTokenizer(file, "");
  ASSERT_TRUE(data.isOk());
  EXPECT_TRUE(readTokenizerConfig(file, *data).isOk());
  EXPECT_EQ(data->eos, TokenizerData::kNoToken);
}

// Each file is 1 TiB long, but nearly all of it is a hole, which takes no space
// on the disk.
TEST_F(TokenizerConfigTest, AHugeVocabularyIsRefusedBeforeItIsRead) {
  const auto pre = writeVocabulary("gpt2");
  for (const char *name :
       {"merges.txt", "vocab.json", "tokenizer.model", "tokenizer.json"}) {
    writeText(path(name), "{");
    std::filesystem::resize_file(path(name), uint64_t{1} << 40);
    const Result<TokenizerData> data = readTokenizer(
        folder, std::string(name).starts_with("tokenizer") ? "" : pre);
    ASSERT_FALSE(data.isOk()) << name;
    EXPECT_EQ(data.status().code(), ErrorCode::DoesNotFit);
    EXPECT_THAT(data.status().message(),
                HasSubstr("has 1099511627776 bytes; a file of a vocabulary may "
                          "have at most"));
  }
}

} // namespace
