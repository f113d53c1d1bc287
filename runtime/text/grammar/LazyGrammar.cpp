//===- LazyGrammar.cpp - a grammar that begins at a trigger -----*- C++ -*-===//
#include "runtime/text/grammar/LazyGrammar.h"

#include "formats/support/Printable.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace air::rt {

LazyGrammar::LazyGrammar(GrammarMatcher made, const TokenTrie &vocabulary,
                         GrammarTriggers chosen)
    : matcher(std::move(made)), trie(vocabulary), triggers(std::move(chosen)),
      active(triggers.empty()) {
  now.in = triggers.open;
  for (const auto *texts :
       {&triggers.texts, &triggers.starts, &triggers.preludeEnds}) {
    for (const std::string &text : *texts) {
      longest = std::max(longest, text.size());
    }
  }
  longest = std::max(longest, triggers.preludeMark.size());
  for (const std::string &branch : triggers.branches) {
    // advance() keeps `longest` - 1 bytes: here the mark, the branch, and the
    // byte after it, which shows whether the branch is a whole word.
    longest = std::max(longest, triggers.branchMark.size() + branch.size() + 2);
  }
  for (const QuietSpan &span : triggers.spans) {
    longest = std::max(longest, span.begin.size());
    for (const std::string &end : span.ends) {
      longest = std::max(longest, end.size());
    }
  }
}

std::string_view LazyGrammar::textOf(int32_t id) const {
  const auto found = std::ranges::lower_bound(
      triggers.controls, id, {}, &std::pair<int32_t, std::string>::first);
  return found != triggers.controls.end() && found->first == id
             ? std::string_view(found->second)
             : trie.piece(id);
}

/// Whether a `branchMark` in `text` is followed by something that is neither a
/// branch nor the beginning of one.
bool LazyGrammar::takesWrongBranch(std::string_view text) const {
  const std::string &mark = triggers.branchMark;
  if (mark.empty()) {
    return false;
  }
  for (size_t at = text.find(mark); at != std::string_view::npos;
       at = text.find(mark, at + mark.size())) {
    const std::string_view rest = text.substr(at + mark.size());
    const bool isKnown =
        std::ranges::any_of(triggers.branches, [&](std::string_view branch) {
          if (rest.size() <= branch.size()) {
            return branch.starts_with(rest);
          }
          const char next = rest[branch.size()];
          return rest.starts_with(branch) &&
                 std::isalnum(static_cast<unsigned char>(next)) == 0 &&
                 next != '_';
        });
    if (!isKnown) {
      return true;
    }
  }
  return false;
}

bool LazyGrammar::isTrigger(int32_t id) const {
  return !now.in &&
         std::ranges::find(triggers.tokens, id) != triggers.tokens.end();
}

