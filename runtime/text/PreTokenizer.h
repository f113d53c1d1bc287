//===- PreTokenizer.h - boundaries that BPE does not cross ------*- C++ -*-===//
//
// Each model family splits text by published regular expressions before it
// merges byte pairs (formats/model/PreTokenizerNames.h). Splitting takes time
// proportional to the length of the text, whatever the text contains.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
#define AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H

#include "formats/model/PreTokenizerNames.h"
#include "formats/model/TokenizerData.h"
#include "formats/text/regex/RegexMatcher.h"
#include "runtime/exec/FunctionRef.h"

#include <array>
#include <span>
#include <vector>

namespace air::rt {

using PieceSink = FunctionRef<void(size_t)>;

/// Immutable after create(); any number of threads may split text, each with a
/// Scratch of its own.
class PreTokenizer {
public:
  /// The memory of one call of split(). It can be used again.
  using Scratch = std::vector<RegexMatcher>;

  using CompiledExpressions = std::span<const std::vector<uint32_t>>;

  /// Uses the expressions of the pre-tokenizer that `pre` names. A
  /// pre-tokenizer may have several names (PreTokenizerNames.h). If `compiled`
  /// is not empty, it has the expressions in compiled form
  /// (TokenizerData::splitters); otherwise they are compiled. Errors:
  /// Unsupported if the name is not known; Corrupt if `compiled` is malformed.
  static Result<PreTokenizer> create(std::string_view pre,
                                     CompiledExpressions compiled = {});

  /// Uses the expressions of `own`. If `compiled` is not empty, it has these
  /// expressions in compiled form; otherwise they are compiled. Errors: those
  /// of Regex::compile(); Corrupt if `compiled` is malformed.
  static Result<PreTokenizer> create(const TextRules &own,
                                     CompiledExpressions compiled = {});

  /// If the rules come from TextRules, `expressions` and `name` are empty.
  const PreTokenizerRules &rules() const { return known; }
  Scratch makeScratch() const;
  /// Calls `ends` with the end of each piece of `text`, in order. The last end
  /// is the size of `text`. `text` must be valid UTF-8.
  void split(std::string_view text, Scratch &matchers, PieceSink ends) const;

private:
  explicit PreTokenizer(const PreTokenizerRules &found) : known(found) {}
  template <typename Expressions>
  Status addAll(const Expressions &expressions, CompiledExpressions compiled);
  void add(Regex regex);
  uint32_t candidates(std::string_view piece) const;
  void splitBy(Scratch &matchers, size_t index, std::string_view text,
               size_t begin, size_t end, PieceSink ends) const;

  PreTokenizerRules known;
  std::vector<Regex> regexes;
  /// For each ASCII character: bit i is set if a match of regexes[i] may begin
  /// with it. Bit 31 stands for regexes[31] and all later expressions.
  std::array<uint32_t, 128> begins{};
  /// Like `begins`, but for a match that may begin with a space before the
  /// character. The last entry is for a space at the end of the text.
  std::array<uint32_t, 129> beginsAtSpace{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PRETOKENIZER_H
