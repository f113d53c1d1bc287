//===- PreTokenizerNames.cpp - names of pre-tokenisers --------------------===//
//
// Source of the synonyms: llama.cpp, src/llama-vocab.cpp. Two names are
// synonyms only if their regular expressions, their values of ignore_merges and
// their normalisations all agree.
//
//===----------------------------------------------------------------------===//
#include "formats/model/PreTokenizerNames.h"

namespace air {

namespace {

constexpr PreTokenizerName kNames[] = {
    {"deepseek-r1-qwen", "qwen2"},
    {"default", "default"},
    {"falcon3", "llama-bpe"},
    {"gpt-2", "gpt-2"},
    {"llama-bpe", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"llama3", "llama-bpe"},
    {"megrez", "qwen2"},
    {"phi-2", "gpt-2"},
    {"qwen2", "qwen2"},
};

} // namespace

std::span<const PreTokenizerName> preTokenizerNames() { return kNames; }

std::string_view canonicalPreTokenizer(std::string_view name) {
  for (const PreTokenizerName &known : kNames) {
    if (known.name == name) {
      return known.canonical;
    }
  }
  return {};
}

std::string preTokenizerList() {
  std::string list;
  for (const PreTokenizerName &known : kNames) {
    list += (list.empty() ? "" : ", ") + std::string(known.name);
  }
  return list;
}

} // namespace air
