//===- PreTokenizerNames.cpp - names of pre-tokenizers --------------------===//
//
// Source of the names: llama.cpp, src/llama-vocab.cpp. Names are synonyms only
// if they agree in all fields of PreTokenizerRules.
//
//===----------------------------------------------------------------------===//
#include "formats/model/PreTokenizerNames.h"

namespace air {

namespace {

constexpr PreTokenizerName kNames[] = {
    {"a.x-4.0", "gpt-2"},
    {"afmoe", "afmoe"},
    {"bailingmoe", "bailingmoe"},
    {"bailingmoe2", "bailingmoe"},
    {"bloom", "bloom"},
    {"chameleon", "chameleon"},
    {"chatglm-bpe", "dbrx"},
    {"codeshell", "starcoder"},
    {"cohere2moe", "tiny_aya"},
    {"command-r", "command-r"},
    {"dbrx", "dbrx"},
    {"deepseek-coder", "deepseek-coder"},
    {"deepseek-llm", "deepseek-llm"},
    {"deepseek-r1-qwen", "qwen2"},
    {"deepseek-v3", "deepseek-v3"},
    {"default", "default"},
    {"exaone", "starcoder"},
    {"exaone-moe", "exaone-moe"},
    {"exaone4", "gpt-2"},
    {"f2llmv2", "qwen2"},
    {"falcon", "falcon"},
    {"falcon-h1", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"gemma4", "gemma4"},
    {"gigachat", "gpt-2"},
    {"glm4", "glm4"},
    {"glm5", "glm4"},
    {"gpt-2", "gpt-2"},
    {"gpt-4o", "gpt-4o"},
    {"gpt3-finnish", "bloom"},
    {"granite-docling", "gpt-2"},
    {"granite-embed-multi-311m", "gemma4"},
    {"granite-embed-multi-97m", "granite-embed-multi-97m"},
    {"grok-2", "stablelm2"},
    {"hunyuan", "stablelm2"},
    {"hunyuan-dense", "deepseek-v3"},
    {"hy_v4", "deepseek-v3"},
    {"jais", "gpt-2"},
    {"jais-2", "jais-2"},
    {"jina-de", "gpt-2"},
    {"jina-es", "gpt-2"},
    {"jina-v1-en", "gpt-2"},
    {"jina-v2-code", "gpt-2"},
    {"jina-v2-de", "gpt-2"},
    {"jina-v2-es", "gpt-2"},
    {"jina-v5-nano", "llama-bpe"},
    {"joyai-llm", "deepseek-v3"},
    {"kanana2", "gpt-4o"},
    {"kimi-k2", "kimi-k2"},
    {"kormo", "stablelm2"},
    {"laguna", "laguna"},
    {"lfm2", "llama-bpe"},
    {"llada-moe", "bailingmoe"},
    {"llama-bpe", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"llama3", "llama-bpe"},
    {"llama4", "gpt-4o"},
    {"megrez", "qwen2"},
    {"mellum", "gpt-2"},
    {"mellum2", "starcoder"},
    {"midm-2.0", "llama-bpe"},
    {"minerva-7b", "starcoder"},
    {"minicpm5", "minicpm5"},
    {"minimax-m2", "gpt-4o"},
    {"modern-bert", "olmo"},
    {"mpt", "olmo"},
    {"olmo", "olmo"},
    {"phi-2", "gpt-2"},
    {"pixtral", "llama-bpe"},
    {"poro-chat", "bloom"},
    {"qwen2", "qwen2"},
    {"qwen35", "qwen35"},
    {"refact", "starcoder"},
    {"roberta-bpe", "gpt-2"},
    {"sarvam-moe", "sarvam-moe"},
    {"seed-coder", "seed-coder"},
    {"smaug-bpe", "dbrx"},
    {"smollm", "starcoder"},
    {"solar-open", "stablelm2"},
    {"spark2_5", "spark2_5"},
    {"stablelm2", "stablelm2"},
    {"starcoder", "starcoder"},
    {"superbpe", "superbpe"},
    {"talkie", "gpt-4o"},
    {"tekken", "tekken"},
    {"tiny_aya", "tiny_aya"},
    {"trillion", "gpt-2"},
    {"ufakzeka", "ufakzeka"},
    {"viking", "viking"},
    {"whitespace", "whitespace"},
    {"youtu", "youtu"},
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
