//===- CheckPipeline.cpp - is this pipeline usable? -----------------------===//
#include "formats/model/CheckPipeline.h"

#include "formats/model/Charsmap.h"
#include "formats/support/CountText.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <span>

namespace air {
namespace {

/// Each step takes time for every word, and each step of the pre-tokenizer adds
/// to the depth of a recursion (runtime/text/pipeline/SplitSteps.h). Published
/// files have at most a dozen steps.
constexpr size_t kMostSteps = 64;

/// The largest factor by which all steps together may make a text longer.
/// Without this limit, a small file could fill all memory: 40 steps that
/// replace "a" with "aa" make a terabyte of one letter. In each published file,
/// the product of the factors of all steps is below 10,000.
constexpr uint64_t kMostGrowth = 1 << 16;

/// The largest factor by which a normal form makes a text in UTF-8 longer
/// (https://www.unicode.org/faq/normalization.html).
uint64_t growthOf(NormalForm form) {
  return form == NormalForm::C || form == NormalForm::D ? 3 : 11;
}

/// The largest factor by which `step` makes a text in UTF-8 longer.
/// `replacement` is the size in bytes of the longest replacement in the rules
/// that a step of kind Charsmap applies.
///
/// An expression may also match the empty text at the end of a text. So if f is
/// the factor, Replace makes at most f * (n + 1) - 1 bytes of n bytes. The same
/// then holds for all steps of a normalizer together and the product of their
/// factors.
uint64_t growthOf(const TextStep &step, uint64_t replacement) {
  const uint64_t content = step.content.size();
  switch (step.kind) {
  case TextStepKind::Replace: {
    // An expression may match the empty text before each character, and then
    // `content` is inserted there.
    const bool isLiteral = (step.flags & step_flags::kLiteral) != 0;
    const uint64_t pattern = step.pattern.size();
    return isLiteral ? std::max<uint64_t>(1, (content + pattern - 1) / pattern)
                     : content + 1;
  }
  case TextStepKind::Prepend:
  case TextStepKind::MarkSpaces:
    return content + 1;
  case TextStepKind::SpellBytes:
  case TextStepKind::SpaceBefore:
    return 2;
  case TextStepKind::Charsmap:
    return std::max<uint64_t>(1, replacement);
  case TextStepKind::Form:
    return growthOf(static_cast<NormalForm>(step.number));
  case TextStepKind::Lowercase:
    return 2; // for example, U+0130 has two bytes and becomes three
  case TextStepKind::Bert: {
    const auto has = [&](uint8_t flag) { return (step.flags & flag) != 0; };
    return (has(step_flags::kSpacesIdeographs) ? 2 : 1) *
           (has(step_flags::kAccents) ? growthOf(NormalForm::D) : 1) *
           (has(step_flags::kLower) ? 2 : 1);
  }
  default:
    return 1;
  }
}

Status checkStep(const TextStep &step, const std::string &where) {
  const auto bad = [&](const std::string &what) {
    return corruptError("tokenizer: " + where + " " + what);
  };
  if (!isWellFormed(step.pattern) || !isWellFormed(step.content)) {
    return bad("has a text that is not valid UTF-8");
  }
  if (step.kind == TextStepKind::Replace && step.pattern.empty()) {
    return bad("replaces the empty text, which occurs everywhere; name a text");
  }
  if (step.kind == TextStepKind::FixedLength && step.number == 0) {
    return bad("has the length 0; it must be at least 1");
  }
  if (step.kind == TextStepKind::MarkSpaces &&
      (step.content.empty() ||
       decodeUtf8(step.content).length != step.content.size())) {
    return bad("must replace spaces with exactly one character");
  }
  return Status::ok();
}

/// Whether steps of this kind may belong to the normalizer or, if `normalizes`
/// is false, to the pre-tokenizer.
bool fits(TextStepKind kind, bool normalizes) {
  return kind == TextStepKind::SpellBytes ||
         (kind < TextStepKind::SpellBytes) == normalizes;
}

/// The product of growthOf() of all `steps`. If it is above kMostGrowth, any
/// number above kMostGrowth may be returned instead.
uint64_t growthOf(std::span<const TextStep> steps, uint64_t replacement) {
  uint64_t growth = 1;
  for (const TextStep &step : steps) {
    growth = std::min(growth, kMostGrowth + 1) *
             std::min(growthOf(step, replacement), kMostGrowth + 1);
  }
  return growth;
}

} // namespace

uint64_t wordGrowth(const TokenizerData &data) {
  const TextPipeline &pipeline = data.rules.pipeline;
  // At worst, BPE makes each character a piece of its own, and adds the prefix
  // and the suffix to it.
  const uint64_t spelled =
      data.kind == TokenizerKind::Bpe
          ? 1 + std::min<uint64_t>(pipeline.wordPrefix.size() +
                                       pipeline.wordSuffix.size(),
                                   kMostGrowth)
          : 1;
  return spelled *
         growthOf(std::span(pipeline.steps).subspan(pipeline.normalizerSteps),
                  0);
}

Status checkPipeline(const TokenizerData &data) {
  const TextPipeline &pipeline = data.rules.pipeline;
  if (pipeline.steps.size() > kMostSteps) {
    return unsupportedError("tokenizer: the normalizer and the pre-tokenizer "
                            "have " +
                            countOf(pipeline.steps.size(), "step") +
                            "; at most " + std::to_string(kMostSteps) +
                            " are supported");
  }
  if (pipeline.rendering == TokenRendering::Marked && pipeline.mark.empty()) {
    return corruptError("tokenizer: the decoder turns a mark in tokens into a "
                        "space, but this mark is empty");
  }
  if (pipeline.rendering == TokenRendering::Suffixed &&
      pipeline.wordSuffix.empty()) {
    return corruptError("tokenizer: the decoder turns the suffix of words into "
                        "a space, but this suffix is empty");
  }
  AIR_ASSIGN_OR_RETURN(const Charsmap charsmap, Charsmap::parse(data.charsmap));
  for (size_t i = 0; i < pipeline.steps.size(); ++i) {
    const bool normalizes = i < pipeline.normalizerSteps;
    const std::string where =
        normalizes
            ? "step " + std::to_string(i + 1) + " of the normalizer"
            : "step " + std::to_string(i + 1 - pipeline.normalizerSteps) +
                  " of the pre-tokenizer";
    if (!fits(pipeline.steps[i].kind, normalizes)) {
      return corruptError(
          "tokenizer: " + where + " is a step of the " +
          (normalizes ? "pre-tokenizer" : "normalizer") + " (kind " +
          std::to_string(static_cast<int>(pipeline.steps[i].kind)) + ")");
    }
    AIR_RETURN_IF_ERROR(checkStep(pipeline.steps[i], where));
  }
  if (std::ranges::count(pipeline.steps, TextStepKind::Charsmap,
                         &TextStep::kind) > 1) {
    return unsupportedError("tokenizer: the normalizer applies the rules of "
                            "precompiled_charsmap several times; only one such "
                            "step is supported");
  }
  const uint64_t growth =
      std::min(
          growthOf(std::span(pipeline.steps).first(pipeline.normalizerSteps),
                   charsmap.longestReplacement()),
          kMostGrowth + 1) *
      wordGrowth(data);
  if (growth > kMostGrowth) {
    return unsupportedError("tokenizer: the steps of the normalizer and the "
                            "pre-tokenizer could make a text at least " +
                            countOf(growth, "time") + " longer; at most " +
                            std::to_string(kMostGrowth) +
                            " times are supported");
  }
  const bool needsUnknown =
      data.kind != TokenizerKind::Bpe && data.kind != TokenizerKind::Unigram;
  if (needsUnknown && data.unknown == TokenizerData::kNoToken) {
    return corruptError("tokenizer: there is no unknown token, so some text "
                        "could not be encoded");
  }
  return Status::ok();
}

} // namespace air
