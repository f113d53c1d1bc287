//===- TokenizerVectorsTest.cpp - compares ids with references --*- C++ -*-===//
//
// The ids in NAME.json were computed by Hugging Face's `tokenizers` library
// (BPE) and sentencepiece (SPM). The cases in vocab/NAME.inp and .out are
// published in llama.cpp's test suite.
//
// With Qwen, texts decode to their Normalization Form C.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/text/unicode/Normalize.h"
#include "runtime/text/Detokenizer.h"

#include <map>
#include <nlohmann/json.hpp>

using namespace air;
using namespace air::rt;
using nlohmann::json;

namespace {

/// Returns the text that decoding the ids of `text` must result in. If
/// `composes` is true, this is the Normalization Form C of the text. An SPM
/// vocabulary encodes U+2581 like a space, so U+2581 is decoded as a space.
std::string readBack(const Tokenizer &tokenizer, std::string text,
                     bool composes) {
  if (composes) {
    return normalized(text, NormalForm::C);
  }
  const std::string mark = "\xe2\x96\x81";
  for (size_t at = 0; tokenizer.addsSpacePrefix() &&
                      (at = text.find(mark, at)) != std::string::npos;) {
    text.replace(at, mark.size(), " ");
  }
  return text;
}

/// Encodes every text of the file and compares the ids with the file's ids. If
/// a text is in `others`, the ids in `others` are expected instead.
void checkVectors(const Tokenizer &tokenizer, const std::string &vectorsPath,
                  bool parseSpecial, bool composes,
                  const std::map<std::string, json> &others = {}) {
  json cases = json::parse(slurp(vectorsPath), nullptr, false);
  ASSERT_TRUE(cases.is_array()) << vectorsPath;
  ASSERT_EQ(cases.size(), 247U);
  for (const json &each : cases) {
    auto text = each["text"].get<std::string>();
    auto other = others.find(text);
    auto ids = (other == others.end() ? each["ids"] : other->second)
                   .get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer.encode(text, false, parseSpecial), ids) << each["text"];
    EXPECT_EQ(decode(tokenizer, ids, parseSpecial),
              readBack(tokenizer, text, composes));
  }
}

class TinyVectorsTest : public testing::TestWithParam<const char *> {};

TEST_P(TinyVectorsTest, AllStrings) {
  std::string name = GetParam();
  Tokenizer tokenizer =
      tokenizerOf(vocabularyOf(inputs("models/tiny/" + name + ".gguf")));
  // The vectors of BPE vocabularies come from Hugging Face's `tokenizers`
  // library, which always parses the control tokens of a vocabulary. Those of
  // llama2 come from sentencepiece, which never parses them.
  checkVectors(tokenizer, inputs("tokenizers/tiny-" + name + ".json"),
               name != "llama2", name == "qwen2");
}

INSTANTIATE_TEST_SUITE_P(Tiny, TinyVectorsTest,
                         testing::Values("llama2", "llama3", "qwen2"),
                         [](const auto &info) { return info.param; });

TEST(StringsTest, TheVectorsAreOfTheseStrings) {
  json strings = json::parse(slurp(inputs("tokenizers/strings.json")));
  for (const char *name : {"llama2", "llama3", "qwen2"}) {
    json cases = json::parse(
        slurp(inputs(std::string("tokenizers/tiny-") + name + ".json")));
    ASSERT_EQ(cases.size(), strings.size());
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(cases[i]["text"], strings[i]);
    }
  }
}

