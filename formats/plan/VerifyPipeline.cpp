//===- VerifyPipeline.cpp - rules of a tokenizer's pipeline ---------------===//
#include "formats/plan/PlanRules.h"

#include <limits>

namespace air::rules {
namespace {

using Kind = plan::TextStepKind;

/// What the fields of a step may hold.
struct Shape {
  Kind kind;
  bool normalizes; ///< whether the step may belong to the normalizer
  bool splits;     ///< whether it may belong to the pre-tokenizer
  uint8_t flags;   ///< all that are allowed
  bool hasPattern;
  bool hasContent;
  uint32_t least; ///< the smallest and the largest number
  uint32_t most;
};

constexpr uint32_t kAny = std::numeric_limits<uint32_t>::max();
constexpr Shape kShapes[] = {
    {Kind::Form, true, false, 0, false, false, 0, 3},
    {Kind::Lowercase, true, false, 0, false, false, 0, 0},
    {Kind::StripAccents, true, false, 0, false, false, 0, 0},
    {Kind::Nmt, true, false, 0, false, false, 0, 0},
    {Kind::Strip, true, false, 3, false, false, 0, 0},
    {Kind::Replace, true, false, 1, true, true, 0, 0},
    {Kind::Prepend, true, false, 0, false, true, 0, 0},
    {Kind::Bert, true, false, 15, false, false, 0, 0},
    {Kind::Charsmap, true, false, 0, false, false, 0, 0},
    {Kind::SpellBytes, true, true, 0, false, false, 0, 0},
    {Kind::Split, false, true, 1, true, false, 0, 0},
    {Kind::FixedLength, false, true, 0, false, false, 1, kAny},
    {Kind::Scripts, false, true, 0, false, false, 0, 0},
    {Kind::MarkSpaces, false, true, 0, false, true, 0, 2},
    {Kind::SpaceBefore, false, true, 0, false, false, 0, 0},
};

Status verifyStep(const plan::TextStep &step, uint32_t index, bool normalizes) {
  const std::string where = "step " + str(index);
  AIR_RETURN_IF_ERROR(checkEnum(where, "kind",
                                static_cast<uint8_t>(step.kind()),
                                plan::EnumNameTextStepKind(step.kind())));
  AIR_RETURN_IF_ERROR(checkEnum(where, "behavior",
                                static_cast<uint8_t>(step.behavior()),
                                plan::EnumNameSplitBehavior(step.behavior())));
  const Shape &shape = kShapes[static_cast<size_t>(step.kind())];
  const std::string kind = plan::EnumNameTextStepKind(step.kind());
  const auto bad = [&](const std::string &what) {
    return broken("plan.tokenizer.pipeline", where, what);
  };
  if (normalizes ? !shape.normalizes : !shape.splits) {
    return bad("a step of the kind " + kind + " may not be a step of the " +
               (normalizes ? "normalizer" : "pre-tokenizer"));
  }
  if ((step.flags() & ~shape.flags) != 0) {
    return bad("the flags are " + str(step.flags()) + "; the kind " + kind +
               " allows only the bits of " + str(shape.flags));
  }
  if (step.number() < shape.least || step.number() > shape.most) {
    return bad("the number is " + str(step.number()) + "; the kind " + kind +
               " allows " + str(shape.least) + " to " + str(shape.most));
  }
  if ((sizeOf(step.pattern()) != 0 && !shape.hasPattern) ||
      (sizeOf(step.content()) != 0 && !shape.hasContent) ||
      (step.behavior() != plan::SplitBehavior::Removed &&
       step.kind() != Kind::Split)) {
    return bad("the kind " + kind + " does not use all fields that are set");
  }
  return Status::ok();
}

} // namespace

uint32_t expressionsOf(const plan::TextPipeline &pipeline) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < sizeOf(pipeline.steps()); ++i) {
    const plan::TextStep &step = *pipeline.steps()->Get(i);
    count += step.kind() == Kind::Split ||
                     (step.kind() == Kind::Replace && step.flags() == 0)
                 ? 1
                 : 0;
  }
  return count;
}

Status verifyPipeline(const plan::Tokenizer &tokenizer) {
  const plan::TextRules &rules = *tokenizer.rules();
  const plan::TextPipeline &pipeline = *rules.pipeline();
  if (tokenizer.kind() == plan::TokenizerKind::None ||
      tokenizer.kind() == plan::TokenizerKind::Spm ||
      tokenizer.kind() == plan::TokenizerKind::Rwkv) {
    return broken(
        "plan.tokenizer.pipeline", "tokenizer",
        "there is a pipeline, but the kind is " +
            std::string(plan::EnumNameTokenizerKind(tokenizer.kind())) +
            "; only Bpe, Unigram, WordPiece and WordLevel may have "
            "one");
  }
  if ((rules.expressions() != nullptr &&
       sizeOf(rules.expressions()->ends()) != 0) ||
      rules.form() != plan::NormalForm::None ||
      rules.spelling() != plan::TokenSpelling::Bytes ||
      rules.prefix() != plan::SpacePrefix::None) {
    return broken("plan.tokenizer.pipeline", "rules",
                  "there are a pipeline and other rules for the text; only one "
                  "of both is allowed");
  }
  const uint32_t steps = sizeOf(pipeline.steps());
  if (pipeline.normalizer_steps() > steps) {
    return broken("plan.tokenizer.pipeline", "normalizer_steps",
                  "is " + str(pipeline.normalizer_steps()) +
                      ", but there are " + str(steps) + " steps");
  }
  for (uint32_t i = 0; i < steps; ++i) {
    AIR_RETURN_IF_ERROR(verifyStep(*pipeline.steps()->Get(i), i,
                                   i < pipeline.normalizer_steps()));
  }
  return checkEnum("tokenizer.rules.pipeline", "rendering",
                   static_cast<uint8_t>(pipeline.rendering()),
                   plan::EnumNameTokenRendering(pipeline.rendering()));
}

} // namespace air::rules
