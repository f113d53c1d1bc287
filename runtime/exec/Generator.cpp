//===- Generator.cpp - continues a prompt token by token --------*- C++ -*-===//
#include "runtime/exec/Generator.h"
#include "formats/support/CountText.h"

#include <algorithm>

using namespace air;
using namespace air::rt;

Generator::Generator(Session &owner, GenerateOptions chosen, Sampler sampling)
    : session(owner), options(std::move(chosen)), sampler(std::move(sampling)) {
}

Generator::~Generator() {
  if (hasSequence) {
    session.endSequence(sequence);
  }
}

Result<std::unique_ptr<Generator>> Generator::create(Session &session,
                                                     const Tokenizer *tokenizer,
                                                     GenerateOptions options,
                                                     KeptSequence *kept) {
  size_t longest = 0;
  for (const std::string &stop : options.stops) {
    if (stop.empty() || tokenizer == nullptr) {
      return usageError(stop.empty()
                            ? "stop: an empty stop string would end every "
                              "answer immediately"
                            : "stop: '" + stop +
                                  "' cannot be found, because the plan has no "
                                  "tokenizer");
    }
    longest = std::max(longest, stop.size());
  }
  AIR_ASSIGN_OR_RETURN(
      Sampler sampler,
      Sampler::create(options.sampler,
                      static_cast<int32_t>(session.vocabulary()), tokenizer));
  std::unique_ptr<Generator> made(
      new Generator(session, std::move(options), std::move(sampler)));
  const plan::Tokenizer *vocabulary = session.plan().tokenizer();
  if (vocabulary != nullptr && vocabulary->end_of_generation() != nullptr) {
    made->endOfTextTokens.assign(vocabulary->end_of_generation()->begin(),
                                 vocabulary->end_of_generation()->end());
  }
  const std::vector<int32_t> &more = made->options.endTokens;
  made->endOfTextTokens.insert(made->endOfTextTokens.end(), more.begin(),
                               more.end());
  if (tokenizer != nullptr) {
    for (const std::string &stop : made->options.stops) {
      if (int32_t id = tokenizer->specialToken(stop);
          id != TokenizerData::kNoToken) {
        made->stopTokens.push_back(id);
      }
    }
    made->detokenizer.emplace(
        *tokenizer,
        DetokenizerOptions{.shownTokens = made->options.shownTokens});
    size_t room = longest + 2 * tokenizer->longestPiece() + 16;
    made->held.reserve(room);
    made->shown.reserve(room);
  }
  if (made->options.filter == nullptr && session.canChoose(1)) {
    made->draw = drawOnGpu(made->options.sampler,
                           static_cast<int32_t>(session.vocabulary()));
    if (made->draw && made->draw->isBest == 0 && !session.canDraw(1)) {
      made->draw.reset();
    }
  }
  made->kept = kept;
  if (kept != nullptr) {
    made->sequence = kept->id();
  } else {
    AIR_ASSIGN_OR_RETURN(made->sequence, session.newSequence());
    made->hasSequence = true;
  }
  made->sequences.assign(session.maxTokens(), made->sequence);
  return made;
}

bool Generator::isInterrupted() const {
  return options.interrupted != nullptr &&
         options.interrupted->load(std::memory_order_relaxed);
}

FinishReason Generator::finishReasonOf(int32_t token) const {
  if (std::ranges::find(stopTokens, token) != stopTokens.end()) {
    return FinishReason::StopToken;
  }
  bool endsText =
      std::ranges::find(endOfTextTokens, token) != endOfTextTokens.end();
  return endsText && !options.ignoreEndOfText ? FinishReason::EndOfText
                                              : FinishReason::NotFinished;
}

Status Generator::run(std::span<const int32_t> tokens, bool sampleAfter) {
  auto lastPlace = static_cast<uint32_t>(tokens.size() - 1);
  std::span<const uint32_t> outputs(&lastPlace, sampleAfter ? 1 : 0);
  auto sink = [&](uint64_t, std::span<const float> logits) -> Status {
    AIR_ASSIGN_OR_RETURN(sampled, sampler.sample(logits, options.filter));
    return Status::ok();
  };
  const std::span ofTokens = std::span(sequences).first(tokens.size());
  Status status;
  if (sampleAfter && draw && tokens.size() == 1) {
    int32_t chosen = 0;
    // `emitted` does not count the token that is chosen now, so another token
    // may follow it only if maxTokens allows at least two more.
    const bool continues = options.maxTokens - emitted > 1;
    draw->draws = static_cast<uint32_t>(sampler.draws());
    status =
        session.choose(tokens, ofTokens, {&chosen, 1}, continues, {&*draw, 1});
    sampled = status.isOk() ? std::optional(chosen) : std::nullopt;
    if (status.isOk()) {
      sampler.skipDraw();
    }
  } else {
    status = session.run({tokens, ofTokens, outputs}, sink);
  }
  if (kept != nullptr) {
    kept->append(tokens);
  }
  return status;
}

