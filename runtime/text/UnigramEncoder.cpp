//===- UnigramEncoder.cpp - sentencepiece's unigram model -----------------===//
#include "runtime/text/UnigramEncoder.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>
#include <limits>

namespace air::rt {

/// The best way to divide the text up to some position.
struct UnigramEncoder::Node {
  double score = -std::numeric_limits<double>::infinity();
  uint32_t start = 0; ///< where the last piece begins
  int32_t id = 0;     ///< the last piece, or kNoPiece for an unknown character
};

Result<UnigramEncoder> UnigramEncoder::create(const TokenizerData &data,
                                              Vocabulary &vocabulary) {
  UnigramEncoder encoder(vocabulary);
  AIR_ASSIGN_OR_RETURN(encoder.charsmap, Charsmap::parse(data.charsmap));
  encoder.scores = data.scores;
  encoder.prefix = data.rules.isSet      ? data.rules.prefix
                   : data.addSpacePrefix ? SpacePrefix::Always
                                         : SpacePrefix::None;
  encoder.everySpaceBegins = !data.rules.expressions.empty();
  encoder.removeExtraSpaces = data.removeExtraWhitespaces;
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::string bytes;
  float lowest = 0;
  std::vector<int32_t> found;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    auto id = static_cast<int32_t>(i);
    bytes.clear();
    switch (data.types[i]) {
    case TokenType::Byte: {
      uint8_t byte = *byteOfPiece(token);
      bytes += static_cast<char>(byte);
      vocabulary.byteTokens[byte] = id;
      encoder.hasBytes = true;
      break;
    }
    case TokenType::Control:
    case TokenType::Unknown:
      bytes = token;
      break;
    default:
      appendWithSpaces(token, bytes);
      if (data.types[i] == TokenType::Normal) {
        lowest = std::min(lowest, data.scores[i]);
      }
      // As in sentencepiece, pieces of the type Unused are never chosen.
      // User-defined pieces are found before a text is encoded.
      if (data.types[i] != TokenType::Unused &&
          data.types[i] != TokenType::UserDefined) {
        found.push_back(id);
        encoder.spacesOnlyLead &= !hasInnerSpace(bytes);
      }
    }
    vocabulary.table.add(bytes);
  }
  constexpr double kPenalty = 10;
  encoder.unknownScore = lowest - kPenalty;
  std::vector<ByteTrie::Piece> pieces;
  pieces.reserve(found.size());
  for (int32_t id : found) {
    pieces.push_back({vocabulary.table[id], id});
  }
  encoder.pieces = ByteTrie(std::move(pieces));
  return encoder;
}

std::string UnigramEncoder::mapped(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    size_t length = 0;
    if (Charsmap::Rule rule = charsmap.find(text); rule.length != 0) {
      out += rule.replacement;
      length = rule.length;
    } else {
      Utf8Step step = decodeUtf8(text);
      bool isWhole = step.kind == Utf8Step::Whole;
      length = isWhole ? step.length : 1;
      out += isWhole ? text.substr(0, length) : kReplacement;
    }
    text.remove_prefix(length);
  }
  return out;
}

/// Removes all white space from `text`, and puts a space before each word that
/// does not begin with U+2581.
static std::string spacedWords(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  bool inWord = false;
  while (!text.empty()) {
    Utf8Step step = decodeUtf8(text);
    bool isSpace =
        step.kind == Utf8Step::Whole &&
        (step.codePoint == ' ' || whiteSpace().contains(step.codePoint));
    if (!isSpace) {
      out += inWord || text.starts_with(kSpaceMark) ? "" : " ";
      out += text.substr(0, step.length);
    }
    inWord = !isSpace;
    text.remove_prefix(step.length);
  }
  return out;
}

std::string UnigramEncoder::normalised(std::string_view text,
                                       Place place) const {
  std::string out = mapped(text);
  if (prefix == SpacePrefix::EveryWord) {
    out = spacedWords(out);
  } else if (removeExtraSpaces) {
    std::string collapsed;
    collapsed.reserve(out.size() + 1);
    appendCollapsed(out, needsSpace(prefix, place, ""), collapsed);
    out = std::move(collapsed);
  }
  std::string spaced;
  spaced.reserve(out.size() + 1);
  appendWithSpaces(out, spaced);
  if (prefix == SpacePrefix::EveryWord) {
    return spaced;
  }
  if (removeExtraSpaces) {
    // As in sentencepiece, U+2581 at the end is removed like a space.
    spaced.resize(spaced.find_last_not_of(' ') + 1);
  } else if (needsSpace(prefix, place, spaced)) {
    spaced.insert(0, " ");
  }
  return spaced;
}

void UnigramEncoder::encode(std::string_view text, Place place,
                            std::vector<int32_t> &ids) const {
  std::string all = normalised(text, place);
  std::vector<Node> nodes;
  bool afterUnknown = false;
  for (std::string_view rest = all; !rest.empty();) {
    size_t end = everySpaceBegins ? std::min(rest.find(' ', 1), rest.size())
                 : spacesOnlyLead ? firstWordEnd(rest)
                                  : rest.size();
    encodeRun(rest.substr(0, end), nodes, ids, afterUnknown);
    rest.remove_prefix(end);
  }
}

void UnigramEncoder::encodeRun(std::string_view run, std::vector<Node> &nodes,
                               std::vector<int32_t> &ids,
                               bool &afterUnknown) const {
  nodes.assign(run.size() + 1, Node());
  nodes[0].score = 0;
  for (size_t start = 0; start < run.size();) {
    double before = nodes[start].score;
    size_t character = decodeUtf8(run.substr(start)).length;
    bool isKnown = false;
    auto offer = [&](size_t end, double score, int32_t id) {
      if (score > nodes[end].score) {
        nodes[end] = {score, static_cast<uint32_t>(start), id};
      }
    };
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = start; end < run.size();) {
      node = pieces.child(node, run[end++]);
      if (node == ByteTrie::kNoNode) {
        break;
      }
      if (int32_t id = pieces.pieceAt(node); id != ByteTrie::kNoPiece) {
        offer(end, before + scores[id], id);
        isKnown |= end == start + character;
      }
    }
    if (!isKnown) {
      offer(start + character, before + unknownScore, ByteTrie::kNoPiece);
    }
    start += character;
  }
  // The links of the nodes lead backwards. The next loop reverses those of the
  // best path.
  size_t next = run.size();
  for (size_t at = run.size(); at > 0;) {
    size_t start = nodes[at].start;
    nodes[at].start = static_cast<uint32_t>(next);
    next = at;
    at = start;
  }
  for (size_t start = 0, at = next; start < run.size();) {
    if (nodes[at].id == ByteTrie::kNoPiece) {
      emitUnknown(run.substr(start, at - start), ids, afterUnknown);
    } else {
      ids.push_back(nodes[at].id);
      afterUnknown = false;
    }
    start = at;
    at = nodes[at].start;
  }
}

void UnigramEncoder::emitUnknown(std::string_view character,
                                 std::vector<int32_t> &ids,
                                 bool &afterUnknown) const {
  if (!hasBytes) {
    if (!afterUnknown) {
      ids.push_back(vocabulary->unknown);
    }
    afterUnknown = true;
    return;
  }
  for (char c : character == " " ? kSpaceMark : character) {
    int32_t id = vocabulary->byteTokens[static_cast<uint8_t>(c)];
    ids.push_back(id != TokenizerData::kNoToken ? id : vocabulary->unknown);
  }
}

} // namespace air::rt
