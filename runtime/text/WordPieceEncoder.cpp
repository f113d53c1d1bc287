//===- WordPieceEncoder.cpp - the tokenizer of BERT -----------------------===//
#include "runtime/text/WordPieceEncoder.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/BertCharacters.h"
#include "runtime/text/SpaceMark.h"

namespace air::rt {
namespace {

constexpr size_t kLongestWord = 100;

bool isAscii(std::string_view text) {
  for (char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) {
      return false;
    }
  }
  return true;
}

/// Returns `text` without ill-formed bytes and without the characters of
/// isBertRemoved().
std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    if (step.kind == Utf8Step::Whole && !isBertRemoved(step.codePoint)) {
      out += text.substr(0, step.length);
    }
    text.remove_prefix(step.length);
  }
  return out;
}

} // namespace

WordPieceEncoder WordPieceEncoder::create(const TokenizerData &data,
                                          Vocabulary &vocabulary) {
  WordPieceEncoder encoder(vocabulary);
  encoder.lowercase = data.lowercase;
  encoder.stripAccents = data.stripAccents;
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::vector<int32_t> found;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    std::string_view token = data.tokens[i];
    bool isText = data.types[i] != TokenType::Control &&
                  data.types[i] != TokenType::Unknown;
    if (isText && token.starts_with(kSpaceMark)) {
      token.remove_prefix(kSpaceMark.size());
      vocabulary.table.add(" " + std::string(token));
    } else {
      vocabulary.table.add(token);
    }
    // A user-defined token is found before a text is encoded, unless the file
    // spells it with U+2581 at its beginning. Then it is found as a piece.
    if (isText && (data.types[i] != TokenType::UserDefined ||
                   data.tokens[i].starts_with(kSpaceMark))) {
      found.push_back(static_cast<int32_t>(i));
    }
  }
  std::vector<ByteTrie::Piece> pieces;
  pieces.reserve(found.size());
  for (int32_t id : found) {
    pieces.push_back({vocabulary.table[id], id});
  }
  encoder.pieces = ByteTrie(std::move(pieces));
  return encoder;
}

void WordPieceEncoder::encode(std::string_view text, Place,
                              std::vector<int32_t> &ids) const {
  std::string changed;
  if (!isAscii(text)) {
    changed = cleaned(text);
    if (stripAccents) {
      changed = normalized(changed, NormalForm::D);
    }
    text = changed;
  }
  if (lowercase) {
    changed = lowerCased(text);
    text = changed;
  }
  std::string word = " ";
  size_t characters = 0;
  auto flush = [&] {
    if (characters != 0) {
      encodeWord(word, characters, ids);
    }
    word.resize(1);
    characters = 0;
  };
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    text.remove_prefix(step.length);
    uint32_t c = step.codePoint;
    if (isBertRemoved(c) || (stripAccents && isBertAccent(c))) {
      continue;
    }
    if (isBertSpace(c)) {
      flush();
      continue;
    }
    bool isAlone = isBertPunctuation(c) || isBertIdeograph(c);
    if (isAlone) {
      flush();
    }
    appendUtf8(c, word);
    ++characters;
    if (isAlone) {
      flush();
    }
  }
  flush();
}

void WordPieceEncoder::encodeWord(std::string_view spacedWord,
                                  size_t characters,
                                  std::vector<int32_t> &ids) const {
  size_t before = ids.size();
  bool fits = characters <= kLongestWord;
  for (size_t at = 0; fits && at < spacedWord.size();) {
    ByteTrie::Match match = pieces.longest(spacedWord.substr(at));
    // The first piece must contain more than the space before the word.
    fits = match.length > (at == 0 ? 1 : 0);
    ids.push_back(match.id);
    at += match.length;
  }
  if (!fits) {
    ids.resize(before);
    ids.push_back(vocabulary->unknown);
  }
}

} // namespace air::rt
