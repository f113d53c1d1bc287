//===- SpecialMatcher.cpp - finds special tokens in text --------*- C++ -*-===//
#include "runtime/text/SpecialMatcher.h"

#include "formats/model/TokenizerData.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Unicode.h"

#include <algorithm>

namespace air::rt {
namespace {

/// Returns where the last character of `text` begins; 0 if none begins in it.
size_t lastCharacter(std::string_view text) {
  size_t at = text.size();
  while (at > 0 && (static_cast<uint8_t>(text[--at]) & 0xc0) == 0x80) {
  }
  return at;
}

bool isIn(const CodePointSet &set, std::string_view character) {
  Utf8Step step = decodeUtf8(character);
  return step.kind == Utf8Step::Whole && set.contains(step.codePoint);
}

size_t leadingSpaces(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && isIn(whiteSpace(), text.substr(count))) {
    count += decodeUtf8(text.substr(count)).length;
  }
  return count;
}

std::string_view withoutTrailingSpaces(std::string_view text) {
  while (!text.empty() &&
         isIn(whiteSpace(), text.substr(lastCharacter(text)))) {
    text = text.substr(0, lastCharacter(text));
  }
  return text;
}

bool isBesideWord(std::string_view before, std::string_view after) {
  const CodePointSet &word = wordCharacters();
  return (!before.empty() &&
          isIn(word, before.substr(lastCharacter(before)))) ||
         (!after.empty() && isIn(word, after));
}

} // namespace

SpecialMatcher::SpecialMatcher(std::vector<Token> all)
    : tokens(std::move(all)) {
  std::erase_if(tokens, [](const Token &token) { return token.text.empty(); });
  std::sort(tokens.begin(), tokens.end(), [](const Token &a, const Token &b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  tokens.erase(std::unique(tokens.begin(), tokens.end(),
                           [](const Token &a, const Token &b) {
                             return a.text == b.text;
                           }),
               tokens.end());
  for (const Token &token : tokens) {
    starts[static_cast<uint8_t>(token.text[0])] = true;
  }
}

SpecialMatcher::Match SpecialMatcher::matchAt(std::string_view text,
                                              size_t start) const {
  Match best = {text.size(), 0, 0};
  auto low = tokens.begin();
  auto high = tokens.end();
  for (size_t depth = 0; low != high; ++depth) {
    // The tokens in [low, high) match the first `depth` bytes. A token that
    // consists of only these bytes comes first in the sorted list.
    if (low->text.size() == depth) {
      best = {start, depth, low->id};
      ++low;
    }
    if (start + depth == text.size()) {
      break;
    }
    auto byte = static_cast<uint8_t>(text[start + depth]);
    low = std::partition_point(low, high, [&](const Token &token) {
      return static_cast<uint8_t>(token.text[depth]) < byte;
    });
    high = std::partition_point(low, high, [&](const Token &token) {
      return static_cast<uint8_t>(token.text[depth]) == byte;
    });
  }
  return best;
}

SpecialMatcher::Match SpecialMatcher::find(std::string_view text,
                                           size_t from) const {
  if (!tokens.empty()) {
    for (size_t start = from; start < text.size(); ++start) {
      if (!starts[static_cast<uint8_t>(text[start])]) {
        continue;
      }
      Match match = matchAt(text, start);
      if (match.length != 0) {
        return match;
      }
    }
  }
  return {text.size(), 0, 0};
}

void SpecialMatcher::divide(std::string_view text,
                            std::span<const uint8_t> flags, PartSink onPart,
                            TokenSink onToken) const {
  divide(
      text, flags, [&](size_t from) { return find(text, from); }, onPart,
      onToken);
}

void SpecialMatcher::divide(std::string_view text,
                            std::span<const uint8_t> flags, Finder find,
                            PartSink onPart, TokenSink onToken) {
  size_t done = 0; // text[0, done) has been passed to the sinks
  auto part = [&](size_t end) {
    if (done < end) {
      onPart(text.substr(done, end - done), done == 0);
      done = end;
    }
  };
  for (size_t at = 0; at < text.size();) {
    Match match = find(at);
    if (match.length == 0) {
      break;
    }
    size_t start = match.start;
    at = match.start + match.length;
    size_t end = at;
    uint8_t how = flags.empty() ? 0 : flags[static_cast<size_t>(match.id)];
    if ((how & match_flags::kSingleWord) != 0 &&
        isBesideWord(text.substr(0, start), text.substr(end))) {
      continue;
    }
    if ((how & match_flags::kStripLeft) != 0 && start > done) {
      start =
          done + withoutTrailingSpaces(text.substr(done, start - done)).size();
    }
    if ((how & match_flags::kStripRight) != 0) {
      end += leadingSpaces(text.substr(end));
    }
    part(start);
    onToken(match.id);
    done = std::max(done, end);
  }
  part(text.size());
}

} // namespace air::rt
