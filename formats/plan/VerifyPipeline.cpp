//===- VerifyPipeline.cpp - rules of a tokenizer's pipeline ---------------===//
#include "formats/plan/PlanRules.h"
#include "formats/support/CountText.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <limits>

namespace air::rules {
namespace {

using Kind = plan::TextStepKind;

/// What the fields of a step may hold.
struct Shape {
  Kind kind;
  bool normalizes; ///< whether the step may belong to the normalizer
  bool splits;     ///< whether it may belong to the pre-tokenizer
  uint8_t flags;   ///< all flags that a step may have
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

constexpr uint32_t kMostSteps = 64;
/// How many times as long all steps together may make a text.
constexpr uint64_t kMostGrowth = uint64_t{1} << 16;
constexpr uint8_t kIsText = 1; ///< a flag of Replace: `pattern` is a text

std::string_view viewOf(const flatbuffers::Vector<uint8_t> *bytes) {
  return bytes == nullptr
             ? std::string_view()
             : std::string_view(reinterpret_cast<const char *>(bytes->data()),
                                bytes->size());
}

/// Returns the size in bytes of the longest replacement in a Charsmap, without
/// the zero byte with which each replacement ends. The replacements follow a
/// trie, and the trie follows its size, which has 32 bits.
uint64_t longestReplacement(std::string_view charsmap) {
  uint64_t start = 4;
  for (size_t i = 0; i < 4 && i < charsmap.size(); ++i) {
    start += uint64_t{static_cast<uint8_t>(charsmap[i])} << (8 * i);
  }
  uint64_t longest = 0;
  uint64_t length = 0;
  for (uint64_t i = start; i < charsmap.size(); ++i) {
    length = charsmap[i] == '\0' ? 0 : length + 1;
    longest = std::max(longest, length);
  }
  return longest;
}

/// How many times as long a step may make a text in UTF-8.
uint64_t factorOf(const plan::TextStep &step, uint64_t replacement) {
  const uint64_t content = sizeOf(step.content());
  const uint64_t pattern = sizeOf(step.pattern());
  switch (step.kind()) {
  case Kind::Form:
    // In UTF-8, a text becomes at most 3 times as long in the canonical forms
    // (D and C), and at most 11 times as long in the compatibility forms.
    return step.number() < 2 ? 3 : 11;
  case Kind::Lowercase:
  case Kind::SpellBytes:
  case Kind::SpaceBefore:
    return 2;
  case Kind::Replace:
    return (step.flags() & kIsText) == 0
               ? content + 1
               : std::max<uint64_t>((content + pattern - 1) / pattern, 1);
  case Kind::Prepend:
  case Kind::MarkSpaces:
    return content + 1;
  case Kind::Bert:
    // One factor each for spaces around ideographs, for decomposition and for
    // the conversion to lower case.
    return ((step.flags() & 2) != 0 ? 2 : 1) *
           ((step.flags() & 4) != 0 ? 3 : 1) *
           ((step.flags() & 8) != 0 ? 2 : 1);
  case Kind::Charsmap:
    return std::max<uint64_t>(replacement, 1);
  case Kind::StripAccents:
  case Kind::Nmt:
  case Kind::Strip:
  case Kind::Split:
  case Kind::FixedLength:
  case Kind::Scripts:
    break;
  }
  return 1;
}

/// Checks that all steps together make a text at most kMostGrowth times as
/// long, and that at most one step is of kind Charsmap.
Status verifyGrowth(const plan::Tokenizer &tokenizer) {
  const plan::TextPipeline &pipeline = *tokenizer.rules()->pipeline();
  const uint64_t replacement = longestReplacement(viewOf(tokenizer.charsmap()));
  uint32_t charsmaps = 0;
  uint64_t growth = 1;
  if (tokenizer.kind() == plan::TokenizerKind::Bpe) {
    growth += uint64_t{sizeOf(pipeline.word_prefix())} +
              sizeOf(pipeline.word_suffix());
  }
  for (uint32_t i = 0; i < sizeOf(pipeline.steps()); ++i) {
    const plan::TextStep &step = *pipeline.steps()->Get(i);
    charsmaps += step.kind() == Kind::Charsmap ? 1 : 0;
    // Once `growth` exceeds the limit, it is not multiplied again, so that it
    // cannot overflow.
    if (growth <= kMostGrowth) {
      growth *= factorOf(step, replacement);
    }
  }
  if (growth > kMostGrowth) {
    return broken("plan.tokenizer.pipeline", "steps",
                  "could make a text at least " + countOf(growth, "time") +
                      " as long; at most " + str(kMostGrowth) +
                      " times are allowed");
  }
  if (charsmaps > 1) {
    return broken("plan.tokenizer.pipeline", "steps",
                  str(charsmaps) + " steps have the kind Charsmap; at most one "
                                   "may have it");
  }
  return Status::ok();
}

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
  const std::string_view content = viewOf(step.content());
  if (!isWellFormed(content) || !isWellFormed(viewOf(step.pattern()))) {
    return bad("the pattern or the content is not valid UTF-8");
  }
  if (step.kind() == Kind::Replace && sizeOf(step.pattern()) == 0) {
    return bad("the empty text is replaced");
  }
  if (step.kind() == Kind::MarkSpaces &&
      (content.empty() || decodeUtf8(content).length != content.size())) {
    return bad("the content must be one character");
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
  if (steps > kMostSteps) {
    return broken("plan.tokenizer.pipeline", "steps",
                  "there are " + str(steps) + " steps; at most " +
                      str(kMostSteps) + " are allowed");
  }
  for (uint32_t i = 0; i < steps; ++i) {
    AIR_RETURN_IF_ERROR(verifyStep(*pipeline.steps()->Get(i), i,
                                   i < pipeline.normalizer_steps()));
  }
  AIR_RETURN_IF_ERROR(verifyGrowth(tokenizer));
  AIR_RETURN_IF_ERROR(
      checkEnum("tokenizer.rules.pipeline", "rendering",
                static_cast<uint8_t>(pipeline.rendering()),
                plan::EnumNameTokenRendering(pipeline.rendering())));
  if ((pipeline.rendering() == plan::TokenRendering::Marked &&
       sizeOf(pipeline.mark()) == 0) ||
      (pipeline.rendering() == plan::TokenRendering::Suffixed &&
       sizeOf(pipeline.word_suffix()) == 0)) {
    return broken("plan.tokenizer.pipeline", "rendering",
                  std::string("is ") +
                      plan::EnumNameTokenRendering(pipeline.rendering()) +
                      ", but the text that it replaces is empty");
  }
  return Status::ok();
}

} // namespace air::rules
