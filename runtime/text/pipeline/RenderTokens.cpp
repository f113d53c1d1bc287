//===- RenderTokens.cpp - the text of each token --------------------------===//
#include "runtime/text/pipeline/RenderTokens.h"

#include "formats/model/ByteLevel.h"
#include "formats/model/KnownPieces.h"

#include <utility>

namespace air::rt {
namespace {

void replaceAll(std::string &text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Makes the replacements that the decoder WordPiece of Hugging Face's
/// `tokenizers` library makes if 'cleanup' is set, and in the same order.
void tidyEnglish(std::string &text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto &[from, to] : kReplacements) {
    replaceAll(text, from, to);
  }
}

} // namespace

std::string renderedToken(const TokenizerData &data, size_t id) {
  const TextPipeline &pipeline = data.rules.pipeline;
  const TokenType type = data.types[id];
  std::string text = data.tokens[id];
  if (type == TokenType::Control || type == TokenType::Unknown) {
    return text;
  }
  if (type == TokenType::Byte) {
    return {static_cast<char>(byteOfPiece(text).value_or(0))};
  }
  switch (pipeline.rendering) {
  case TokenRendering::Plain:
    break;
  case TokenRendering::Bytes: {
    std::string bytes;
    return type != TokenType::UserDefined && bytesOfSpelling(text, bytes)
               ? bytes
               : text;
  }
  case TokenRendering::Marked:
    replaceAll(text, pipeline.mark, " ");
    break;
  case TokenRendering::Words: {
    const std::string &prefix = pipeline.wordPrefix;
    if (text.starts_with(prefix)) { // always true if the prefix is empty
      text.erase(0, prefix.size());
    } else {
      text.insert(0, " ");
    }
    break;
  }
  case TokenRendering::Suffixed:
    replaceAll(text, pipeline.wordSuffix, " ");
    break;
  }
  if (pipeline.tidiesEnglish) {
    tidyEnglish(text);
  }
  return text;
}

} // namespace air::rt
