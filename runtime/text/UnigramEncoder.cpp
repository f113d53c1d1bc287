//===- UnigramEncoder.cpp - sentencepiece's unigram model -----------------===//
#include "runtime/text/UnigramEncoder.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>

namespace air::rt {

Result<UnigramEncoder> UnigramEncoder::create(const TokenizerData &data,
                                              Vocabulary &vocabulary) {
  UnigramEncoder encoder(vocabulary);
  AIR_ASSIGN_OR_RETURN(encoder.charsmap, Charsmap::parse(data.charsmap));
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
  std::vector<ByteTrie::Piece> pieces;
  pieces.reserve(found.size());
  for (int32_t id : found) {
    pieces.push_back({vocabulary.table[id], id});
  }
  encoder.lattice =
      UnigramLattice(ByteTrie(std::move(pieces)), data.scores, lowest);
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
  std::vector<UnigramLattice::Node> nodes;
  bool afterUnknown = false;
  for (std::string_view rest = all; !rest.empty();) {
    size_t end = everySpaceBegins ? std::min(rest.find(' ', 1), rest.size())
                 : spacesOnlyLead ? firstWordEnd(rest)
                                  : rest.size();
    encodeRun(rest.substr(0, end), nodes, ids, afterUnknown);
    rest.remove_prefix(end);
  }
}

void UnigramEncoder::encodeRun(std::string_view run,
                               std::vector<UnigramLattice::Node> &nodes,
                               std::vector<int32_t> &ids,
                               bool &afterUnknown) const {
  lattice.divide(run, nodes, [&](std::string_view piece, int32_t id) {
    if (id == UnigramLattice::kNoPiece) {
      emitUnknown(piece, ids, afterUnknown);
    } else {
      ids.push_back(id);
      afterUnknown = false;
    }
  });
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
