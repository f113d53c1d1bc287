//===- PreTokenizer.cpp - boundaries that BPE does not cross --------------===//
#include "runtime/text/PreTokenizer.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

namespace air::rt {

namespace {

/// Splits the bytes from `begin` to `end` by the expressions from `index` on.
void splitBy(PreTokenizer::Scratch &matchers, size_t index,
             std::string_view text, size_t begin, size_t end, PieceSink ends) {
  if (index == matchers.size()) {
    ends(end);
    return;
  }
  RegexMatcher &matcher = matchers[index];
  matcher.setWindow(begin, end);
  size_t from = begin;
  size_t last = begin;
  for (RegexMatch match{}; from < end && matcher.find(from, match);) {
    if (match.start > last) {
      splitBy(matchers, index + 1, text, last, match.start, ends);
    }
    if (match.end > match.start) {
      splitBy(matchers, index + 1, text, match.start, match.end, ends);
      from = match.end;
    } else {
      // A piece ends at an empty match. The search goes on one character later.
      from = match.end;
      from += from < end ? decodeUtf8(text.substr(from)).length : 0;
    }
    last = match.end;
  }
  if (last < end) {
    splitBy(matchers, index + 1, text, last, end, ends);
  }
}

} // namespace

Result<PreTokenizer> PreTokenizer::create(std::string_view pre) {
  const PreTokenizerRules *found = preTokenizerRules(pre);
  if (found == nullptr) {
    return unsupportedError("tokenizer: the pre-tokenizer " +
                            inQuotes(std::string(pre)) + " is not supported");
  }
  PreTokenizer made(*found);
  for (std::string_view expression : found->expressions) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::compile(expression));
    made.regexes.push_back(std::move(regex));
  }
  return made;
}

Result<PreTokenizer> PreTokenizer::create(const TextRules &own) {
  PreTokenizerRules rules = {};
  rules.ignoreMerges = own.ignoreMerges;
  rules.spelling = own.spelling;
  PreTokenizer made(rules);
  for (const std::string &expression : own.expressions) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::compile(expression));
    made.regexes.push_back(std::move(regex));
  }
  return made;
}

PreTokenizer::Scratch PreTokenizer::makeScratch() const {
  return {regexes.begin(), regexes.end()};
}

void PreTokenizer::split(std::string_view text, Scratch &scratch,
                         PieceSink ends) const {
  for (RegexMatcher &matcher : scratch) {
    matcher.setText(text);
  }
  if (!text.empty()) {
    splitBy(scratch, 0, text, 0, text.size(), ends);
  }
}

} // namespace air::rt