std::string fileName(const char *vocabulary) {
  std::string name = vocabulary;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

class RealVectorsTest : public testing::TestWithParam<const char *> {};

TEST_P(RealVectorsTest, AllStrings) {
  std::string name = fileName(GetParam());
  if (thirdParty(name).empty()) {
    GTEST_SKIP() << kNoVectors;
  }
  Tokenizer tokenizer =
      tokenizerOf(vocabularyOf(thirdParty("vocab/" + name + ".gguf")));
  // The third-party vectors of Qwen 2 were made without the normalizer that
  // converts text to form C. For the texts that the normalizer changes,
  // qwen2-nfc.json has the correct ids.
  std::map<std::string, json> others;
  if (name == "qwen2") {
    json cases = json::parse(slurp(inputs("tokenizers/qwen2-nfc.json")));
    for (const json &each : cases) {
      others[each["text"].get<std::string>()] = each["ids"];
    }
    ASSERT_EQ(others.size(), 4U);
  }
  checkVectors(tokenizer, thirdParty(name + ".json"), false, name == "qwen2",
               others);
  for (const auto &[text, ids] : others) {
    EXPECT_EQ(tokenizer.encode(text, false, false),
              ids.get<std::vector<int32_t>>())
        << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Real, RealVectorsTest,
                         testing::Values("gpt_2", "llama_bpe", "qwen2",
                                         "llama_spm"),
                         [](const auto &info) { return info.param; });

std::vector<std::string> splitAt(const std::string &text,
                                 const std::string &separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t at = 0; (at = text.find(separator, start)) != std::string::npos;
       start = at + separator.size()) {
    parts.push_back(text.substr(start, at - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

/// Encodes the texts in `inputs` and compares the ids with the lines of
/// `outputs`. Both files are published in llama.cpp's repository.
void checkPublished(const std::string &vocabulary, const std::string &inputs,
                    const std::string &outputs) {
  TokenizerData data = vocabularyOf(vocabulary);
  const PreTokenizerRules *rules = preTokenizerRules(data.pre);
  bool composes = rules != nullptr && rules->composes;
  Tokenizer tokenizer = tokenizerOf(std::move(data));
  std::vector<std::string> texts =
      splitAt(slurp(inputs), "\n__ggml_vocab_test__\n");
  std::vector<std::string> lines = splitAt(slurp(outputs), "\n");
  ASSERT_GT(texts.size(), 40U);
  ASSERT_GE(lines.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::istringstream line(lines[i]);
    std::vector<int32_t> ids;
    for (int32_t id = 0; line >> id;) {
      ids.push_back(id);
    }
    if (composes && normalized(texts[i], NormalForm::C) != texts[i]) {
      // llama.cpp, which made the published ids, does not convert the text to
      // NFC as this vocabulary requires. So the ids of the converted text are
      // expected instead.
      ids = tokenizer.encode(normalized(texts[i], NormalForm::C), false, false);
    }
    EXPECT_EQ(tokenizer.encode(texts[i], false, false), ids) << texts[i];
  }
}

class PublishedCasesTest : public testing::TestWithParam<const char *> {};

TEST_P(PublishedCasesTest, All) {
  std::string name = fileName(GetParam());
  if (thirdParty(name).empty()) {
    GTEST_SKIP() << kNoVectors;
  }
  checkPublished(thirdParty("vocab/" + name + ".gguf"),
                 thirdParty("vocab/" + name + ".inp"),
                 thirdParty("vocab/" + name + ".out"));
}

INSTANTIATE_TEST_SUITE_P(Published, PublishedCasesTest,
                         testing::Values("gpt_2", "llama_bpe", "qwen2",
                                         "llama_spm", "phi_3"),
                         [](const auto &info) { return info.param; });

class VocabularyFolderTest : public testing::TestWithParam<const char *> {};

TEST_P(VocabularyFolderTest, All) {
  const char *folder = std::getenv("AIR_VOCABULARIES");
  if (folder == nullptr || *folder == '\0') {
    GTEST_SKIP() << kNoVocabularies;
  }
  std::string path =
      std::string(folder) + "/ggml-vocab-" + fileName(GetParam()) + ".gguf";
  checkPublished(path, path + ".inp", path + ".out");
}

INSTANTIATE_TEST_SUITE_P(
    LlamaCpp, VocabularyFolderTest,
    testing::Values("bert_bge", "command_r", "deepseek_coder", "deepseek_llm",
                    "falcon", "gemma_4", "gpt_2", "llama_bpe", "llama_spm",
                    "mpt", "phi_3", "qwen2", "qwen35", "refact", "starcoder"),
    [](const auto &info) { return info.param; });

} // namespace
