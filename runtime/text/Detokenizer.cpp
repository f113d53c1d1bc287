//===- Detokenizer.cpp - from token ids to whole characters -----*- C++ -*-===//
#include "runtime/text/Detokenizer.h"

#include "formats/support/Utf8.h"

#include <algorithm>
#include <utility>

namespace air::rt {

size_t appendValidUtf8(std::string_view bytes, std::string &out) {
  while (!bytes.empty()) {
    Utf8Step step = decodeUtf8(bytes);
    if (step.kind == Utf8Step::Unfinished) {
      return bytes.size();
    }
    out += step.kind == Utf8Step::Whole ? bytes.substr(0, step.length)
                                        : kReplacement;
    bytes.remove_prefix(step.length);
  }
  return 0;
}

Detokenizer::Detokenizer(const Tokenizer &vocabulary, DetokenizerOptions chosen)
    : tokenizer(vocabulary), options(std::move(chosen)),
      dropSpace(options.atTextStart && vocabulary.addsSpacePrefix()) {
  // `pending` holds at most three bytes of an incomplete character and then a
  // piece. In `output`, each of these bytes may become a U+FFFD, which has
  // kReplacement.size() bytes. With these capacities, feed() does not allocate.
  pending.reserve(vocabulary.longestPiece() + 4);
  output.reserve((vocabulary.longestPiece() + 4) * kReplacement.size());
}

std::string_view Detokenizer::feed(int32_t id) {
  output.clear();
  const bool isShown = options.renderSpecial ||
                       std::ranges::binary_search(options.shownTokens, id);
  std::string_view piece = tokenizer.piece(id, isShown);
  if (dropSpace && !piece.empty()) {
    dropSpace = false;
    piece.remove_prefix(piece[0] == ' ' ? 1 : 0);
  }
  pending += piece;
  size_t kept = appendValidUtf8(pending, output);
  pending.erase(0, pending.size() - kept);
  return output;
}

std::string_view Detokenizer::finish() {
  output.clear();
  if (!pending.empty()) {
    output += kReplacement;
  }
  pending.clear();
  dropSpace = options.atTextStart && tokenizer.addsSpacePrefix();
  return output;
}

std::string decode(const Tokenizer &tokenizer, const std::vector<int32_t> &ids,
                   bool renderSpecial) {
  Detokenizer detokenizer(tokenizer, {true, renderSpecial});
  std::string text;
  for (int32_t id : ids) {
    text += detokenizer.feed(id);
  }
  text += detokenizer.finish();
  return text;
}

} // namespace air::rt
