//===- CheckPipeline.h - is this pipeline usable? ---------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
#define AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H

#include "formats/model/TokenizerData.h"
#include "formats/support/Status.h"

namespace air {

/// Checks the pipeline of a vocabulary. Fails with Corrupt if a step lacks what
/// it needs, if a text in it is not valid UTF-8, or if there is no unknown
/// token for words that have no tokens (WordLevel, WordPiece, and Unigram
/// without tokens for all bytes). Fails with Unsupported if there are too many
/// steps, or if they could make a text too much longer.
Status checkPipeline(const TokenizerData &data);

/// How many times longer the pre-tokenizer and the model could make a part of
/// a normalised text.
uint64_t wordGrowth(const TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHECKPIPELINE_H
