//===- GrammarTimeTool.cpp - how long masks take ----------------*- C++ -*-===//
//
// air-grammar-time VOCABULARY.gguf GRAMMAR TEXT: follows the tokens of a text
// through a grammar (.gbnf) or a JSON schema, computes the mask before each
// token, and prints how long that took.
//
// air-grammar-time VOCABULARY.gguf --calls TOOLS.json: does the same with
// random texts. For each family of models, there is one grammar, which requires
// calls of these tools, and there are many random texts that follow it. No text
// reuses the masks of an earlier text.
//
//===----------------------------------------------------------------------===//
#include "../answer/Answers.h"
#include "Vocabularies.h"

#include "formats/support/MonotonicClock.h"
#include "runtime/text/answer/CallGrammar.h"
#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/GrammarMatcher.h"
#include "runtime/text/grammar/JsonSchema.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

using namespace air;
using namespace air::rt;

namespace {

std::string contents(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

/// Computes masks, and records how long each takes, in milliseconds. Each mask
/// is computed three times from the same state, and the shortest time counts,
/// because a busy machine interrupts some of them for milliseconds.
class Stopwatch {
public:
  Result<const TokenMask *> allowed(GrammarMatcher &matcher) {
    double shortest = timeOf(GrammarMatcher(matcher));
    shortest = std::min(shortest, timeOf(GrammarMatcher(matcher)));
    const double before = monotonicSeconds();
    Result<const TokenMask *> mask = matcher.allowed();
    const double last = 1e3 * (monotonicSeconds() - before);
    times.push_back(std::min(shortest, last));
    return mask;
  }

  size_t count() const { return times.size(); }

  void print() {
    double sum = 0;
    for (double time : times) {
      sum += time;
    }
    std::ranges::sort(times);
    std::printf("%zu masks: mean %.4f ms, median %.4f, 90 %% %.4f, worst "
                "%.4f\n",
                times.size(), sum / static_cast<double>(times.size()),
                times[times.size() / 2], times[times.size() * 9 / 10],
                times.back());
  }

private:
  static double timeOf(GrammarMatcher copy) {
    const double before = monotonicSeconds();
    static_cast<void>(copy.allowed().isOk());
    return 1e3 * (monotonicSeconds() - before);
  }

  std::vector<double> times;
};

int fail(const Status &status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.exitCode();
}

int followText(const Tokenizer &tokenizer, const TokenTrie &trie,
               const char *file, const char *text) {
  const double begin = monotonicSeconds();
  const std::string source = contents(file);
  GbnfVocabulary vocabulary{tokenizer.vocabSize(),
                            [](std::string_view) { return -1; }};
  const bool isGbnf = std::string_view(file).ends_with(".gbnf");
  auto grammar =
      isGbnf ? parseGbnf(source, &vocabulary) : grammarOfSchema(source);
  if (!grammar.isOk()) {
    return fail(grammar.status());
  }
  const double builtGrammar = monotonicSeconds();
  GrammarMatcher matcher(*grammar, trie, {});
  const double ready = monotonicSeconds();
  Stopwatch watch;
  for (int32_t id : tokenizer.encode(contents(text), false, false)) {
    Result<const TokenMask *> mask = watch.allowed(matcher);
    Status status = mask.isOk() ? matcher.accept(id) : mask.status();
    if (!status.isOk()) {
      return fail(status.withContext("token " + std::to_string(watch.count())));
    }
  }
  if (watch.count() == 0) {
    return 2;
  }
  std::printf("grammar %.2f ms, classes %.2f ms; ",
              1e3 * (builtGrammar - begin), 1e3 * (ready - builtGrammar));
  watch.print();
  return 0;
}

/// Draws random tokens. About half of them have a character such as a quote or
/// bracket, which may end a part of a text.
class RandomTokens {
public:
  explicit RandomTokens(const TokenTrie &trie) {
    for (int32_t id = 0; id < trie.size(); ++id) {
      if (trie.piece(id).find_first_of("\"<>{}[](),:\n") !=
          std::string_view::npos) {
        ends.push_back(id);
      }
    }
  }

  /// Returns a random token of `mask`, which is not empty.
  int32_t draw(const TokenMask &mask, int32_t tokens) {
    constexpr int kTries = 1000;
    const bool wantsEnd = random() % 2 == 0;
    for (int i = 0; i < kTries; ++i) {
      const bool isEnd = wantsEnd && i < kTries / 2;
      const int32_t id = isEnd ? ends[random() % ends.size()]
                               : static_cast<int32_t>(random() % tokens);
      if (mask.contains(id)) {
        return id;
      }
    }
    auto id = static_cast<int32_t>(random() % tokens);
    while (!mask.contains(id)) {
      id = (id + 1) % tokens;
    }
    return id;
  }

private:
  std::vector<int32_t> ends;
  std::mt19937 random{1};
};

int followCalls(const Tokenizer &tokenizer, const TokenTrie &trie,
                const char *file) {
  constexpr size_t kMasks = 1000;
  constexpr size_t kLongestText = 200;
  Result<ToolSchemas> tools = ToolSchemas::parse(contents(file));
  if (!tools.isOk()) {
    return fail(tools.status());
  }
  RandomTokens tokens(trie);
  for (const AnswerFamily &family : answerFamilies()) {
    const double begin = monotonicSeconds();
    AnswerSyntax syntax = syntaxNamed(family.name);
    // Random texts would seldom get beyond the reasoning to a call.
    syntax.reasoning.clear();
    std::vector<std::pair<int32_t, std::string>> controls;
    for (int32_t id : markTokens(syntax, tokenizer)) {
      controls.emplace_back(id, tokenizer.piece(id, true));
    }
    Result<CallGrammar> made = callGrammar(
        syntax, *tools, {ToolChoice::Required, {}}, controls, nullptr);
    if (!made.isOk()) {
      return fail(made.status());
    }
    const double builtGrammar = monotonicSeconds();
    // A mask contains the end token if and only if the text may end.
    const int32_t end = tokenizer.eos();
    const GrammarMatcher fresh(made->grammar, trie, {end});
    const double ready = monotonicSeconds();
    Stopwatch watch;
    while (watch.count() < kMasks) {
      GrammarMatcher matcher = fresh;
      for (size_t length = 0; length < kLongestText; ++length) {
        Result<const TokenMask *> mask = watch.allowed(matcher);
        if (!mask.isOk()) {
          return fail(mask.status());
        }
        if ((*mask)->contains(end)) {
          break;
        }
        Status status =
            matcher.accept(tokens.draw(**mask, tokenizer.vocabSize()));
        if (!status.isOk()) {
          return fail(status);
        }
      }
    }
    std::printf("%-14s grammar %.1f ms, classes %.1f ms; ", family.name,
                1e3 * (builtGrammar - begin), 1e3 * (ready - builtGrammar));
    watch.print();
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fputs("air-grammar-time VOCABULARY.gguf GRAMMAR TEXT\n"
               "air-grammar-time VOCABULARY.gguf --calls TOOLS.json\n",
               stderr);
    return 2;
  }
  Tokenizer tokenizer = tokenizerOf(vocabularyOf(argv[1]));
  const double begin = monotonicSeconds();
  TokenTrie trie(tokenizer.vocabSize(),
                 [&](int32_t id) { return tokenizer.piece(id); });
  std::printf("%d tokens; trie %.1f ms\n", tokenizer.vocabSize(),
              1e3 * (monotonicSeconds() - begin));
  return std::string_view(argv[2]) == "--calls"
             ? followCalls(tokenizer, trie, argv[3])
             : followText(tokenizer, trie, argv[2], argv[3]);
}
