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

/// All supported names, sorted.
std::span<const PreTokenizerName> preTokenizerNames();

/// Returns the canonical name of the pre-tokenizer `name`; "" if it is not
/// supported.
std::string_view canonicalPreTokenizer(std::string_view name);

/// Returns the supported names as one text, for messages: "deepseek-r1-qwen,
/// default, ...".
std::string preTokenizerList();

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H
