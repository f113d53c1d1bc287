//===- CheckPipeline.cpp - is this pipeline usable? -----------------------===//
#include "formats/model/CheckPipeline.h"

#include "formats/support/Utf8.h"

#include <algorithm>

namespace air {
namespace {

/// Each step takes time for every word, and splitting steps call each other.
/// Published files have at most a dozen steps.
constexpr size_t kMostSteps = 64;

/// How much longer the steps may make a text. Without this limit, a small file
/// could fill all memory: 40 steps that replace "a" with "aa" make a terabyte
/// of one letter. The steps of published files have products below 100.
constexpr uint64_t kMostGrowth = 1 << 16;

bool isUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = decodeUtf8(text);
    if (step.kind != Utf8Step::Whole) {
      return false;
    }
    text.remove_prefix(step.length);
  }
  return true;
}

/// The largest factor by which `step` makes a text longer.
uint64_t growthOf(const TextStep &step) {
  const uint64_t content = step.content.size();
  switch (step.kind) {
  case TextStepKind::Replace: {
    // An expression may match the empty text at each place.
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
  default:
    return 1; // or a constant that Unicode sets, 18 at most
  }
}

Status checkStep(const TextStep &step, const std::string &where) {
  const auto bad = [&](const std::string &what) {
    return corruptError("tokenizer: " + where + " " + what);
  };
  if (!isUtf8(step.pattern) || !isUtf8(step.content)) {
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

} // namespace

Status checkPipeline(const TokenizerData &data) {
  const TextPipeline &pipeline = data.rules.pipeline;
  if (pipeline.steps.size() > kMostSteps) {
    return unsupportedError("tokenizer: the normalizer and the pre-tokenizer "
                            "have " +
                            std::to_string(pipeline.steps.size()) +
                            " steps; at most " + std::to_string(kMostSteps) +
                            " are supported");
  }
  if (pipeline.rendering == TokenRendering::Marked && pipeline.mark.empty()) {
    return corruptError("tokenizer: spaces have no mark, although tokens are "
                        "rendered with one");
  }
  if (pipeline.rendering == TokenRendering::Suffixed &&
      pipeline.wordSuffix.empty()) {
    return corruptError("tokenizer: the ends of words have no suffix, although "
                        "tokens are rendered with one");
  }
  uint64_t growth = 1;
  for (size_t i = 0; i < pipeline.steps.size(); ++i) {
    const bool normalizes = i < pipeline.normalizerSteps;
    AIR_RETURN_IF_ERROR(checkStep(
        pipeline.steps[i],
        normalizes
            ? "step " + std::to_string(i + 1) + " of the normalizer"
            : "step " + std::to_string(i + 1 - pipeline.normalizerSteps) +
                  " of the pre-tokenizer"));
    growth = std::min(growth, kMostGrowth) *
             std::min(growthOf(pipeline.steps[i]), kMostGrowth + 1);
  }
  if (growth > kMostGrowth) {
    return unsupportedError("tokenizer: the steps of the normalizer and the "
                            "pre-tokenizer could make a text " +
                            std::to_string(growth) + " times longer; at most " +
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
