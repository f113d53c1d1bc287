//===- GrammarOptions.h - answers that match a grammar ----------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_GRAMMAROPTIONS_H
#define AIRPACK_TOOLS_AIRRUN_GRAMMAROPTIONS_H

#include "runtime/text/Tokenizer.h"
#include "runtime/text/grammar/LazyGrammar.h"
#include "tools/cli/CommandLine.h"

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace air {

/// The options --grammar, --grammar-file, --json-schema, --json-schema-file and
/// --grammar-trigger.
std::vector<cli::Option> grammarOptions();

bool hasGrammar(const cli::Invocation &invocation);

/// Whether the option gives a grammar. Only one such option may be given.
bool isGrammarSource(std::string_view option);

/// Errors: Usage if options contradict each other.
Status checkGrammarOptions(const cli::Invocation &invocation);

/// False if the grammar comes from a pipe.
bool canReadGrammarTwice(const cli::Invocation &invocation);

/// What the command line says about the grammar of answers.
struct ChosenGrammar {
  std::shared_ptr<const rt::Grammar> grammar;
  rt::GrammarTriggers triggers;
};

/// The grammar that the command line gives, or nothing if it gives none.
/// Errors: those of readTextFile(), parseGbnf() and grammarOfSchema().
Result<std::optional<ChosenGrammar>>
chosenGrammar(const cli::Invocation &invocation,
              const rt::Tokenizer &tokenizer);

/// The tokens of the vocabulary that end generation, and `endTokens`, in
/// ascending order.
std::vector<int32_t> endsOfAnswer(const rt::Tokenizer &tokenizer,
                                  std::span<const int32_t> endTokens);

/// Fails with Unsupported if `ends` is empty. A grammar needs a token that ends
/// the text.
Status checkEnds(std::span<const int32_t> ends);

/// A filter of the tokens that an answer may have, and the trie of the
/// vocabulary's tokens, to which the filter refers.
struct GrammarOfAnswer {
  GrammarOfAnswer(ChosenGrammar chosen, const rt::Tokenizer &tokenizer,
                  std::vector<int32_t> endOfGeneration);

  rt::TokenTrie trie;
  rt::LazyGrammar filter;
};

/// The grammar that the command line gives; null if it gives none. Once the
/// text is complete, the grammar allows the tokens of the vocabulary that end
/// generation, and also `endTokens`. Errors: those of chosenGrammar(),
/// checkEnds() and LazyGrammar::checkTriggers(); Unsupported if the plan has no
/// vocabulary.
Result<std::unique_ptr<GrammarOfAnswer>>
grammarOfAnswer(const cli::Invocation &invocation,
                const std::optional<rt::Tokenizer> &tokenizer,
                std::span<const int32_t> endTokens);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_GRAMMAROPTIONS_H
