//===- GrammarTimeTool.cpp - how long masks take ----------------*- C++ -*-===//
//
// air-grammar-time VOCABULARY.gguf GRAMMAR TEXT: follows the tokens of a text
// through a grammar (.gbnf) or a JSON schema, computes the mask before each
// token, and prints how long that took.
//
//===----------------------------------------------------------------------===//
#include "Vocabularies.h"

#include "formats/support/MonotonicClock.h"
#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/GrammarMatcher.h"
#include "runtime/text/grammar/JsonSchema.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

using namespace air;
using namespace air::rt;

namespace {

std::string contents(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fputs("air-grammar-time VOCABULARY.gguf GRAMMAR TEXT\n", stderr);
    return 2;
  }
  Tokenizer tokenizer = tokenizerOf(vocabularyOf(argv[1]));
  double begin = monotonicSeconds();
  TokenTrie trie(tokenizer.vocabSize(),
                 [&](int32_t id) { return tokenizer.piece(id); });
  double builtTrie = monotonicSeconds();
  const std::string source = contents(argv[2]);
  GbnfVocabulary vocabulary{tokenizer.vocabSize(),
                            [](std::string_view) { return -1; }};
  bool isGbnf = std::string_view(argv[2]).ends_with(".gbnf");
  auto grammar =
      isGbnf ? parseGbnf(source, &vocabulary) : grammarOfSchema(source);
  if (!grammar.isOk()) {
    std::fprintf(stderr, "%s\n", grammar.status().message().c_str());
    return grammar.status().exitCode();
  }
  double builtGrammar = monotonicSeconds();
  GrammarMatcher matcher(*grammar, trie, {});
  double ready = monotonicSeconds();
  std::vector<double> times;
  for (int32_t id : tokenizer.encode(contents(argv[3]), false, false)) {
    double before = monotonicSeconds();
    Result<const TokenMask *> mask = matcher.allowed();
    times.push_back(1e3 * (monotonicSeconds() - before));
    Status status = mask.isOk() ? matcher.accept(id) : mask.status();
    if (!status.isOk()) {
      std::fprintf(stderr, "token %zu: %s\n", times.size(),
                   status.message().c_str());
      return status.exitCode();
    }
  }
  if (times.empty()) {
    return 2;
  }
  double sum = 0;
  for (double time : times) {
    sum += time;
  }
  std::sort(times.begin(), times.end());
  std::printf("%d tokens; trie %.1f ms, grammar %.2f ms, classes %.2f ms; %zu "
              "masks: mean %.4f ms, median %.4f, 90 %% %.4f, worst %.4f\n",
              tokenizer.vocabSize(), 1e3 * (builtTrie - begin),
              1e3 * (builtGrammar - builtTrie), 1e3 * (ready - builtGrammar),
              times.size(), sum / static_cast<double>(times.size()),
              times[times.size() / 2], times[times.size() * 9 / 10],
              times.back());
  return 0;
}
