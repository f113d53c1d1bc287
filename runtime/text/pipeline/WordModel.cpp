//===- WordModel.cpp - from a word to ids ---------------------------------===//
#include "runtime/text/pipeline/WordModel.h"

#include "formats/support/Utf8.h"

namespace air::rt {
namespace {

/// Each word is a token.
class WordLevelModel final : public WordModel {
public:
  explicit WordLevelModel(const TokenizerData &data) : unknown(data.unknown) {
    for (size_t i = 0; i < data.tokens.size(); ++i) {
      const int32_t id = words.add(data.tokens[i]);
      if (isWordPiece(data, i)) {
        words.index(id);
      }
    }
  }
  void encode(std::string_view word, Scratch &,
              TokenOutput &out) const override {
    const int32_t id = words.find(word);
    out.ids.push_back(id == TokenTable::kAbsent ? unknown : id);
  }

private:
  TokenTable words;
  int32_t unknown;
};

/// Encodes a word as the longest piece that it begins with, then the longest
/// piece that follows there, and so on. A word that has too many characters, or
/// that pieces do not cover in this way, becomes the unknown token.
class WordPieceModel final : public WordModel {
public:
  explicit WordPieceModel(const TokenizerData &data)
      : longest(data.rules.pipeline.longestWord), unknown(data.unknown) {
    const std::string &prefix = data.rules.pipeline.wordPrefix;
    std::vector<ByteTrie::Piece> all;
    std::vector<ByteTrie::Piece> rest;
    for (size_t i = 0; i < data.tokens.size(); ++i) {
      if (!isWordPiece(data, i)) {
        continue;
      }
      const std::string_view token = data.tokens[i];
      const auto id = static_cast<int32_t>(i);
      all.push_back({token, id});
      if (token.starts_with(prefix)) {
        rest.push_back({token.substr(prefix.size()), id});
      }
    }
    first = ByteTrie(std::move(all));
    later = ByteTrie(std::move(rest));
  }
  void encode(std::string_view word, Scratch &,
              TokenOutput &out) const override {
    std::vector<int32_t> &ids = out.ids;
    const size_t before = ids.size();
    bool fits = characters(word) <= longest;
    for (size_t at = 0; fits && at < word.size();) {
      const ByteTrie::Match match =
          (at == 0 ? first : later).longest(word.substr(at));
      fits = match.length != 0;
      ids.push_back(match.id);
      at += match.length;
    }
    if (!fits) {
      ids.resize(before);
      ids.push_back(unknown);
    }
  }

private:
  static size_t characters(std::string_view word) {
    size_t count = 0;
    for (const char c : word) {
      count += (static_cast<uint8_t>(c) & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
  }

  ByteTrie first;
  ByteTrie later;
  uint32_t longest;
  int32_t unknown;
};

} // namespace

Result<std::unique_ptr<WordModel>> makeWordModel(const TokenizerData &data) {
  switch (data.kind) {
  case TokenizerKind::Bpe:
    return makeWordBpe(data);
  case TokenizerKind::Unigram:
    return makeWordUnigram(data);
  case TokenizerKind::WordPiece:
    return std::unique_ptr<WordModel>(new WordPieceModel(data));
  case TokenizerKind::WordLevel:
    return std::unique_ptr<WordModel>(new WordLevelModel(data));
  case TokenizerKind::None:
  case TokenizerKind::Spm:
  case TokenizerKind::Rwkv:
    break;
  }
  return internalError("tokenizer: a vocabulary of the kind None, Spm or Rwkv "
                       "cannot have a pipeline");
}

} // namespace air::rt
