//===- VerifyPatterns.cpp - rules of compiled expressions -----------------===//
#include "formats/plan/PlanRules.h"
#include "formats/plan/ProgramLimits.h"
#include "formats/support/CountText.h"
#include "formats/text/regex/Regex.h"

namespace air::rules {

Status verifySplitters(const plan::Tokenizer &tokenizer) {
  const auto *splitters = tokenizer.splitters();
  const uint32_t count = sizeOf(splitters);
  const plan::TextRules *rules = tokenizer.rules();
  const bool hasPipeline = rules != nullptr && rules->pipeline() != nullptr;
  if (count != 0 && tokenizer.kind() != plan::TokenizerKind::Bpe &&
      !hasPipeline) {
    return broken("plan.tokenizer.splitters", "tokenizer",
                  "there are " + str(count) +
                      " compiled expressions, but the tokenizer is of kind " +
                      plan::EnumNameTokenizerKind(tokenizer.kind()) +
                      "; only the kind Bpe, and tokenizers with a pipeline, "
                      "have any");
  }
  if (count != 0 && rules != nullptr) {
    const uint32_t expressions = hasPipeline ? expressionsOf(*rules->pipeline())
                                 : rules->expressions() == nullptr
                                     ? 0
                                     : sizeOf(rules->expressions()->ends());
    if (count != expressions) {
      return broken("plan.tokenizer.splitters", "tokenizer",
                    "there are " + str(count) + " compiled expressions for " +
                        str(expressions) +
                        " expressions; there must be one for each or none");
    }
  }
  // Several expressions may refer to the same list of words in the file, so a
  // small file can describe huge expressions. The sum of the sizes of all
  // expressions is therefore checked before any expression is read.
  uint64_t words = 0;
  for (uint32_t i = 0; i < count; ++i) {
    words += sizeOf(splitters->Get(i)->words());
  }
  if (words > kMaxPlanRegexWords) {
    return broken("plan.tokenizer.splitters", "tokenizer",
                  "the compiled expressions have " + countOf(words, "word") +
                      "; at most " + str(kMaxPlanRegexWords) + " are allowed");
  }
  for (uint32_t i = 0; i < count; ++i) {
    const auto *list = splitters->Get(i)->words();
    const std::span<const uint32_t> span =
        list == nullptr ? std::span<const uint32_t>()
                        : std::span(list->data(), list->size());
    if (const Status status = Regex::load(span).status(); !status.isOk()) {
      return broken("plan.tokenizer.splitters", "expression " + str(i),
                    status.message());
    }
  }
  return Status::ok();
}

} // namespace air::rules
