//===- GrammarOptions.cpp - answers that match a grammar --------*- C++ -*-===//
#include "tools/airrun/GrammarOptions.h"

#include "runtime/text/grammar/GbnfParser.h"
#include "runtime/text/grammar/JsonSchema.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <array>

namespace air {
namespace {

using cli::ValueKind;

constexpr std::array kSources = {"--grammar", "--grammar-file", "--json-schema",
                                 "--json-schema-file"};

rt::GbnfVocabulary vocabularyOf(const rt::Tokenizer &tokenizer) {
  return {tokenizer.vocabSize(), [&tokenizer](std::string_view text) {
            std::vector<int32_t> ids = tokenizer.encode(text, false, true);
            return ids.size() == 1 ? ids[0] : -1;
          }};
}

} // namespace

std::vector<cli::Option> grammarOptions() {
  return {
      {.name = "--grammar",
       .kind = ValueKind::String,
       .valueName = "TEXT",
       .help = "Generate only text that matches a grammar in llama.cpp's "
               "GBNF. End-of-generation tokens are possible exactly where "
               "the text is complete."},
      {.name = "--grammar-file",
       .kind = ValueKind::String,
       .valueName = "FILE",
       .help = "Like --grammar, with the grammar from a file."},
      {.name = "--json-schema",
       .shortName = "-j",
       .kind = ValueKind::String,
       .valueName = "TEXT",
       .help = "Generate only JSON that this JSON schema allows; the schema "
               "{} allows any value. docs/grammars.md lists the keywords."},
      {.name = "--json-schema-file",
       .kind = ValueKind::String,
       .valueName = "FILE",
       .help = "Like --json-schema, with the schema from a file."},
      {.name = "--grammar-trigger",
       .kind = ValueKind::StringList,
       .valueName = "TEXT",
       .help =
           "Generate freely until this text appears. This text and all output "
           "after it must match the grammar. If TEXT is the text of a control "
           "token, that token is the trigger. Without this option, the "
           "grammar applies from the start."}};
}

bool hasGrammar(const cli::Invocation &invocation) {
  return std::ranges::any_of(
      kSources, [&](const char *name) { return invocation.has(name); });
}

bool isGrammarSource(std::string_view option) {
  return std::ranges::find(kSources, option) != kSources.end();
}

Status checkGrammarOptions(const cli::Invocation &invocation) {
  int given = 0;
  for (const char *name : kSources) {
    given += invocation.has(name) ? 1 : 0;
  }
  if (given > 1) {
    return usageError(std::to_string(given) +
                      " of --grammar, --grammar-file, --json-schema and "
                      "--json-schema-file are given; give only one of them");
  }
  if (given == 0 && invocation.has("--grammar-trigger")) {
    return usageError("--grammar-trigger is given without a grammar; give "
                      "--grammar or --json-schema, too");
  }
  if (given == 1 && invocation.has("--ignore-eos")) {
    return usageError("--ignore-eos would continue past the end of a text that "
                      "must match a grammar; leave out --ignore-eos or the "
                      "grammar");
  }
  for (const std::string &text : invocation.list("--grammar-trigger")) {
    if (text.empty()) {
      return usageError("--grammar-trigger: an empty text would be found at "
                        "the start of every answer; leave out the option to "
                        "apply the grammar from the start");
    }
  }
  return Status::ok();
}

bool canReadGrammarTwice(const cli::Invocation &invocation) {
  return std::ranges::all_of(kSources, [&](const std::string &name) {
    return !name.ends_with("-file") || !invocation.has(name.c_str()) ||
           isReadTwice(*invocation.text(name.c_str()));
  });
}

Result<std::optional<ChosenGrammar>>
chosenGrammar(const cli::Invocation &invocation,
              const rt::Tokenizer &tokenizer) {
  if (!hasGrammar(invocation)) {
    return std::optional<ChosenGrammar>();
  }
  bool isSchema =
      invocation.has("--json-schema") || invocation.has("--json-schema-file");
  std::string text =
      invocation.text(isSchema ? "--json-schema" : "--grammar").value_or("");
  const std::optional<std::string> path =
      invocation.text(isSchema ? "--json-schema-file" : "--grammar-file");
  if (path) {
    AIR_ASSIGN_OR_RETURN(text, readTextFile(*path, parsedTextLimit()));
    // Some editors write a byte order mark, which is not part of the grammar.
    if (constexpr std::string_view kMark = "\xEF\xBB\xBF";
        text.starts_with(kMark)) {
      text.erase(0, kMark.size());
    }
  }
  rt::GbnfVocabulary vocabulary = vocabularyOf(tokenizer);
  Result<std::shared_ptr<const rt::Grammar>> grammar =
      isSchema ? rt::grammarOfSchema(text) : rt::parseGbnf(text, &vocabulary);
  if (!grammar.isOk()) {
    return path ? grammar.status().withContext("'" + *path + "'")
                : grammar.status();
  }
  rt::GrammarTriggers triggers;
  for (std::string &trigger : invocation.list("--grammar-trigger")) {
    int32_t id = tokenizer.specialToken(trigger);
    if (id != TokenizerData::kNoToken && tokenizer.piece(id).empty()) {
      triggers.tokens.push_back(id);
    } else {
      triggers.texts.push_back(std::move(trigger));
    }
  }
  return std::optional(ChosenGrammar{*std::move(grammar), std::move(triggers)});
}

std::vector<int32_t> endsOfAnswer(const rt::Tokenizer &tokenizer,
                                  std::span<const int32_t> endTokens) {
  std::vector<int32_t> ends;
  for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
    if (tokenizer.isEndOfGeneration(id) ||
        std::ranges::find(endTokens, id) != endTokens.end()) {
      ends.push_back(id);
    }
  }
  return ends;
}

Status checkEnds(std::span<const int32_t> ends) {
  return ends.empty()
             ? unsupportedError("a grammar needs a token that ends a text, but "
                                "the vocabulary of this plan has none")
             : Status::ok();
}

GrammarOfAnswer::GrammarOfAnswer(ChosenGrammar chosen,
                                 const rt::Tokenizer &tokenizer,
                                 std::vector<int32_t> endOfGeneration)
    : trie(tokenizer.vocabSize(),
           [&tokenizer](int32_t id) { return tokenizer.piece(id); }),
      filter(rt::GrammarMatcher(std::move(chosen.grammar), trie,
                                std::move(endOfGeneration)),
             trie, std::move(chosen.triggers)) {}

Result<std::unique_ptr<GrammarOfAnswer>>
grammarOfAnswer(const cli::Invocation &invocation,
                const std::optional<rt::Tokenizer> &tokenizer,
                std::span<const int32_t> endTokens) {
  if (!hasGrammar(invocation)) {
    return std::unique_ptr<GrammarOfAnswer>();
  }
  if (!tokenizer) {
    return unsupportedError("a grammar needs a vocabulary, but this plan has "
                            "none");
  }
  AIR_ASSIGN_OR_RETURN(std::optional<ChosenGrammar> chosen,
                       chosenGrammar(invocation, *tokenizer));
  std::vector<int32_t> ends = endsOfAnswer(*tokenizer, endTokens);
  AIR_RETURN_IF_ERROR(checkEnds(ends));
  auto answer = std::make_unique<GrammarOfAnswer>(*std::move(chosen),
                                                  *tokenizer, std::move(ends));
  AIR_RETURN_IF_ERROR(answer->filter.checkTriggers());
  return answer;
}

} // namespace air
