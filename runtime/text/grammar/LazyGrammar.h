//===- LazyGrammar.h - a grammar that begins at a trigger -------*- C++ -*-===//
//
// Restricts a sampler to the texts of a grammar. A model that may call tools
// writes free text until a trigger appears: a text such as "<tool_call>", or a
// token. From there on, the grammar holds. The trigger itself is a part of the
// text that the grammar must match.
//
// Ownership: refers to the trie, like GrammarMatcher. Thread-safety: use one
// object per sequence, from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H

#include "runtime/text/TokenFilter.h"
#include "runtime/text/grammar/GrammarMatcher.h"

#include <string>
#include <vector>

namespace air::rt {

struct GrammarTriggers {
  std::vector<std::string> texts; ///< none is empty
  std::vector<int32_t> tokens;

  bool empty() const { return texts.empty() && tokens.empty(); }
};

class LazyGrammar final : public TokenFilter {
public:
  /// Without triggers, the grammar holds from the beginning.
  LazyGrammar(GrammarMatcher matcher, const TokenTrie &trie,
              GrammarTriggers triggers);

  bool isActive() const { return active; }

  /// Fails with Usage if there is a trigger text with which no text of the
  /// grammar begins. No token could complete such a trigger.
  Status checkTriggers();

  /// Before the trigger, a token is only refused if it contains the trigger and
  /// then text that the grammar does not allow.
  bool allows(int32_t id) override;

  /// Masks nothing if the text exceeds a limit of GrammarMatcher; accept() then
  /// returns the error.
  void mask(std::span<float> logits) override;

  /// Fails like GrammarMatcher::accept().
  Status accept(int32_t id) override;

private:
  /// The text with token `id` appended, from the first trigger on; empty if
  /// there is no trigger.
  std::string triggered(int32_t id) const;

  GrammarMatcher matcher;
  const TokenTrie &trie;
  GrammarTriggers triggers;
  bool active;
  size_t longest = 0; ///< bytes of the longest trigger text
  std::string recent; ///< the last bytes, which may begin a trigger
  Status failure;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H
