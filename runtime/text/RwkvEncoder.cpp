//===- RwkvEncoder.cpp - the tokenizer of RWKV World ----------------------===//
#include "runtime/text/RwkvEncoder.h"

#include "formats/model/EscapedBytes.h"

namespace air::rt {

RwkvEncoder RwkvEncoder::create(const TokenizerData &data,
                                Vocabulary &vocabulary) {
  RwkvEncoder encoder(vocabulary);
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::vector<int32_t> found;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    auto id = static_cast<int32_t>(i);
    if (isSpecial(data.types[i])) {
      vocabulary.table.add(data.tokens[i]);
      continue;
    }
    vocabulary.table.add(
        bytesOfEscapes(data.tokens[i]).value_or(data.tokens[i]));
    found.push_back(id);
  }
  std::vector<ByteTrie::Piece> pieces;
  pieces.reserve(found.size());
  for (int32_t id : found) {
    pieces.push_back({vocabulary.table[id], id});
  }
  encoder.pieces = ByteTrie(std::move(pieces));
  return encoder;
}

bool RwkvEncoder::encode(std::string_view text, Place, Scratch *,
                         TokenOutput &out) const {
  while (!text.empty()) {
    ByteTrie::Match match = pieces.longest(text);
    out.ids.push_back(match.length != 0 ? match.id : vocabulary->unknown);
    text.remove_prefix(match.length != 0 ? match.length : 1);
    out.passOn();
  }
  return true;
}

} // namespace air::rt
