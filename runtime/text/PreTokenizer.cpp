//===- PreTokenizer.cpp - boundaries that BPE does not cross --------------===//
#include "runtime/text/PreTokenizer.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

#include <algorithm>

namespace air::rt {

namespace {

constexpr size_t kLastBit = 31;
/// The longest piece for which candidates() is called. In longer pieces, most
/// expressions may match, so the call would rule out few.
constexpr size_t kShortPiece = 64;

uint32_t bitOf(size_t index) {
  return uint32_t{1} << std::min(index, kLastBit);
}

} // namespace

/// Returns the bits (see bitOf()) of the expressions that may match in `piece`.
uint32_t PreTokenizer::candidates(std::string_view piece) const {
  uint32_t bits = 0;
  bool followsSpace = false;
  for (char c : piece) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80) {
      return UINT32_MAX;
    }
    bits |= followsSpace ? beginsAtSpace[byte] : 0;
    followsSpace = c == ' ';
    bits |= followsSpace ? 0 : begins[byte];
  }
  bits |= followsSpace ? beginsAtSpace.back() : 0;
  return bits;
}

/// Splits the bytes from `begin` to `end` by the expressions from `index` on.
void PreTokenizer::splitBy(Scratch &matchers, size_t index,
                           std::string_view text, size_t begin, size_t end,
                           PieceSink ends) const {
  const size_t count = matchers.size();
  const uint32_t possible = index < count && end - begin <= kShortPiece
                                ? candidates(text.substr(begin, end - begin))
                                : UINT32_MAX;
  while (index < count && (possible & bitOf(index)) == 0) {
    ++index;
  }
  if (index == count) {
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
      // The text is divided at an empty match, too. The search continues after
      // the next character; otherwise it would find the same match again.
      from = match.end;
      from += from < end ? decodeUtf8(text.substr(from)).length : 0;
    }
    last = match.end;
  }
  if (last < end) {
    splitBy(matchers, index + 1, text, last, end, ends);
  }
}

template <typename Expressions>
Status PreTokenizer::addAll(const Expressions &expressions,
                            CompiledExpressions compiled) {
  for (const std::vector<uint32_t> &words : compiled) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::load(words));
    add(std::move(regex));
  }
  if (!compiled.empty()) {
    return Status::ok();
  }
  for (const auto &expression : expressions) {
    AIR_ASSIGN_OR_RETURN(Regex regex, Regex::compile(expression));
    add(std::move(regex));
  }
  return Status::ok();
}

Result<PreTokenizer> PreTokenizer::create(std::string_view pre,
                                          CompiledExpressions compiled) {
  const PreTokenizerRules *found = preTokenizerRules(pre);
  if (found == nullptr) {
    return unsupportedError("tokenizer: the pre-tokenizer " +
                            inQuotes(std::string(pre)) + " is not supported");
  }
  PreTokenizer made(*found);
  AIR_RETURN_IF_ERROR(made.addAll(found->expressions, compiled));
  return made;
}

Result<PreTokenizer> PreTokenizer::create(const TextRules &own,
                                          CompiledExpressions compiled) {
  PreTokenizerRules rules = {};
  rules.ignoreMerges = own.ignoreMerges;
  rules.spelling = own.spelling;
  PreTokenizer made(rules);
  AIR_RETURN_IF_ERROR(made.addAll(own.expressions, compiled));
  return made;
}

void PreTokenizer::add(Regex regex) {
  const RegexMatcher matcher(regex);
  const uint32_t bit = bitOf(regexes.size());
  for (size_t c = 0; c < begins.size(); ++c) {
    const bool may = matcher.mayBeginWith(static_cast<char>(c));
    const bool mayAtSpace = matcher.mayBeginWith(' ', static_cast<int>(c));
    begins[c] |= may ? bit : 0;
    beginsAtSpace[c] |= mayAtSpace ? bit : 0;
  }
  const bool mayAtEnd = matcher.mayBeginWith(' ', RegexMatcher::kEnd);
  beginsAtSpace.back() |= mayAtEnd ? bit : 0;
  regexes.push_back(std::move(regex));
}

PreTokenizer::Scratch PreTokenizer::makeScratch() const {
  return {regexes.begin(), regexes.end()};
}

void PreTokenizer::split(std::string_view text, Scratch &matchers,
                         PieceSink ends) const {
  for (RegexMatcher &matcher : matchers) {
    matcher.setText(text);
  }
  if (!text.empty()) {
    splitBy(matchers, 0, text, 0, text.size(), ends);
  }
}

} // namespace air::rt
