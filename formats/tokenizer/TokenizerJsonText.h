//===- TokenizerJsonText.h - how tokenizer.json prepares text ---*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
#define AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H

#include "formats/model/TokenizerData.h"
#include "formats/tokenizer/JsonFields.h"

namespace air {

/// Reads 'normalizer' and 'pre_tokenizer' of the whole file `root`, and sets
/// what belongs to `data.kind`: `data.rules`, `data.charsmap` and the flags.
Status readTextRules(const JsonFields &root, TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
