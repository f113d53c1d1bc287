//===- LazyGrammar.cpp - a grammar that begins at a trigger -----*- C++ -*-===//
#include "runtime/text/grammar/LazyGrammar.h"

#include "formats/support/Printable.h"

#include <algorithm>
#include <cmath>

namespace air::rt {

LazyGrammar::LazyGrammar(GrammarMatcher made, const TokenTrie &vocabulary,
                         GrammarTriggers chosen)
    : matcher(std::move(made)), trie(vocabulary), triggers(std::move(chosen)),
      active(triggers.empty()) {
  for (const std::string &text : triggers.texts) {
    longest = std::max(longest, text.size());
  }
}

std::string LazyGrammar::triggered(int32_t id) const {
  std::string text = recent;
  text += trie.piece(id);
  size_t first = std::string::npos;
  for (const std::string &trigger : triggers.texts) {
    first = std::min(first, text.find(trigger));
  }
  return first == std::string::npos ? std::string() : text.substr(first);
}

Status LazyGrammar::checkTriggers() {
  for (const std::string &trigger : triggers.texts) {
    if (!matcher.allowsText(trigger)) {
      return usageError("grammar: no text of the grammar begins with the "
                        "trigger " +
                        inQuotes(trigger));
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
  bool isTrigger =
      std::ranges::find(triggers.tokens, id) != triggers.tokens.end();
  if (active || isTrigger) {
    return matcher.allows(id);
  }
  std::string text = triggered(id);
  return text.empty() || matcher.allowsText(text);
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
  bool isTrigger =
      std::ranges::find(triggers.tokens, id) != triggers.tokens.end();
  if (active || isTrigger) {
    active = true;
    return matcher.accept(id);
  }
  if (id < 0 || id >= trie.size()) {
    return usageError("grammar: token " + std::to_string(id) +
                      " does not exist; the vocabulary has the tokens 0 to " +
                      std::to_string(trie.size() - 1));
  }
  if (std::string text = triggered(id); !text.empty()) {
    active = true;
    return matcher.acceptText(text);
  }
  recent += trie.piece(id);
  if (size_t keep = longest == 0 ? 0 : longest - 1; recent.size() > keep) {
    recent.erase(0, recent.size() - keep);
  }
  return Status::ok();
}

} // namespace air::rt
