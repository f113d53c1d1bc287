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

/// The most bytes that the special tokens may have in all. The search for them
/// needs some 40 bytes of memory for each. The special tokens of published
/// vocabularies have some kilobytes, or, if they stand for parts of images or
/// sounds, some megabytes.
constexpr size_t kMostSpecialBytes = size_t{1} << 23;

/// Returns Ok for kind None. Fails with Corrupt if arrays differ in length, an
/// id lies outside the vocabulary, a score is not a number (or, for Unigram,
/// not finite), a byte token is not named like <0x0A>, a token of an RWKV
/// vocabulary has an invalid escape, or a Charsmap is malformed. Also fails
/// with Corrupt if there is no unknown token, but one is needed: because the
/// vocabulary is WordPiece, or because some byte has no token. In a byte-level
/// BPE vocabulary, only the bytes that ordinary text can contain need tokens.
/// Fails with Unsupported if the pre-tokenizer of a BPE vocabulary is missing
/// or unknown, in which case the message lists the known ones, or if the
/// special tokens have more than kMostSpecialBytes.
Status checkTokenizer(const TokenizerData &data);

/// Says of each byte whether the vocabulary has a token for it alone. `data` is
/// a BPE vocabulary with types, and with rules or the name of a known
/// pre-tokenizer.
std::array<bool, 256> bytesWithTokens(const TokenizerData &data);

/// Whether bytesWithTokens() is true for each of the 256 bytes.
bool hasAllBytes(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H
