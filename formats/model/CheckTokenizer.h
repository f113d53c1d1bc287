//===- CheckTokenizer.h - can text be told in this vocabulary? --*- C++ -*-===//
//
// What the tokenizers of runtime/text/ ask of a vocabulary, for those who pack
// one as well: what could not be used is refused before it is packed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H
#define AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

namespace air {

/// Ok for kind None. Corrupt when arrays disagree in length, an id lies outside
/// the vocabulary, a score is not a number, a byte token has another name, or
/// some byte of UTF-8 text has neither a token nor an unknown token to stand
/// for it. Unsupported when the pre-tokenizer of a BPE vocabulary is missing or
/// not known; the message lists those that are.
Status checkTokenizer(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKTOKENIZER_H
