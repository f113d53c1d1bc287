//===- LazyGrammar.h - a grammar that begins at a trigger -------*- C++ -*-===//
//
// Restricts a sampler to the texts of a grammar. A model that may call tools
// writes free text until a trigger appears: a text such as "<tool_call>", or a
// token. From there on, the grammar applies. The trigger itself is a part of
// the text that the grammar must match. A model may mention a trigger while it
// reasons, so triggers do not count within the reasoning (QuietSpan).
//
// Ownership: refers to the trie, like GrammarMatcher. Thread-safety: use one
// object per sequence, from one thread at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H

#include "runtime/text/TokenFilter.h"
#include "runtime/text/grammar/GrammarMatcher.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace air::rt {

/// A part of the text in which nothing is a trigger, such as reasoning. Its
/// delimiters may be the texts of control tokens.
struct QuietSpan {
  std::string begin;
  std::vector<std::string> ends;
  /// Whether the span may begin anywhere. Otherwise, only white space and other
  /// quiet spans may precede it.
  bool isAnywhere = false;
};

struct GrammarTriggers {
  std::vector<std::string> texts; ///< none of them is empty
  std::vector<int32_t> tokens;
  /// Texts that are triggers only if nothing but white space and quiet spans
  /// precedes them.
  std::vector<std::string> starts = {};
  std::vector<QuietSpan> spans = {};
  /// The index in `spans` of the span in which the text begins; nothing if the
  /// text begins outside all spans.
  std::optional<size_t> open = {};
  /// Texts, such as the end of the reasoning, after which the grammar applies.
  /// The grammar does not match such a text, nor white space that follows it in
  /// the same token. If this list is not empty, the answer cannot end before
  /// one of the texts.
  std::vector<std::string> preludeEnds = {};
  /// If this text is not empty, only those of the `preludeEnds` count that come
  /// after its first occurrence.
  std::string preludeMark = {};
  /// If `branchMark` is not empty, each occurrence of it must be followed by
  /// one of `branches`, as a whole word. This rule holds only until the grammar
  /// begins to apply, and not within quiet spans.
  std::string branchMark = {};
  std::vector<std::string> branches = {};
  /// The control tokens that delimiters may contain, each with its text, in
  /// ascending order.
  std::vector<std::pair<int32_t, std::string>> controls = {};

  bool empty() const {
    return texts.empty() && starts.empty() && tokens.empty() &&
           preludeEnds.empty();
  }
};

class LazyGrammar final : public TokenFilter {
public:
  /// Without triggers, the grammar applies from the beginning of the text.
  LazyGrammar(GrammarMatcher matcher, const TokenTrie &trie,
              GrammarTriggers triggers);

  bool isActive() const { return active; }

  /// Checks each trigger: at least one text of the grammar must begin with it,
  /// because allows() otherwise refuses every token that completes the trigger.
  /// Errors: Usage.
  Status checkTriggers();

  /// Until the grammar applies, a token is refused only in three cases:
  /// - It completes a trigger or one of the `preludeEnds`, so that the grammar
  ///   would apply, but no text of the grammar begins with the part of the
  ///   answer that the grammar would have to match.
  /// - It continues a `branchMark` with text that is not one of `branches`.
  /// - It ends the answer before one of the `preludeEnds` has appeared, unless
  ///   `preludeEnds` is empty.
  bool allows(int32_t id) override;

  /// Masks nothing if the text exceeds a limit of GrammarMatcher; accept() then
  /// returns the error.
  void mask(std::span<float> logits) override;

  /// Fails like GrammarMatcher::accept().
  Status accept(int32_t id) override;

private:
  /// What advance() remembers of the text while the grammar does not apply.
  struct Progress {
    std::string recent; ///< the last bytes, which may begin a delimiter
    /// Whether only white space and quiet spans (QuietSpan) precede `recent`.
    bool isAtStart = true;
    bool hasMark = false;     ///< whether the text contains `preludeMark`
    bool isRefused = false;   ///< whether another text follows a `branchMark`
    std::optional<size_t> in; ///< index of the quiet span that is not closed
  };

  std::string_view textOf(int32_t id) const;
  bool takesWrongBranch(std::string_view text) const;
  bool isTrigger(int32_t id) const;
  /// Adds the text of token `id` to `progress`. If the grammar applies from now
  /// on, returns the text that it must match first; otherwise returns nothing.
  std::optional<std::string> advance(Progress &progress, int32_t id) const;

  GrammarMatcher matcher;
  const TokenTrie &trie;
  GrammarTriggers triggers;
  bool active;
  size_t longest = 0; ///< bytes of the longest text of a trigger or delimiter
  Progress now;
  Status failure;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_LAZYGRAMMAR_H
