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

SpecialMatcher::SpecialMatcher(std::vector<Token> all) {
  std::erase_if(all, [](const Token &token) { return token.text.empty(); });
  // If several tokens have the same text, the trie stores the one with the
  // lowest index of `tokens`. Sorting makes this the one with the lowest id.
  std::ranges::sort(all, {}, &Token::id);
  std::vector<ByteTrie::Piece> pieces;
  for (Token &token : all) {
    lastBytes[static_cast<uint8_t>(token.text.back())] = true;
    longest = std::max(longest, token.text.size());
    std::ranges::reverse(token.text);
    pieces.push_back({token.text, static_cast<int32_t>(tokens.size())});
    tokens.push_back({token.text.size(), token.id});
  }
  backwards = ByteTrie(pieces);
  shorter.resize(backwards.nodeLimit(), ByteTrie::kRoot);
  tokenAt.resize(backwards.nodeLimit(), kNone);
  // All nodes of one depth are completed before those of the next. `nodeOf` has
  // the node of each piece at the current depth.
  std::vector<uint32_t> nodeOf(pieces.size(), ByteTrie::kRoot);
  for (size_t depth = 0; !pieces.empty(); ++depth) {
    size_t kept = 0;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].text.size() == depth) {
        continue;
      }
      const char byte = pieces[i].text[depth];
      const uint32_t parent = nodeOf[i];
      const uint32_t node = backwards.child(parent, byte);
      if (parent != ByteTrie::kRoot) {
        shorter[node] = next(shorter[parent], byte);
      }
      const int32_t own = backwards.pieceAt(node);
      tokenAt[node] = own != ByteTrie::kNoPiece ? static_cast<uint32_t>(own)
                                                : tokenAt[shorter[node]];
      pieces[kept] = pieces[i];
      nodeOf[kept++] = node;
    }
    pieces.resize(kept);
  }
}

/// Returns the state that follows `state` when `byte` is read. A state is the
/// node of the longest suffix of the bytes read so far that has a node.
uint32_t SpecialMatcher::next(uint32_t state, char byte) const {
  while (true) {
    const uint32_t child = backwards.child(state, byte);
    if (child != ByteTrie::kNoNode || state == ByteTrie::kRoot) {
      return child;
    }
    state = shorter[state];
  }
}

int32_t SpecialMatcher::idOf(std::string_view text) const {
  uint32_t node = ByteTrie::kRoot;
  for (size_t at = text.size(); at > 0; --at) {
    node = backwards.child(node, text[at - 1]);
    if (node == ByteTrie::kNoNode) {
      return kNoToken;
    }
  }
  const int32_t found = backwards.pieceAt(node);
  return found == ByteTrie::kNoPiece ? kNoToken
                                     : tokens[static_cast<size_t>(found)].id;
}

SpecialMatcher::Match SpecialMatcher::Search::find(size_t from) {
  while (true) {
    while (!found.empty() && found.back().start < from) {
      found.pop_back();
    }
    if (!found.empty()) {
      const Known &token = matcher->tokens[found.back().token];
      return {found.back().start, token.length, token.id};
    }
    from = std::max(from, done);
    if (matcher->tokens.empty() || from >= text.size()) {
      return {text.size(), 0, 0};
    }
    read(from);
  }
}

/// Reads the block of the text that begins at `begin`, and finds the matches
/// that begin in it. A match may end after the block, so reading starts as far
/// after the block as the longest token can reach. The block is at least as
/// long as the longest token, so no byte is read more than twice. But it has at
/// most 1 MiB, which limits the size of `found`. If a token is longer, bytes
/// may be read more often.
void SpecialMatcher::Search::read(size_t begin) {
  constexpr size_t kBlock = size_t{1} << 14;
  const size_t length = std::clamp(matcher->longest, kBlock, 64 * kBlock);
  const size_t end = begin + std::min(length, text.size() - begin);
  const size_t first = end + std::min(matcher->longest - 1, text.size() - end);
  uint32_t state = ByteTrie::kRoot;
  for (size_t at = first; at-- > begin;) {
    const char byte = text[at];
    if (state == ByteTrie::kRoot &&
        !matcher->lastBytes[static_cast<uint8_t>(byte)]) {
      continue;
    }
    state = matcher->next(state, byte);
    if (at < end && matcher->tokenAt[state] != kNone) {
      found.push_back({at, matcher->tokenAt[state]});
    }
  }
  done = end;
}

void SpecialMatcher::divide(std::string_view text,
                            std::span<const uint8_t> flags, PartSink onPart,
                            TokenSink onToken) const {
  Search search(*this, text);
  divide(
      text, flags, [&](size_t from) { return search.find(from); }, onPart,
      onToken);
}

void SpecialMatcher::divide(std::string_view text,
                            std::span<const uint8_t> flags, Finder find,
                            PartSink onPart, TokenSink onToken) {
  // The end of the last token or, if this token has kStripRight, of the white
  // space that follows it.
  size_t done = 0;
  // text[spaces, spacesEnd) is the white space that was dropped last. It is
  // remembered so that it need not be read again if tokens are found inside it.
  size_t spaces = 0;
  size_t spacesEnd = 0;
  auto part = [&](size_t end) {
    if (done < end) {
      onPart(text.substr(done, end - done), done == 0);
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
    if ((how & match_flags::kStripLeft) != 0) {
      start =
          done < start
              ? done + withoutTrailingSpaces(text.substr(done, start - done))
                           .size()
              : done;
    }
    if ((how & match_flags::kStripRight) != 0) {
      if (end < spaces || end > spacesEnd) {
        spaces = end;
        spacesEnd = end + leadingSpaces(text.substr(end));
      }
      end = spacesEnd;
    }
    part(start);
    // A token may begin inside white space that an earlier token has dropped.
    // If it has kStripLeft, it then counts as beginning at the end of this
    // white space, and is left out if it does not extend beyond this end.
    if (start < end) {
      onToken(match.id);
    }
    // This token may end inside white space that an earlier token has dropped.
    // As in Hugging Face's tokenizers library, the part of this white space
    // after the end of this token is then kept as text.
    done = end;
  }
  part(text.size());
}

} // namespace air::rt
