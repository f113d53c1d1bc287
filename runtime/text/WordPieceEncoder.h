//===- WordPieceEncoder.h - the tokenizer of BERT ---------------*- C++ -*-===//
//
// Text is cleaned (control characters are removed), decomposed, stripped of
// accents and put into lower case, where the vocabulary requires it. It is
// split at white space, and around each punctuation character and CJK
// ideograph. A word is encoded as its longest prefix that is a piece, then the
// longest prefix of the rest, and so on. A word that cannot be encoded like
// this, or has more than 100 characters, becomes the unknown token
// (https://arxiv.org/abs/1609.08144; BertNormalizer, BertPreTokenizer and
// WordPiece of Hugging Face's tokenizers, but with the characters of Unicode
// 16).
//
// A GGUF file spells a piece that begins a word with U+2581 before it, and one
// that continues a word without the "##" of the original vocabulary.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_WORDPIECEENCODER_H
#define AIRPACK_RUNTIME_TEXT_WORDPIECEENCODER_H

#include "formats/support/Status.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

class WordPieceEncoder final : public Encoder {
public:
  /// Fills `vocabulary`, which must outlive the encoder, from `data`, which
  /// must have passed checkTokenizer().
  static WordPieceEncoder create(const TokenizerData &data,
                                 Vocabulary &vocabulary);

  /// Ill-formed bytes are left out, as U+FFFD is.
  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  bool shrinksText() const override { return true; }

private:
  explicit WordPieceEncoder(const Vocabulary &words) : vocabulary(&words) {}
  struct Word;
  void readStretch(std::string_view text, Word &word, TokenOutput &out) const;
  void finish(Word &word, TokenOutput &out) const;
  void encodeWord(const Word &word, std::vector<int32_t> &ids) const;

  const Vocabulary *vocabulary;
  ByteTrie pieces; ///< a piece that begins a word begins with a space
  bool lowercase = false;
  bool stripAccents = false;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_WORDPIECEENCODER_H
