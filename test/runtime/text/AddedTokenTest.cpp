//===- AddedTokenTest.cpp - added tokens of tokenizer.json ----------------===//
//
// All ids are those that tokenizers 0.23.3 computes.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"

#include "formats/tokenizer/TokenizerFiles.h"
#include "runtime/text/Detokenizer.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace air;
using namespace air::rt;
using nlohmann::json;
using testing::ElementsAreArray;

namespace {

using Ids = std::vector<int32_t>;

struct AddedTokenCase {
  const char *name;
  const char *model;
  const char *added; ///< the elements of added_tokens
  const char *normalizer;
  const char *splitter;
  std::vector<std::pair<const char *, Ids>> texts;
};

/// Each character is a token. The line feed and the tab may also be added
/// tokens.
constexpr const char *kCharacters =
    R"({"type": "BPE", "unk_token": "?", "merges": [],
        "vocab": {"?": 0, "a": 1, "b": 2, " ": 3, "\n": 4, "\t": 5}})";
constexpr const char *kReplacesSpaces =
    R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
constexpr const char *kMarksSpaces =
    R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
        "split": true})";

const std::vector<AddedTokenCase> kCases = {
    // <x> drops the white space after it. An added token in this white space is
    // found nevertheless, and the white space after that token is kept as text.
    {"InDroppedWhiteSpace",
     kCharacters,
     R"({"id": 6, "content": "<x>", "normalized": false, "rstrip": true},
        {"id": 4, "content": "\n", "normalized": false},
        {"id": 5, "content": "\t", "normalized": false})",
     "null",
     "null",
     {{"<x>\n  a", {6, 4, 3, 3, 1}},
      {"<x> \na", {6, 4, 1}},
      {"<x>\n\t\na", {6, 4, 5, 4, 1}},
      {" <x> \n b\n", {3, 6, 4, 3, 2, 4}}}},
    {"NothingIsLeftOfTheSecond",
     kCharacters,
     R"({"id": 6, "content": "<x>", "normalized": false, "rstrip": true},
        {"id": 4, "content": "\n", "normalized": false, "lstrip": true})",
     "null",
     "null",
     {{"<x> \na", {6, 1}}, {"<x>a \n", {6, 1, 4}}}},
    // Each added token is also the result of a merge. So the model may produce
    // it where the text does not contain it literally, as in "b  b".
    {"MergesMakeThem",
     R"({"type": "BPE", "unk_token": "?",
         "merges": ["▁ ▁", "▁ a", "\n \n"],
         "vocab": {"?": 0, "a": 1, "b": 2, "▁": 3, "▁▁": 4, "▁a": 5,
                   "\n": 6, "\n\n": 7}})",
     R"({"id": 4, "content": "▁▁", "normalized": false},
        {"id": 7, "content": "\n\n", "normalized": false})",
     kReplacesSpaces,
     "null",
     {{"b  b", {2, 4, 2}},
      {"b  a", {2, 4, 1}},
      {"b▁▁b", {2, 4, 2}},
      {"b\n\nb", {2, 7, 2}},
      {"b   b", {2, 4, 3, 2}}}},
    // Next to a letter, the added token does not match. The model then encodes
    // the line feed as the same id, because its vocabulary has this token, too.
    {"CharacterOfBpe",
     R"({"type": "BPE", "unk_token": "?", "merges": [],
         "vocab": {"?": 0, "\n": 1, "b": 2, "▁": 3}})",
     R"({"id": 1, "content": "\n", "normalized": false, "single_word": true})",
     "null",
     R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
         "split": false})",
     {{"\nb", {3, 1, 2}}, {"\n b", {1, 3, 2}}}},
    {"PiecesOfUnigram",
     R"({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
         "vocab": [["?", 0], ["a", -1], ["b", -1.5], ["▁", -2],
                   ["ab", -2.25], ["▁a", -1]]})",
     R"({"id": 4, "content": "ab", "normalized": false, "single_word": true},
        {"id": 5, "content": "▁a", "normalized": false})",
     "null",
     kMarksSpaces,
     {{"ab", {4}}, {"abb", {5, 2, 2}}, {"a b", {5, 3, 2}}}},
    {"PiecesOfWordPiece",
     R"({"type": "WordPiece", "unk_token": "?",
         "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
         "vocab": {"?": 0, "a": 1, "##b": 2, "ab": 3}})",
     R"({"id": 3, "content": "ab", "normalized": false, "single_word": true})",
     R"({"type": "BertNormalizer", "clean_text": true, "lowercase": true,
         "handle_chinese_chars": true, "strip_accents": null})",
     R"({"type": "BertPreTokenizer"})",
     {{"ab", {3}}, {"abb", {3, 2}}, {"AB", {3}}}},
    // The normalizer has the type "Lowercase", so its field "prepend", which
    // belongs to the type "Prepend", has no effect.
    {"FieldOfAnotherType",
     R"({"type": "BPE", "unk_token": "?", "ignore_merges": true, "merges": [],
         "vocab": {"?": 0, "▁": 1, "e": 2, "x": 3, "a": 4}})",
     R"({"id": 4, "content": "a", "normalized": false})",
     R"({"type": "Lowercase", "prepend": "▁"})",
     R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never",
         "split": false})",
     {{"A", {4}}, {"a", {4}}, {"xA", {3, 4}}}},
};

