//===- RenderTokens.h - the text of each token ------------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H

#include "formats/model/TokenizerData.h"

#include <string>

namespace air::rt {

/// The bytes that token `id` of a vocabulary with a pipeline becomes, as
/// TextPipeline::rendering says. Those of control and unknown tokens are as in
/// the vocabulary.
std::string renderedToken(const TokenizerData &data, size_t id);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_RENDERTOKENS_H
