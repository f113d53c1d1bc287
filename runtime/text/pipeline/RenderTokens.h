//===- RenderTokens.h - the text of each token ------------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H

#include "formats/model/TokenizerData.h"

#include <string>

namespace air::rt {

/// Returns the bytes that stand for token `id` in decoded text, if the
/// vocabulary has a pipeline (see TextPipeline::rendering). Control and unknown
/// tokens are rendered as the vocabulary spells them.
std::string renderedToken(const TokenizerData &data, size_t id);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H