Tokenizer made(const AddedTokenCase &one) {
  const std::string file = std::string(R"({"model": )") + one.model +
                           R"(, "added_tokens": [)" + one.added +
                           R"(], "normalizer": )" + one.normalizer +
                           R"(, "pre_tokenizer": )" + one.splitter + "}";
  Result<TokenizerData> data = parseTokenizerJson(file);
  EXPECT_TRUE(data.isOk()) << data.status().message();
  return tokenizerOf(*std::move(data));
}

class AddedTokenTest : public testing::TestWithParam<AddedTokenCase> {};

TEST_P(AddedTokenTest, AgreesWithTheLibrary) {
  const Tokenizer tokenizer = made(GetParam());
  for (const auto &[text, ids] : GetParam().texts) {
    EXPECT_THAT(tokenizer.encode(text, false, true), ElementsAreArray(ids))
        << json(text);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AddedTokenTest, testing::ValuesIn(kCases),
                         [](const auto &info) { return info.param.name; });

// Decoding replaces U+2581 with a space in added tokens, too.
TEST(AddedTokenTest, MarksBecomeSpaces) {
  const Tokenizer tokenizer = made(kCases[2]);
  EXPECT_EQ(decode(tokenizer, {2, 4, 2, 7}, false), "b  b\n\n");
}

// The special token "-" matches only where it is a word by itself. Elsewhere,
// the model encodes '-' as the byte token <0x2D>, and never as the special
// token.
TEST(AddedTokenTest, ASpecialTokenSpellsNoByte) {
  json vocab = json::object();
  for (const char c : std::string("abc")) {
    vocab[std::string(1, c)] = vocab.size();
  }
  vocab["<0x2D>"] = vocab.size();
  const json file = {{"model",
                      {{"type", "BPE"},
                       {"byte_fallback", true},
                       {"merges", json::array()},
                       {"vocab", vocab}}},
                     {"pre_tokenizer",
                      {{"type", "ByteLevel"},
                       {"add_prefix_space", false},
                       {"use_regex", true}}},
                     {"added_tokens",
                      {{{"id", 4},
                        {"content", "-"},
                        {"single_word", true},
                        {"special", true},
                        {"normalized", false}}}}};
  Result<TokenizerData> data = parseTokenizerJson(file.dump());
  ASSERT_TRUE(data.isOk()) << data.status().message();
  const Tokenizer tokenizer = tokenizerOf(*std::move(data));
  EXPECT_EQ(tokenizer.encode("b-", false, true), (Ids{1, 3}));
  EXPECT_EQ(tokenizer.encode("-", false, true), (Ids{4}));
}

} // namespace
