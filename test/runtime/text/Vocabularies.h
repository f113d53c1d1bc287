//===- Vocabularies.h - where the tests find vocabularies -------*- C++ -*-===//
#ifndef AIRPACK_TEST_RUNTIME_TEXT_VOCABULARIES_H
#define AIRPACK_TEST_RUNTIME_TEXT_VOCABULARIES_H

#include "formats/gguf/GgufReader.h"
#include "runtime/text/Tokenizer.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace air::rt {

inline std::string inputs(const std::string &path) {
  return std::string(AIR_TEST_INPUTS) + "/" + path;
}

/// The path of a file in the third-party vectors, or "" if AIR_VECTORS does not
/// name their folder.
inline std::string thirdParty(const std::string &name) {
  const char *root = std::getenv("AIR_VECTORS");
  return root && *root ? std::string(root) + "/tokenizers/" + name
                       : std::string();
}

constexpr const char *kNoVectors =
    "AIR_VECTORS is not set: the third-party vocabularies are not at hand";

constexpr const char *kNoVocabularies =
    "AIR_VOCABULARIES is not set: llama.cpp's vocabularies are not at hand";

inline std::string slurp(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline TokenizerData vocabularyOf(const std::string &path) {
  Result<ModelSource> source = readGguf(path);
  EXPECT_TRUE(source.isOk()) << source.status().message();
  if (!source.isOk()) {
    return {};
  }
  Result<TokenizerData> data = readGgufTokenizer(*source);
  EXPECT_TRUE(data.isOk()) << data.status().message();
  return data.isOk() ? *std::move(data) : TokenizerData();
}

inline Tokenizer tokenizerOf(TokenizerData data) {
  Result<Tokenizer> tokenizer = Tokenizer::create(std::move(data));
  if (!tokenizer.isOk()) {
    ADD_FAILURE() << tokenizer.status().message();
    std::abort();
  }
  return *std::move(tokenizer);
}

/// A vocabulary for byte-level BPE. Each of the tokens 0 to 255 is a single
/// byte. GPT-2 spells each byte as a character, and the tokens are in the order
/// of the code points of these characters. One token per merge follows.
TokenizerData smallBpe(const std::vector<std::string> &merges,
                       const std::string &pre = "gpt-2");

/// An SPM vocabulary: <unk>, <s>, </s>, 256 byte tokens (ids 3 to 258), then
/// `pieces`. The first piece has the best score.
TokenizerData smallSpm(const std::vector<std::string> &pieces);

/// Byte-pair encoding by its definition: merges the first pair of the list that
/// occurs, until none occurs.
std::vector<std::string> mergedByDefinition(
    std::string_view word,
    const std::vector<std::pair<std::string, std::string>> &merges);

/// Appends a token of `type` and returns its id.
int32_t appendToken(TokenizerData &data, const std::string &text,
                    TokenType type);

} // namespace air::rt

#endif // AIRPACK_TEST_RUNTIME_TEXT_VOCABULARIES_H
