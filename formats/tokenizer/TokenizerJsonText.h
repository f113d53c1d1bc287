//===- TokenizerJsonText.h - how tokenizer.json prepares text ---*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
#define AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H

#include "formats/model/TokenizerData.h"
#include "formats/tokenizer/JsonFields.h"

namespace air {

/// Reads 'normalizer' and 'pre_tokenizer' of the file `root`. Sets
/// `data.rules`, `data.charsmap` and the flags that `data.kind` uses.
Status readTextRules(const JsonFields &root, TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
