//===- RwkvEncoder.h - the tokenizer of RWKV World --------------*- C++ -*-===//
//
// At each position of a text, the longest token that matches is used. A token
// may consist of any bytes. The vocabulary spells them as Python does: \x and
// two hexadecimal digits, \t, \n, \r, or a backslash before any other
// character, which then stands for itself
// (https://github.com/BlinkDL/ChatRWKV/blob/main/tokenizer/rwkv_tokenizer.py).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_RWKVENCODER_H
#define AIRPACK_RUNTIME_TEXT_RWKVENCODER_H

#include "runtime/text/ByteTrie.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class RwkvEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer().
  static RwkvEncoder create(const TokenizerData &data, Vocabulary &vocabulary);

  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  bool shrinksText() const override { return false; }

private:
  explicit RwkvEncoder(const Vocabulary &words) : vocabulary(&words) {}

  const Vocabulary *vocabulary;
  ByteTrie pieces;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_RWKVENCODER_H
