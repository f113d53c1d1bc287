//===- VerifyPatterns.cpp - rules of compiled expressions -----------------===//
#include "formats/plan/PlanRules.h"
#include "formats/plan/ProgramLimits.h"
#include "formats/text/regex/Regex.h"

namespace air::rules {

Status verifySplitters(const plan::Tokenizer &tokenizer) {
  const auto *splitters = tokenizer.splitters();
  const uint32_t count = sizeOf(splitters);
  if (count != 0 && tokenizer.kind() != plan::TokenizerKind::Bpe) {
    return broken("plan.tokenizer.splitters", "tokenizer",
                  "there are " + str(count) +
                      " compiled expressions, but the tokenizer is of kind " +
                      plan::EnumNameTokenizerKind(tokenizer.kind()) +
                      "; only the kind Bpe has any");
  }
  const plan::TextRules *rules = tokenizer.rules();
  if (count != 0 && rules != nullptr) {
    const uint32_t expressions = rules->expressions() == nullptr
                                     ? 0
                                     : sizeOf(rules->expressions()->ends());
    if (count != expressions) {
      return broken("plan.tokenizer.splitters", "tokenizer",
                    "there are " + str(count) + " compiled expressions for " +
                        str(expressions) +
                        " expressions; there must be one for each or none");
    }
  }
  // Expressions may share their lists, so the sum of their sizes is checked
  // before any of them is read.
  uint64_t words = 0;
  for (uint32_t i = 0; i < count; ++i) {
    words += sizeOf(splitters->Get(i)->words());
  }
  if (words > kMaxPlanRegexWords) {
    return broken("plan.tokenizer.splitters", "tokenizer",
                  "the compiled expressions have " + str(words) +
                      " words; at most " + str(kMaxPlanRegexWords) +
                      " are allowed");
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
