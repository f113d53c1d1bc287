//===- PipelineEncoder.cpp - text -> ids as tokenizer.json says -----------===//
#include "runtime/text/pipeline/PipelineEncoder.h"

#include "formats/model/CheckPipeline.h"
#include "formats/support/Utf8.h"
#include "runtime/text/BpeTables.h"
#include "runtime/text/WordCache.h"
#include "runtime/text/pipeline/NormalizeSteps.h"
#include "runtime/text/pipeline/RenderTokens.h"
#include "runtime/text/pipeline/SplitSteps.h"

namespace air::rt {

Result<std::unique_ptr<PipelineEncoder>>
PipelineEncoder::create(const TokenizerData &data, Vocabulary &vocabulary,
                        size_t longestWord) {
  std::unique_ptr<PipelineEncoder> made(new PipelineEncoder());
  made->pipeline = data.rules.pipeline;
  made->longestNormalised = kLongestStretch / wordGrowth(data);
  made->longestWord = longestWord;
  const std::vector<TextStep> &steps = made->pipeline.steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!hasExpression(steps[i])) {
      continue;
    }
    const size_t index = made->regexes.size();
    AIR_ASSIGN_OR_RETURN(
        Regex regex,
        data.splitters.empty()
            ? Regex::compile(steps[i].pattern, RegexAnchors::Lines)
        : index < data.splitters.size()
            ? Regex::load(data.splitters[index])
            : Result<Regex>(corruptError("tokenizer: a step has no "
                                         "compiled expression")));
    made->regexes.push_back(std::move(regex));
    made->normalizerRegexes += i < made->pipeline.normalizerSteps ? 1 : 0;
  }
  AIR_ASSIGN_OR_RETURN(made->charsmap, Charsmap::parse(data.charsmap));
  AIR_ASSIGN_OR_RETURN(made->model, makeWordModel(data));
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    vocabulary.table.add(renderedToken(data, id));
  }
  return made;
}

StepText PipelineEncoder::normalise(std::string &&text, Place place) const {
  StepText changed;
  changed.limit = longestNormalised;
  changed.text = isWellFormed(text) ? std::move(text) : wellFormed(text);
  text = std::string(); // frees the memory, unlike clear()
  if (place == Place::TextStart && !changed.text.empty()) {
    changed.origin = decodeUtf8(changed.text).length;
  }
  size_t regex = 0;
  for (uint32_t i = 0; i < pipeline.normalizerSteps; ++i) {
    const TextStep &step = pipeline.steps[i];
    if (hasExpression(step)) {
      RegexMatcher matcher(regexes[regex++]);
      applyNormalizer(step, charsmap, &matcher, changed);
    } else {
      applyNormalizer(step, charsmap, nullptr, changed);
    }
    if (changed.isTooLong || changed.text.size() > changed.limit) {
      return {.isTooLong = true};
    }
  }
  return changed;
}

std::string PipelineEncoder::normalisedForm(std::string text) const {
  return normalise(std::move(text), Place::AfterToken).text;
}

struct PipelineEncoder::Memory final : Scratch {
  Memory(std::span<const TextStep> steps, std::span<const Regex> regexes,
         size_t bytes)
      : matchers(regexes.begin(), regexes.end()), splitter(steps, matchers),
        known(bytes) {}

  std::vector<RegexMatcher> matchers;
  SplitSteps splitter;
  WordModel::Scratch words;
  WordCache known;
};

std::unique_ptr<Encoder::Scratch>
PipelineEncoder::makeScratch(size_t bytes) const {
  return std::make_unique<Memory>(
      std::span(pipeline.steps).subspan(pipeline.normalizerSteps),
      std::span(regexes).subspan(normalizerRegexes), bytes);
}

bool PipelineEncoder::encode(std::string_view text, Place place,
                             Scratch *scratch, TokenOutput &out) const {
  return encode(std::string(text), place, scratch, out);
}

bool PipelineEncoder::encode(std::string &&text, Place place, Scratch *scratch,
                             TokenOutput &out) const {
  StepText changed = normalise(std::move(text), place);
  auto &memory = static_cast<Memory &>(*scratch);
  bool fits = !changed.isTooLong;
  memory.splitter.split(
      std::move(changed.text), changed.origin,
      [&](std::string_view word) { encodeWord(word, fits, memory, out); });
  return fits;
}

bool PipelineEncoder::encodeNormalised(std::string_view text, size_t origin,
                                       Scratch *scratch,
                                       TokenOutput &out) const {
  auto &memory = static_cast<Memory &>(*scratch);
  bool fits = true;
  memory.splitter.split(text, origin, [&](std::string_view word) {
    encodeWord(word, fits, memory, out);
  });
  return fits;
}

void PipelineEncoder::encodeWord(std::string_view word, bool &fits,
                                 Memory &memory, TokenOutput &out) const {
  fits &= word.size() <= longestWord;
  if (!fits) {
    return;
  }
  memory.known.append(word, out.ids,
                      [&] { model->encode(word, memory.words, out); });
  out.passOn();
}

} // namespace air::rt
