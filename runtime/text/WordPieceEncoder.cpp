//===- WordPieceEncoder.cpp - the tokenizer of BERT -----------------------===//
#include "runtime/text/WordPieceEncoder.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/BertCharacters.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>

namespace air::rt {
namespace {

/// A word with more characters than this becomes the unknown token. 100 is the
/// default of max_input_chars_per_word in Hugging Face's tokenizers library.
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

/// Returns where the first stretch of `text` ends. Stretches are prepared one
/// after the other, so that no copy of the whole text is needed. Each but the
/// last ends before a character that cleaned() keeps, that decomposition does
/// not change, and across which decomposition moves no combining mark. The
/// result therefore does not depend on where the stretches end.
size_t stretchEnd(std::string_view text) {
  constexpr size_t kLeast = size_t{1} << 16;
  size_t at = std::min(kLeast, text.size());
  while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) {
    ++at;
  }
  while (at < text.size()) {
    const Utf8Step step = decodeUtf8(text.substr(at));
    if (step.kind == Utf8Step::Whole &&
        isInert(step.codePoint, NormalForm::D) &&
        !isBertRemoved(step.codePoint)) {
      break;
    }
    at += step.length;
  }
  return at;
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

/// The word that is being read. It begins with a space.
struct WordPieceEncoder::Word {
  std::string text = " ";
  size_t characters = 0;
};

bool WordPieceEncoder::encode(std::string_view text, Place, Scratch *,
                              TokenOutput &out) const {
  Word word;
  while (!text.empty()) {
    const size_t end = stretchEnd(text);
    readStretch(text.substr(0, end), word, out);
    text.remove_prefix(end);
  }
  finish(word, out);
  return true;
}

void WordPieceEncoder::readStretch(std::string_view text, Word &word,
                                   TokenOutput &out) const {
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
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    text.remove_prefix(step.length);
    uint32_t c = step.codePoint;
    if (isBertRemoved(c) || (stripAccents && isBertAccent(c))) {
      continue;
    }
    if (isBertSpace(c)) {
      finish(word, out);
      continue;
    }
    bool isAlone = isBertPunctuation(c) || isBertIdeograph(c);
    if (isAlone) {
      finish(word, out);
    }
    // Longer words become unknown, whatever their characters are.
    if (word.characters <= kLongestWord) {
      appendUtf8(c, word.text);
      ++word.characters;
    }
    if (isAlone) {
      finish(word, out);
    }
  }
}

/// Appends the ids of `word` if it has any characters. Then makes it empty, so
/// that the next word can be read.
void WordPieceEncoder::finish(Word &word, TokenOutput &out) const {
  if (word.characters != 0) {
    encodeWord(word, out.ids);
    out.passOn();
  }
  word.text.resize(1);
  word.characters = 0;
}

void WordPieceEncoder::encodeWord(const Word &word,
                                  std::vector<int32_t> &ids) const {
  const std::string_view spacedWord = word.text;
  size_t before = ids.size();
  bool fits = word.characters <= kLongestWord;
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
