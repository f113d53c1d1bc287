//===- PipelineEncoder.h - text -> ids as tokenizer.json says ---*- C++ -*-===//
//
// The steps of a TextPipeline normalise a text and split it into words, and a
// WordModel encodes each word. If one of the other encoders can do the same, it
// is used instead, because it is faster; TextPipeline::isSet is then false.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_PIPELINEENCODER_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_PIPELINEENCODER_H

#include "formats/model/Charsmap.h"
#include "formats/text/regex/Regex.h"
#include "runtime/text/Encoder.h"
#include "runtime/text/Vocabulary.h"
#include "runtime/text/pipeline/StepText.h"
#include "runtime/text/pipeline/WordModel.h"

#include <span>

namespace air::rt {

class PipelineEncoder final : public Encoder {
public:
  /// Fills `vocabulary` from `data`, which must have passed checkTokenizer().
  /// Returns Corrupt or Unsupported if an expression cannot be used, and
  /// Corrupt if a merge needs a token that does not exist. Tests choose a lower
  /// limit for words than kLongestMergedWord.
  static Result<std::unique_ptr<PipelineEncoder>>
  create(const TokenizerData &data, Vocabulary &vocabulary,
         size_t longestWord = kLongestMergedWord);

  /// Each ill-formed byte is read as U+FFFD.
  bool encode(std::string_view text, Place place, Scratch *scratch,
              TokenOutput &out) const override;
  /// As encode(), but frees the memory of `text` as soon as it has been
  /// normalised.
  [[nodiscard]] bool encode(std::string &&text, Place place, Scratch *scratch,
                            TokenOutput &out) const;
  std::unique_ptr<Scratch> makeScratch(size_t bytes) const override;
  /// The text after all steps of the normalizer.
  std::string normalisedForm(std::string text) const override;
  bool shrinksText() const override { return true; }

  /// Applies the steps of the normalizer. If they make the text too long, the
  /// result has no text, and its `isTooLong` is true.
  StepText normalise(std::string &&text, Place place) const;
  /// Appends the ids of `text`, a part of a normalised text, to `out`. The
  /// first `origin` bytes of `text` stem from the first character of the whole
  /// text that is encoded (see StepText). Returns false if a word is too long.
  [[nodiscard]] bool encodeNormalised(std::string_view text, size_t origin,
                                      Scratch *scratch, TokenOutput &out) const;

private:
  struct Memory;

  /// Encodes one of the words into which the pre-tokenizer splits a text, if
  /// `fits` is true. Sets `fits` to false if the word is too long.
  void encodeWord(std::string_view word, bool &fits, Memory &memory,
                  TokenOutput &out) const;

  PipelineEncoder() = default;

  TextPipeline pipeline;
  std::vector<Regex> regexes; ///< of the steps that have one, in order
  size_t normalizerRegexes = 0;
  size_t longestNormalised = 0;
  size_t longestWord = 0;
  Charsmap charsmap;
  std::unique_ptr<WordModel> model;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_PIPELINEENCODER_H
