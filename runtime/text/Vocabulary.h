//===- Vocabulary.h - data that all encoders share --------------*- C++ -*-===//
//
// `table` holds the bytes that each id is rendered as. table.find() does not
// return tokens that ordinary text cannot be encoded to, such as control
// tokens. Ids of `size` and above are internal: they stand for strings that
// occur in merges but are not tokens.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_VOCABULARY_H
#define AIRPACK_RUNTIME_TEXT_VOCABULARY_H

#include "formats/model/TokenizerData.h"
#include "runtime/text/TokenTable.h"

#include <array>

namespace air::rt {

struct Vocabulary {
  TokenTable table;
  std::vector<TokenType> types;
  int32_t size = 0;
  int32_t unknown = TokenizerData::kNoToken;
  /// The token of each byte, or kNoToken if the vocabulary has none for it.
  std::array<int32_t, 256> byteTokens{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_VOCABULARY_H
