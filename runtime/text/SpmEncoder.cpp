//===- SpmEncoder.cpp - sentencepiece's BPE model ---------------*- C++ -*-===//
#include "runtime/text/SpmEncoder.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Utf8.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>

namespace air::rt {

/// A single character, or several that have been merged. The symbols of the
/// text that is being encoded form a linked list through `previous` and `next`.
struct SpmEncoder::Symbol {
  uint32_t start;
  uint32_t length; ///< 0: merged into its left neighbour
  int32_t id;      ///< kAbsent for a character that is not a piece
  int32_t previous;
  int32_t next;
};

/// A pair of neighbouring symbols that may be merged. The candidate is stale if
/// one of the symbols has changed since the candidate was pushed onto the heap.
struct SpmEncoder::Candidate {
  float score;
  int32_t left;
  uint32_t length;
  int32_t merged;

  /// Puts the candidate with the highest score on top of the heap. Of several
  /// such candidates, the leftmost is on top.
  bool operator<(const Candidate &other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

struct SpmEncoder::Scratch {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

SpmEncoder SpmEncoder::create(const TokenizerData &data,
                              Vocabulary &vocabulary) {
  SpmEncoder encoder(vocabulary);
  encoder.scores = data.scores;
  encoder.addSpacePrefix = data.addSpacePrefix;
  encoder.removeExtraSpaces = data.removeExtraWhitespaces;
  size_t total = 0;
  for (const std::string &token : data.tokens) {
    total += token.size();
  }
  vocabulary.table.reserve(data.tokens.size(), total);
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::string bytes;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    auto id = static_cast<int32_t>(i);
    bytes.clear();
    switch (data.types[i]) {
    case TokenType::Byte: {
      uint8_t byte = *byteOfPiece(token);
      bytes += static_cast<char>(byte);
      vocabulary.table.add(bytes);
      vocabulary.byteTokens[byte] = id;
      break;
    }
    case TokenType::Control:
    case TokenType::Unknown:
      vocabulary.table.add(token);
      break;
    default:
      appendWithSpaces(token, bytes);
      vocabulary.table.add(bytes);
      // A piece that the vocabulary spells with a literal space, and not with
      // U+2581, is not indexed. sentencepiece cannot reach such a piece either,
      // because the text that it looks up contains no literal spaces.
      if (!bytes.empty() && token.find(' ') == std::string::npos) {
        vocabulary.table.index(id);
        encoder.longest = std::max(encoder.longest, bytes.size());
        encoder.spacesOnlyLead &= !hasInnerSpace(bytes);
      }
    }
  }
  encoder.hasBytes = std::ranges::any_of(vocabulary.byteTokens, [](int32_t id) {
    return id != TokenizerData::kNoToken;
  });
  return encoder;
}

std::string SpmEncoder::normalized(std::string_view text, bool addSpace) const {
  std::string spaced;
  spaced.reserve(text.size() + 1);
  if (!removeExtraSpaces) {
    if (addSpace) {
      spaced += ' ';
    }
    appendWithSpaces(text, spaced);
    return spaced;
  }
  std::string plain;
  plain.reserve(text.size());
  appendWithSpaces(text, plain);
  appendCollapsed(plain, addSpace, spaced);
  return spaced;
}

size_t SpmEncoder::stretchEnd(std::string_view text) const {
  constexpr size_t kLongest = size_t{1} << 16;
  if (!spacesOnlyLead || text.size() <= kLongest) {
    return text.size();
  }
  // Finds a space that follows a character other than a space. U+2581 counts as
  // a space too.
  for (size_t at = text.find(' ', kLongest); at != std::string_view::npos;
       at = text.find(' ', at + 1)) {
    std::string_view before = text.substr(0, at);
    if (!before.ends_with(' ') && !before.ends_with(kSpaceMark)) {
      return at;
    }
  }
  return text.size();
}

void SpmEncoder::encode(std::string_view text, Place,
                        std::vector<int32_t> &ids) const {
  Scratch scratch;
  bool addSpace = addSpacePrefix;
  while (!text.empty()) {
    size_t end = stretchEnd(text);
    encodeStretch(text.substr(0, end), addSpace, scratch, ids);
    text.remove_prefix(end);
    // The next stretch begins with spaces. If runs of spaces are collapsed,
    // normalized() drops all spaces at the beginning, so `addSpace` must
    // restore one of them.
    addSpace = removeExtraSpaces;
  }
}

void SpmEncoder::encodeStretch(std::string_view text, bool addSpace,
                               Scratch &scratch,
                               std::vector<int32_t> &ids) const {
  std::string all = normalized(text, addSpace);
  std::string_view rest = all;
  while (!rest.empty()) {
    size_t end = spacesOnlyLead ? firstWordEnd(rest) : rest.size();
    encodeRun(rest.substr(0, end), scratch, ids);
    rest.remove_prefix(end);
  }
}

void SpmEncoder::push(std::string_view run, Scratch &scratch,
                      int32_t left) const {
  if (left < 0 || scratch.symbols[left].next < 0) {
    return;
  }
  const Symbol &a = scratch.symbols[left];
  uint32_t length = a.length + scratch.symbols[a.next].length;
  if (length > longest) {
    return;
  }
  int32_t id = vocabulary->table.find(run.substr(a.start, length));
  if (id != TokenTable::kAbsent) {
    scratch.heap.push_back({scores[id], left, length, id});
    std::push_heap(scratch.heap.begin(), scratch.heap.end());
  }
}

void SpmEncoder::encodeRun(std::string_view run, Scratch &scratch,
                           std::vector<int32_t> &ids) const {
  scratch.symbols.clear();
  scratch.heap.clear();
  for (uint32_t i = 0; i < run.size();) {
    uint32_t length = decodeUtf8(run.substr(i)).length;
    auto index = static_cast<int32_t>(scratch.symbols.size());
    scratch.symbols.push_back({i, length,
                               vocabulary->table.find(run.substr(i, length)),
                               index - 1, index + 1});
    i += length;
  }
  scratch.symbols.back().next = -1;
  auto count = static_cast<int32_t>(scratch.symbols.size());
  for (int32_t i = 0; i + 1 < count; ++i) {
    push(run, scratch, i);
  }
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol &left = scratch.symbols[best.left];
    if (left.length == 0 || left.next < 0) {
      continue;
    }
    Symbol &right = scratch.symbols[left.next];
    if (left.length + right.length != best.length) {
      continue;
    }
    left.length = best.length;
    left.id = best.merged;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) {
      scratch.symbols[left.next].previous = best.left;
    }
    push(run, scratch, left.previous);
    push(run, scratch, best.left);
  }
  for (int32_t at = 0; at >= 0; at = scratch.symbols[at].next) {
    const Symbol &symbol = scratch.symbols[at];
    if (symbol.id != TokenTable::kAbsent) {
      ids.push_back(symbol.id);
    } else {
      emit(run.substr(symbol.start, symbol.length), ids);
    }
  }
}

void SpmEncoder::emit(std::string_view character,
                      std::vector<int32_t> &ids) const {
  if (!hasBytes) {
    // As in sentencepiece, adjacent unknown characters become one id.
    if (ids.empty() || ids.back() != vocabulary->unknown) {
      ids.push_back(vocabulary->unknown);
    }
    return;
  }
  for (char c : character == " " ? kSpaceMark : character) {
    int32_t id = vocabulary->byteTokens[static_cast<uint8_t>(c)];
    ids.push_back(id != TokenizerData::kNoToken ? id : vocabulary->unknown);
  }
}

} // namespace air::rt
