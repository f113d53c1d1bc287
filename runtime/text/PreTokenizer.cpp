//===- PreTokenizer.cpp - boundaries that BPE does not cross --------------===//
#include "runtime/text/PreTokenizer.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

#include <algorithm>

namespace air::rt {

namespace {

constexpr size_t kLastBit = 31;
/// Which expressions may have a match in a piece is found out for pieces of at
/// most so many bytes. Longer ones have most kinds of characters.
constexpr size_t kShortPiece = 64;

uint32_t bitOf(size_t index) {
  return uint32_t{1} << std::min(index, kLastBit);
}

/// Returns the bits of the expressions that may have a match in `piece`.
uint32_t candidates(const PreTokenizer::Scratch &scratch,
                    std::string_view piece) {
  uint32_t bits = 0;
  bool followsSpace = false;
  for (char c : piece) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80) {
      return UINT32_MAX;
    }
    bits |= followsSpace ? scratch.beginsAtSpace[byte] : 0;
    followsSpace = c == ' ';
    bits |= followsSpace ? 0 : scratch.begins[byte];
  }
  bits |= followsSpace ? scratch.beginsAtSpace.back() : 0;
  return bits;
}

/// Splits the bytes from `begin` to `end` by the expressions from `index` on.
void splitBy(PreTokenizer::Scratch &scratch, size_t index,
             std::string_view text, size_t begin, size_t end, PieceSink ends) {
  const size_t count = scratch.matchers.size();
  const uint32_t possible =
      index < count && end - begin <= kShortPiece
          ? candidates(scratch, text.substr(begin, end - begin))
          : UINT32_MAX;
  while (index < count && (possible & bitOf(index)) == 0) {
    ++index;
  }
  if (index == count) {
    ends(end);
    return;
  }
  RegexMatcher &matcher = scratch.matchers[index];
  matcher.setWindow(begin, end);
  size_t from = begin;
  size_t last = begin;
  for (RegexMatch match{}; from < end && matcher.find(from, match);) {
    if (match.start > last) {
      splitBy(scratch, index + 1, text, last, match.start, ends);
    }
    if (match.end > match.start) {
      splitBy(scratch, index + 1, text, match.start, match.end, ends);
      from = match.end;
    } else {
      // A piece ends at an empty match. The search goes on one character later.
      from = match.end;
      from += from < end ? decodeUtf8(text.substr(from)).length : 0;
    }
    last = match.end;
  }
  if (last < end) {
    splitBy(scratch, index + 1, text, last, end, ends);
  }
}

} // namespace

Result<PreTokenizer> PreTokenizer::create(std::string_view pre) {
  const PreTokenizerRules *found = preTokenizerRules(pre);
  if (found == nullptr) {
    return unsupportedError("tokenizer: pre-tokenizer " +
                            inQuotes(std::string(pre)) + " is not known");
  }
  PreTokenizer made(*found);
  for (std::string_view expression : found->expressions) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::compile(expression));
    made.regexes.push_back(std::move(regex));
  }
  return made;
}

Result<PreTokenizer> PreTokenizer::create(const TextRules &own) {
  PreTokenizerRules rules = {};
  rules.ignoreMerges = own.ignoreMerges;
  rules.spelling = own.spelling;
  PreTokenizer made(rules);
  for (const std::string &expression : own.expressions) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::compile(expression));
    made.regexes.push_back(std::move(regex));
  }
  return made;
}

PreTokenizer::Scratch PreTokenizer::makeScratch() const {
  Scratch scratch;
  for (size_t i = 0; i < regexes.size(); ++i) {
    scratch.matchers.emplace_back(regexes[i]);
    for (size_t c = 0; c < scratch.begins.size(); ++c) {
      if (scratch.matchers[i].mayBeginWith(static_cast<char>(c))) {
        scratch.begins[c] |= bitOf(i);
      }
      if (scratch.matchers[i].mayBeginWith(' ', static_cast<int>(c))) {
        scratch.beginsAtSpace[c] |= bitOf(i);
      }
    }
    if (scratch.matchers[i].mayBeginWith(' ', RegexMatcher::kEnd)) {
      scratch.beginsAtSpace.back() |= bitOf(i);
    }
  }
  return scratch;
}

void PreTokenizer::split(std::string_view text, Scratch &scratch,
                         PieceSink ends) const {
  for (RegexMatcher &matcher : scratch.matchers) {
    matcher.setText(text);
  }
  if (!text.empty()) {
    splitBy(scratch, 0, text, 0, text.size(), ends);
  }
}

} // namespace air::rt
