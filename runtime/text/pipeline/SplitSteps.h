//===- SplitSteps.h - the steps of a pre-tokenizer --------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_SPLITSTEPS_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_SPLITSTEPS_H

#include "formats/model/TextSteps.h"
#include "formats/text/regex/RegexMatcher.h"
#include "runtime/exec/FunctionRef.h"

#include <span>
#include <string>
#include <vector>

namespace air::rt {

/// Splits texts into words. Used by one thread at a time.
class SplitSteps {
public:
  using WordSink = FunctionRef<void(std::string_view word)>;

  /// `matchers` has the matcher of each step that has an expression, in order.
  /// Both spans must outlive the object.
  SplitSteps(std::span<const TextStep> all, std::span<RegexMatcher> matchers);

  /// Passes the words of `text`, which is valid UTF-8, to `sink`. The first
  /// `origin` bytes of `text` stem from the first character of the whole text
  /// that is encoded (see StepText). A word is valid only during the call of
  /// `sink`. Takes time proportional to the length of `text`.
  void split(std::string_view text, size_t origin, WordSink sink);
  /// As the other split(), but frees the memory of `text` early if the first
  /// step changes it.
  void split(std::string &&text, size_t origin, WordSink sink);

private:
  /// Applies step `index`, which must be one that changes a text instead of
  /// splitting it. `text` then refers to buffers[index], unless the step has
  /// nothing to change.
  void change(size_t index, std::string_view &text, size_t &origin);
  void run(size_t index, std::string_view text, size_t origin, WordSink sink);
  void splitByScripts(size_t index, std::string_view text, size_t origin,
                      WordSink sink);
  void splitByMatches(size_t index, std::string_view text, size_t origin,
                      WordSink sink);
  std::string_view markSpaces(size_t index, std::string_view text,
                              size_t &origin);

  std::span<const TextStep> steps;
  std::vector<RegexMatcher *> matcherOf; ///< of each step; null: it has none
  std::vector<std::string> buffers;      ///< what each step makes of a word
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_SPLITSTEPS_H