Status rt::promptTooLong(uint64_t tokens, uint64_t room) {
  return doesNotFitError("prompt: " + countOf(tokens, "token") +
                         ", but the plan's context has room for " +
                         std::to_string(room) +
                         "; shorten the prompt, or set a larger --ctx (in "
                         "airpack for a plan, in airrun for a model file)");
}

Status Generator::prompt(std::span<const int32_t> tokens) {
  if (tokens.empty()) {
    return usageError("prompt: there are no tokens; pass some text, or use a "
                      "vocabulary with a BOS token");
  }
  uint64_t room = session.context();
  if (kept == nullptr) {
    room -= session.length(sequence);
  }
  if (tokens.size() > room) {
    return promptTooLong(tokens.size(), room);
  }
  for (int32_t token : tokens) {
    if (token >= 0 && static_cast<uint64_t>(token) < session.vocabulary()) {
      sampler.accept(token);
    }
  }
  if (kept != nullptr) {
    AIR_ASSIGN_OR_RETURN(promptReused, kept->keepPrefix(tokens));
    tokens = tokens.subspan(promptReused);
  }
  // The prompt is run one pass at a time, so that an interruption is noticed
  // between passes.
  while (!tokens.empty() && !isInterrupted()) {
    size_t count = std::min<size_t>(tokens.size(), session.maxTokens());
    bool isLast = count == tokens.size();
    AIR_RETURN_IF_ERROR(
        run(tokens.first(count), isLast && options.maxTokens != 0));
    tokens = tokens.subspan(count);
    promptDone += count;
  }
  return Status::ok();
}

Result<std::optional<GeneratedToken>> Generator::next() {
  if (finishReason == FinishReason::NotFinished) {
    if (isInterrupted()) {
      finishReason = FinishReason::Interrupted;
    } else if (emitted == options.maxTokens) {
      finishReason = FinishReason::Length;
    } else if (!sampled && session.length(sequence) == session.context()) {
      finishReason = FinishReason::ContextFull;
    }
  }
  if (finishReason != FinishReason::NotFinished) {
    return std::optional<GeneratedToken>();
  }
  if (!sampled) {
    AIR_RETURN_IF_ERROR(run({&last, 1}, true));
  }
  last = *sampled;
  sampled.reset();
  finishReason = finishReasonOf(last);
  if (finishReason != FinishReason::NotFinished) {
    return std::optional<GeneratedToken>();
  }
  sampler.accept(last);
  if (options.filter != nullptr) {
    AIR_RETURN_IF_ERROR(options.filter->accept(last));
  }
  ++emitted;
  shown.clear();
  if (detokenizer) {
    held += detokenizer->feed(last);
    if (releaseText()) {
      finishReason = FinishReason::StopString;
    }
  }
  return std::optional<GeneratedToken>({last, shown});
}

bool Generator::releaseText() {
  size_t stopAt = std::string::npos;
  size_t keep = 0;
  for (const std::string &stop : options.stops) {
    stopAt = std::min(stopAt, held.find(stop));
    // Holds back the longest suffix of the text that is a prefix of this stop
    // string, because the next token may complete the stop string.
    for (size_t size = std::min(stop.size() - 1, held.size()); size > keep;
         --size) {
      if (std::string_view(held).ends_with(
              std::string_view(stop).substr(0, size))) {
        keep = size;
      }
    }
  }
  bool stopped = stopAt != std::string::npos;
  size_t show = stopped ? stopAt : held.size() - keep;
  shown.append(held, 0, show);
  held.erase(0, stopped ? held.size() : show);
  return stopped;
}

std::string_view Generator::finish() {
  shown.clear();
  if (detokenizer && finishReason != FinishReason::StopString) {
    held += detokenizer->finish();
    shown = held;
  }
  held.clear();
  return shown;
}
