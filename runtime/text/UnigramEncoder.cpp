//===- UnigramEncoder.cpp - sentencepiece's unigram model -----------------===//
#include "runtime/text/UnigramEncoder.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>
#include <limits>

namespace air::rt {

Result<UnigramEncoder> UnigramEncoder::create(const TokenizerData &data,
                                              Vocabulary &vocabulary,
                                              size_t limit) {
  UnigramEncoder encoder(vocabulary);
  encoder.longestStretch = limit;
  AIR_ASSIGN_OR_RETURN(encoder.charsmap, Charsmap::parse(data.charsmap));
  encoder.prefix = data.rules.isSet      ? data.rules.prefix
                   : data.addSpacePrefix ? SpacePrefix::Always
                                         : SpacePrefix::None;
  encoder.everySpaceBegins = !data.rules.expressions.empty();
  encoder.removeExtraSpaces = data.removeExtraWhitespaces;
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::string bytes;
  // As in sentencepiece, this value remains if no piece is of the type Normal.
  float lowest = std::numeric_limits<float>::max();
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
      UnigramLattice(std::move(pieces), data.scores, lowest,
                     data.rules.isSet ? UnigramLattice::Sums::Double
                                      : UnigramLattice::Sums::Single);
  return encoder;
}

/// Applies the rules of the Charsmap to `text` and appends the result to `out`,
/// until `text` ends or `out` has grown by `bytes` bytes or slightly more.
/// Removes from `text` the bytes to which the rules have been applied.
void UnigramEncoder::map(std::string_view &text, size_t bytes,
                         std::string &out) const {
  const size_t limit = out.size() + bytes;
  while (!text.empty() && out.size() < limit) {
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

/// What must be remembered from one stretch of a text to the next. Stretches
/// end where words do. They are prepared one after the other, so that no copy
/// of the whole text is needed.
struct UnigramEncoder::State {
  UnigramLattice::Scratch scratch;
  double sum = 0; ///< of scores, as UnigramLattice::divide() continues it
  bool afterUnknown = false;
};

/// Normalises `text`, a stretch to which map() has been applied. `place` is the
/// argument of encode() for the first stretch, and std::nullopt for later ones.
void UnigramEncoder::normalise(std::string &text, std::optional<Place> place,
                               bool isLast) const {
  if (prefix == SpacePrefix::EveryWord) {
    text = spacedWords(text);
    replaceMarks(text);
    return;
  }
  if (removeExtraSpaces) {
    // collapseSpaces() leaves one space at the beginning if its second argument
    // is true, and otherwise none. Every stretch but the first begins with the
    // space between two words, which must stay.
    collapseSpaces(text, !place || needsSpace(prefix, *place, ""));
    replaceMarks(text);
    if (isLast) {
      // The spaces that are still at the end were U+2581 in the text. As in
      // sentencepiece, they are removed, too.
      text.resize(text.find_last_not_of(' ') + 1);
    }
    return;
  }
  replaceMarks(text);
  if (place && needsSpace(prefix, *place, text)) {
    text.insert(0, " ");
  }
}

/// The end of the last word in `text` that is followed by a space, or 0 if
/// there is no such word. Text that comes later does not change how the part up
/// to this end is normalised and divided.
static size_t lastWordEnd(std::string_view text) {
  for (size_t at = text.size(); at > 0;) {
    at = text.rfind(' ', at - 1);
    if (at == std::string_view::npos || at == 0) {
      return 0;
    }
    const std::string_view before = text.substr(0, at);
    if (!before.ends_with(' ') && !before.ends_with(kSpaceMark)) {
      return at;
    }
  }
  return 0;
}

bool UnigramEncoder::encode(std::string_view text, Place place, Scratch *,
                            TokenOutput &out) const {
  constexpr size_t kStretch = size_t{1} << 16;
  State state;
  std::string mapped;
  // If words cannot be encoded one at a time, the whole text is one stretch.
  const bool hasWords = everySpaceBegins || spacesOnlyLead;
  mapped.reserve(
      hasWords ? std::min(2 * kStretch, text.size() + 1)
               : std::min(text.size() + text.size() / 8, longestStretch + 1));
  for (bool isFirst = true; !text.empty(); isFirst = false) {
    size_t end = 0;
    while (end == 0) {
      if (mapped.size() >= kStretch) {
        // `mapped` does not contain the end of any word, so more of the text
        // must be added to it, perhaps all of the rest. Reserve the memory for
        // this at once: each time that a string outgrows its memory, it is
        // copied, and both copies exist for a while.
        mapped.reserve(std::min(mapped.size() + text.size() + text.size() / 8,
                                longestStretch + 1));
      }
      // Permit one byte more than a stretch may have. If the stretch grows to
      // this size, the text is too long.
      const size_t room = longestStretch + 1 - mapped.size();
      map(text,
          hasWords ? std::min(std::max(kStretch, mapped.size()), room) : room,
          mapped);
      if (mapped.size() > longestStretch) {
        return false;
      }
      if (text.empty()) {
        end = mapped.size();
        break;
      }
      end = lastWordEnd(mapped);
    }
    const bool isLast = text.empty();
    std::string stretch;
    if (isLast) {
      stretch.swap(mapped);
    } else {
      stretch = mapped.substr(0, end);
      mapped.erase(0, end);
    }
    normalise(stretch, isFirst ? std::optional(place) : std::nullopt, isLast);
    encodeMapped(stretch, state, out);
  }
  return true;
}

void UnigramEncoder::encodeMapped(std::string_view text, State &state,
                                  TokenOutput &out) const {
  while (!text.empty()) {
    const size_t end = everySpaceBegins
                           ? std::min(text.find(' ', 1), text.size())
                       : spacesOnlyLead ? firstWordEnd(text)
                                        : text.size();
    if (everySpaceBegins) {
      // In Hugging Face's tokenizers library, the sum of each word starts at 0.
      state.sum = 0;
    }
    lattice.divide(text.substr(0, end), state.scratch, state.sum,
                   [&](std::string_view piece, int32_t id) {
                     if (id == UnigramLattice::kNoPiece) {
                       emitUnknown(piece, out.ids, state.afterUnknown);
                     } else {
                       out.ids.push_back(id);
                       state.afterUnknown = false;
                     }
                     out.passOn();
                   });
    text.remove_prefix(end);
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
