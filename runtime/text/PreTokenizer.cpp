//===- PreTokenizer.cpp - one state machine per expression ------*- C++ -*-===//
#include "runtime/text/PreTokenizer.h"

#include "formats/model/PreTokenizerNames.h"
#include "formats/support/Utf8.h"
#include "runtime/text/CharClass.h"

namespace air::rt {
namespace {

struct Char {
  uint32_t codePoint = 0;
  uint8_t classes = 0;
  uint8_t length = 0; ///< 0 at the end of the text

  bool is(uint8_t classMask) const { return (classes & classMask) != 0; }
  /// True for a character that belongs to none of the classes in `classMask`.
  bool isOther(uint8_t classMask) const {
    return length != 0 && (classes & classMask) == 0;
  }
};

Char charAt(std::string_view text, size_t position) {
  if (position >= text.size()) {
    return {};
  }
  Utf8Step step = decodeUtf8(text.substr(position));
  if (step.kind != Utf8Step::Whole) {
    return {0xfffd, 0, 1};
  }
  return {step.codePoint, classOf(step.codePoint), step.length};
}

/// The end of the run of characters of the classes in `classMask` that begins
/// at `position`.
size_t skipClass(std::string_view text, size_t position, uint8_t classMask) {
  Char c = charAt(text, position);
  while (c.is(classMask)) {
    position += c.length;
    c = charAt(text, position);
  }
  return position;
}

/// The classes of the characters at which skipSymbols() stops.
constexpr uint8_t kWordOrSpace = kLetter | kNumber | kSpace;
/// The end of the match of [^\s\p{L}\p{N}]* at `position`.
size_t skipSymbols(std::string_view text, size_t position) {
  Char c = charAt(text, position);
  while (c.isOther(kWordOrSpace)) {
    position += c.length;
    c = charAt(text, position);
  }
  return position;
}

/// The end of the match of 's|'t|'re|'ve|'m|'ll|'d at `position`, or `position`
/// itself if there is none. If case is ignored, U+017F (long s) matches s too.
size_t skipContraction(std::string_view text, size_t position,
                       bool ignoreCase) {
  if (text[position] != '\'') {
    return position;
  }
  auto letterAt = [&](size_t at) -> uint32_t {
    uint32_t c = charAt(text, at).codePoint;
    if (ignoreCase && c >= 'A' && c <= 'Z') {
      return c - 'A' + 'a';
    }
    return ignoreCase && c == 0x17f ? 's' : c;
  };
  size_t after = position + 1;
  size_t firstLength = charAt(text, after).length;
  if (firstLength == 0) {
    return position;
  }
  uint32_t first = letterAt(after);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') {
    return after + firstLength;
  }
  uint32_t second = letterAt(after + 1);
  bool pair = ((first == 'r' || first == 'v') && second == 'e') ||
              (first == 'l' && second == 'l');
  return pair ? after + 2 : position;
}

/// The end of the match of \s+(?!\S)|\s+ at `position`: a run of white space
/// without its last character, which belongs to the next piece. A run at the
/// end of the text, or of a single character, is taken whole.
size_t skipSpaces(std::string_view text, size_t position) {
  size_t start = position;
  size_t last = position;
  Char c = charAt(text, position);
  while (c.is(kSpace)) {
    last = position;
    position += c.length;
    c = charAt(text, position);
  }
  return c.length == 0 || last == start ? position : last;
}

/// The end of the piece at `position`, by the expression of GPT-2:
/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// https://github.com/openai/gpt-2/blob/master/src/encoder.py
size_t nextGpt2(std::string_view text, size_t position) {
  size_t contraction = skipContraction(text, position, false);
  if (contraction != position) {
    return contraction;
  }
  size_t body = text[position] == ' ' ? position + 1 : position;
  Char c = charAt(text, body);
  if (c.is(kLetter)) {
    return skipClass(text, body, kLetter);
  }
  if (c.is(kNumber)) {
    return skipClass(text, body, kNumber);
  }
  if (c.isOther(kSpace)) {
    return skipSymbols(text, body);
  }
  return skipSpaces(text, position);
}

/// The end of the piece at `position`, by the expression in tokenizer.json of
/// Llama 3 (where DIGITS is 3) and of Qwen 2 (where DIGITS is 1):
/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}
/// | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t nextLlama3(std::string_view text, size_t position, int digits) {
  size_t contraction = skipContraction(text, position, true);
  if (contraction != position) {
    return contraction;
  }
  Char first = charAt(text, position);
  if (first.is(kLetter)) {
    return skipClass(text, position, kLetter);
  }
  if (first.isOther(kLineEnd | kNumber) &&
      charAt(text, position + first.length).is(kLetter)) {
    return skipClass(text, position + first.length, kLetter);
  }
  if (first.is(kNumber)) {
    for (int i = 0; i < digits; ++i) {
      Char c = charAt(text, position);
      if (!c.is(kNumber)) {
        break;
      }
      position += c.length;
    }
    return position;
  }
  size_t body = text[position] == ' ' ? position + 1 : position;
  size_t symbolsEnd = skipSymbols(text, body);
  if (symbolsEnd != body) {
    return skipClass(text, symbolsEnd, kLineEnd);
  }
  // If the white space contains a line end, \s*[\r\n]+ matches up to the last
  // one.
  size_t lineEnd = position;
  size_t at = position;
  for (Char c = first; c.is(kSpace); c = charAt(text, at)) {
    at += c.length;
    if (c.is(kLineEnd)) {
      lineEnd = at;
    }
  }
  return lineEnd != position ? lineEnd : skipSpaces(text, position);
}

