//===- CheckPipeline.h - is this pipeline usable? ---------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
#define AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

namespace air {

/// Checks the pipeline of a vocabulary. Fails with Corrupt if a step is in the
/// wrong phase (TextSteps.h), lacks what it needs or has a text that is not
/// valid UTF-8, if decoding turns a mark or a suffix of tokens into spaces but
/// this mark or suffix is empty, if the Charsmap is malformed, or if a
/// vocabulary of a kind other than BPE and Unigram has no unknown token. Fails
/// with Unsupported if there are too many steps, if several steps apply the
/// Charsmap, or if the factor by which the steps could make a text longer is
/// too large.
Status checkPipeline(const TokenizerData &data);

/// After normalisation, a text can still become longer: steps of the
/// pre-tokenizer may add characters, and BPE adds the vocabulary's prefix and
/// suffix to pieces of words. Returns an upper bound, at least 1, on the factor
/// by which any part of a normalised text becomes longer in this way. `data`
/// must pass checkPipeline().
uint64_t wordGrowth(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
