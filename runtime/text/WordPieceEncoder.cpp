//===- WordPieceEncoder.cpp - the tokenizer of BERT -----------------------===//
#include "runtime/text/WordPieceEncoder.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/SpaceMark.h"

namespace air::rt {
namespace {

constexpr size_t kLongestWord = 100;

CodePointSet setOf(std::initializer_list<std::string_view> properties) {
  CodePointSet set;
  for (std::string_view property : properties) {
    set.add(*codePointsWith(property));
  }
  return set;
}

/// Characters that are left out: control and format characters, and those for
/// private use. Unassigned code points stay.
bool isRemoved(uint32_t c) {
  static const CodePointSet set = setOf({"Cc", "Cf", "Co"});
  if (c < 0x7f) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
  }
  return c == 0xfffd || set.contains(c);
}

bool isAccent(uint32_t c) {
  static const CodePointSet set = setOf({"Mn"});
  return c >= 0x300 && set.contains(c);
}

bool isSpace(uint32_t c) {
  if (c < 0x80) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  }
  return whiteSpace().contains(c);
}

/// Characters that are words of their own. The ranges are those of the
/// tokenizers library, in which one range begins at U+2B920, although its
/// Unicode block begins at U+2B820.
bool standsAlone(uint32_t c) {
  static const CodePointSet punctuation = setOf({"P"});
  static const CodePointSet ideographs({{0x3400, 0x4dbf},
                                        {0x4e00, 0x9fff},
                                        {0xf900, 0xfaff},
                                        {0x20000, 0x2a6df},
                                        {0x2a700, 0x2b81f},
                                        {0x2b920, 0x2ceaf},
                                        {0x2f800, 0x2fa1f}});
  if (c < 0x80) {
    return (c > 0x20 && c < '0') || (c > '9' && c < 'A') ||
           (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7f);
  }
  return punctuation.contains(c) || ideographs.contains(c);
}

bool isAscii(std::string_view text) {
  for (char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) {
      return false;
    }
  }
  return true;
}

/// Returns `text` without ill-formed bytes and the characters of isRemoved().
std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    if (step.kind == Utf8Step::Whole && !isRemoved(step.codePoint)) {
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
    if (isRemoved(c) || (stripAccents && isAccent(c))) {
      continue;
    }
    if (isSpace(c)) {
      flush();
      continue;
    }
    bool isAlone = standsAlone(c);
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