template <size_t (*Next)(std::string_view, size_t)>
void splitBy(std::string_view text, PieceSink ends) {
  for (size_t position = 0; position < text.size();) {
    position = Next(text, position);
    ends(position);
  }
}

size_t nextThreeDigits(std::string_view text, size_t position) {
  return nextLlama3(text, position, 3);
}
size_t nextOneDigit(std::string_view text, size_t position) {
  return nextLlama3(text, position, 1);
}

bool isAsciiDigit(char c) { return c >= '0' && c <= '9'; }

/// Splits a run of number characters into the matches of [0-9][0-9][0-9] and
/// the parts between them. The run begins at position `base` of the text.
void splitThousands(std::string_view number, size_t base, PieceSink ends) {
  size_t gapStart = 0;
  size_t position = 0;
  while (position < number.size()) {
    if (position + 3 <= number.size() && isAsciiDigit(number[position]) &&
        isAsciiDigit(number[position + 1]) &&
        isAsciiDigit(number[position + 2])) {
      if (gapStart != position) {
        ends(base + position);
      }
      position += 3;
      gapStart = position;
      ends(base + position);
    } else {
      position += charAt(number, position).length;
    }
  }
  if (gapStart != position) {
    ends(base + position);
  }
}

/// True for a character that matches [\p{P}\$\+<=>\^~\|].
bool isDefaultPunctuation(Char c) {
  switch (c.codePoint) {
  case '$':
  case '+':
  case '<':
  case '=':
  case '>':
  case '^':
  case '~':
  case '|':
    return true;
  default:
    return c.is(kPunctuation);
  }
}

/// Applies four expressions, each of which splits the pieces of the previous
/// one:
///   [\p{P}\$\+<=>\^~\|]+
///   the expression of GPT-2 without its last alternative, \s+
///   \p{N}+
///   [0-9][0-9][0-9]
/// The text between two matches is a piece, too. White space that only \s+
/// would match is such a text, so nextGpt2(), which has that alternative, finds
/// the same pieces. All of this is what llama.cpp does if a file names no
/// pre-tokeniser.
void splitDefault(std::string_view text, PieceSink ends) {
  size_t start = 0;
  while (start < text.size()) {
    Char c = charAt(text, start);
    bool punctuation = isDefaultPunctuation(c);
    size_t end = start;
    while (c.length != 0 && isDefaultPunctuation(c) == punctuation) {
      end += c.length;
      c = charAt(text, end);
    }
    std::string_view run = text.substr(0, end);
    for (size_t position = start; position < end;) {
      size_t pieceEnd = nextGpt2(run, position);
      // A piece contains at most one run of number characters, which is at its
      // end.
      size_t number = position;
      while (number < pieceEnd && !charAt(run, number).is(kNumber)) {
        number += charAt(run, number).length;
      }
      if (number != position) {
        ends(number);
      }
      splitThousands(run.substr(number, pieceEnd - number), number, ends);
      position = pieceEnd;
    }
    start = end;
  }
}

constexpr PreTokenizer kPreTokenizers[] = {
    {"default", false, false, splitDefault},
    {"gpt-2", false, false, splitBy<nextGpt2>},
    {"llama-bpe", true, false, splitBy<nextThreeDigits>},
    {"qwen2", false, true, splitBy<nextOneDigit>},
};

} // namespace

const PreTokenizer *findPreTokenizer(std::string_view pre) {
  std::string_view canonical = canonicalPreTokenizer(pre);
  for (const PreTokenizer &known : kPreTokenizers) {
    if (known.name == canonical) {
      return &known;
    }
  }
  return nullptr;
}

} // namespace air::rt
