//===- NormalizeSteps.h - the steps of a normalizer -------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_NORMALIZESTEPS_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_NORMALIZESTEPS_H

#include "formats/model/Charsmap.h"
#include "formats/model/TextSteps.h"
#include "formats/text/regex/RegexMatcher.h"
#include "runtime/exec/FunctionRef.h"
#include "runtime/text/pipeline/StepText.h"

namespace air::rt {

/// Receives a part of a text: the bytes from `begin` to `end`, and whether an
/// expression matches them. They may be empty if they are a match.
using SegmentSink = FunctionRef<void(size_t begin, size_t end, bool isMatch)>;

/// Divides `text` into the matches of the matcher's expression and the text
/// between them. An empty match directly after another match is skipped.
void forEachSegment(std::string_view text, RegexMatcher &matcher,
                    SegmentSink sink);

/// Applies `step`, which is a step of the normalizer, to `text`, which is valid
/// UTF-8. `charsmap` has the rules for TextStepKind::Charsmap, and `matcher` is
/// that of the step's expression; it may be null if the step has none.
void applyNormalizer(const TextStep &step, const Charsmap &charsmap,
                     RegexMatcher *matcher, StepText &text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_NORMALIZESTEPS_H
