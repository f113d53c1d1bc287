//===- CheckTokenizer.h - is this vocabulary usable? ------------*- C++ -*-===//
//
// checkTokenizer() checks what the tokenizers of runtime/text/ require of a
// vocabulary. airpack calls it, too, so that an unusable vocabulary is refused
// before it is packed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H
#define AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

#include <array>

namespace air {

/// The largest total size of the texts of all special tokens, in bytes.
/// Preparing the search for these tokens takes some 40 bytes of memory for each
/// byte of their texts. In published vocabularies, the texts have some
/// kilobytes in all, or some megabytes if tokens stand for parts of images or
/// sounds.
constexpr size_t kMostSpecialBytes = size_t{1} << 23;

/// Returns Ok for kind None. Fails with Corrupt if there are no tokens, if
/// there are more than 2^30 tokens or merges, if arrays differ in length, if
/// the id of BOS, EOS, the unknown token or a token that ends generation lies
/// outside the vocabulary, if BOS or EOS must be added but does not exist, if a
/// score is not a number (or, for Unigram, not finite), if a byte token is not
/// named like <0x0A> although the vocabulary uses byte tokens, if a token of an
/// RWKV vocabulary has an invalid escape, if a Charsmap is malformed, or if a
/// WordLevel vocabulary has no pipeline.
///
/// Also fails with Corrupt if there is no unknown token, but one is needed:
/// because the vocabulary is WordPiece or WordLevel, or because some byte has
/// no token. A BPE vocabulary with a pipeline needs no tokens for bytes. A
/// byte-level BPE vocabulary without a pipeline needs tokens only for the bytes
/// that ordinary text can contain.
///
/// Fails with Unsupported if a BPE vocabulary without TextRules has no
/// pre-tokenizer or an unknown one, in which case the message lists the known
/// ones, or if the special tokens have more than kMostSpecialBytes. If there is
/// a pipeline, also fails as checkPipeline() does.
Status checkTokenizer(const TokenizerData &data);

/// Says of each byte whether the vocabulary has a token for it alone. `data`
/// must be a BPE vocabulary in which every token has a type. If
/// `data.rules.isSet` is false, `data.pre` must name a known pre-tokenizer.
std::array<bool, 256> bytesWithTokens(const TokenizerData &data);

/// Whether bytesWithTokens() is true for each of the 256 bytes.
bool hasAllBytes(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H
