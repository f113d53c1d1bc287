//===- PreTokenizerNames.h - names of pre-tokenisers ------------*- C++ -*-===//
//
// tokenizer.ggml.pre names the regular expression that splits text before
// byte-pair merging. Several names stand for the same expression; one of them
// is the canonical one. The expressions themselves are in runtime/text/.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H
#define AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H

#include <span>
#include <string>
#include <string_view>

namespace air {

struct PreTokenizerName {
  std::string_view name;
  std::string_view canonical;
};

/// Every name that is supported, sorted.
std::span<const PreTokenizerName> preTokenizerNames();

/// "" when `name` is not supported.
std::string_view canonicalPreTokenizer(std::string_view name);

/// "deepseek-r1-qwen, default, ...", for messages.
std::string preTokenizerList();

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H