std::optional<std::string> LazyGrammar::advance(Progress &progress,
                                                int32_t id) const {
  constexpr std::string_view kSpaces = " \t\r\n";
  constexpr size_t kNone = std::string::npos;
  std::string &text = progress.recent;
  text += textOf(id);
  while (true) {
    size_t first = kNone;
    if (progress.in) {
      size_t end = 0;
      for (const std::string &mark : triggers.spans[*progress.in].ends) {
        if (const size_t at = text.find(mark); at < first) {
          first = at;
          end = at + mark.size();
        }
      }
      if (first == kNone) {
        break;
      }
      text.erase(0, end);
      progress.in.reset();
      continue;
    }
    progress.isRefused |= takesWrongBranch(text);
    if (!triggers.preludeMark.empty() && !progress.hasMark) {
      const size_t at = text.find(triggers.preludeMark);
      if (at == kNone) {
        break;
      }
      text.erase(0, at + triggers.preludeMark.size());
      progress.hasMark = true;
    }
    for (const std::string &end : triggers.preludeEnds) {
      if (const size_t at = text.find(end); at != kNone) {
        const size_t rest = text.find_first_not_of(kSpaces, at + end.size());
        return text.substr(std::min(rest, text.size()));
      }
    }
    for (const std::string &trigger : triggers.texts) {
      first = std::min(first, text.find(trigger));
    }
    // The position in `text` of the first character of the answer that is
    // neither white space nor in a QuietSpan; kNone if it is not in `text`.
    const size_t head =
        progress.isAtStart ? text.find_first_not_of(kSpaces) : kNone;
    const auto isHead = [&](const std::string &mark) {
      return head != kNone && text.compare(head, mark.size(), mark) == 0;
    };
    for (const std::string &start : triggers.starts) {
      first = isHead(start) ? std::min(first, head) : first;
    }
    const QuietSpan *next = nullptr;
    size_t begin = first;
    for (const QuietSpan &span : triggers.spans) {
      const size_t at = span.isAnywhere      ? text.find(span.begin)
                        : isHead(span.begin) ? head
                                             : kNone;
      if (at < begin) {
        begin = at;
        next = &span;
      }
    }
    if (next == nullptr) {
      if (first != kNone) {
        return text.substr(first);
      }
      break;
    }
    progress.isAtStart = head >= begin && progress.isAtStart;
    text.erase(0, begin + next->begin.size());
    progress.in = static_cast<size_t>(next - triggers.spans.data());
  }
  const size_t keep = longest == 0 ? 0 : longest - 1;
  if (text.size() > keep) {
    const size_t drop = text.size() - keep;
    if (!progress.in && text.find_first_not_of(kSpaces) < drop) {
      progress.isAtStart = false;
    }
    text.erase(0, drop);
  }
  return std::nullopt;
}

Status LazyGrammar::checkTriggers() {
  const auto noText = [](const std::string &trigger) {
    return usageError("grammar: no text of the grammar begins with the "
                      "trigger " +
                      trigger);
  };
  for (const auto *texts : {&triggers.texts, &triggers.starts}) {
    for (const std::string &trigger : *texts) {
      if (!matcher.allowsText(trigger)) {
        return noText(inQuotes(trigger));
      }
    }
  }
  for (const int32_t id : triggers.tokens) {
    if (!matcher.allows(id)) {
      return noText("token " + std::to_string(id));
    }
  }
  return Status::ok();
}

bool LazyGrammar::allows(int32_t id) {
  if (id < 0 || id >= trie.size()) {
    return false;
  }
  if (!failure.isOk()) {
    return true;
  }
  if (active || isTrigger(id)) {
    return matcher.allows(id);
  }
  if (!triggers.preludeEnds.empty() && matcher.isEnd(id)) {
    return false;
  }
  Progress next = now;
  const std::optional<std::string> text = advance(next, id);
  return !next.isRefused && (!text || matcher.allowsText(*text));
}

void LazyGrammar::mask(std::span<float> logits) {
  const TokenMask *allowed = nullptr;
  if (active) {
    Result<const TokenMask *> made = matcher.allowed();
    if (!made.isOk()) {
      failure = made.status();
      return;
    }
    allowed = *made;
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    auto id = static_cast<int32_t>(i);
    bool isAllowed = id < trie.size() &&
                     (allowed != nullptr ? allowed->contains(id) : allows(id));
    logits[i] = isAllowed ? logits[i] : -HUGE_VALF;
  }
}

Status LazyGrammar::accept(int32_t id) {
  AIR_RETURN_IF_ERROR(failure);
  if (active || isTrigger(id)) {
    active = true;
    return matcher.accept(id);
  }
  if (id < 0 || id >= trie.size()) {
    return usageError("grammar: token " + std::to_string(id) +
                      " does not exist; the vocabulary has the tokens 0 to " +
                      std::to_string(trie.size() - 1));
  }
  const auto text = advance(now, id);
  if (now.isRefused) {
    return usageError("grammar: token " + std::to_string(id) + " continues " +
                      inQuotes(triggers.branchMark) +
                      " with a word that is not allowed there");
  }
  if (text) {
    active = true;
    return matcher.acceptText(*text);
  }
  return Status::ok();
}

} // namespace air::rt
