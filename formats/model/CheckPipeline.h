//===- CheckPipeline.h - is this pipeline usable? ---------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
#define AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

namespace air {

/// Checks the pipeline of a vocabulary. Fails with Corrupt if a step lacks what
/// it needs or has a text that is not valid UTF-8, if the mark or the suffix
/// that the rendering of tokens needs is empty, if the Charsmap is malformed,
/// or if a WordLevel or WordPiece vocabulary has no unknown token. Fails with
/// Unsupported if there are too many steps, if several steps apply the
/// Charsmap, or if the steps could make a text too much longer.
Status checkPipeline(const TokenizerData &data);

/// An upper bound on the factor by which a part of a normalised text can become
/// longer when the pre-tokenizer splits it into words and BPE adds the prefix
/// and the suffix of the vocabulary to parts of words. It is at least 1.
uint64_t wordGrowth(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
