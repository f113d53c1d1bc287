//===- PerplexityCommand.cpp - how well a text is predicted -----*- C++ -*-===//
#include "tools/airrun/PerplexityCommand.h"

#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace air {
namespace {

/// Negative log-likelihood of `target` under `logits`, in double precision.
double surprise(std::span<const float> logits, int32_t target) {
  double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) {
    sum += std::exp(logit - best);
  }
  return std::log(sum) - (logits[static_cast<size_t>(target)] - best);
}

Result<std::vector<int32_t>> textTokens(const rt::Tokenizer &tokenizer,
                                        const cli::Invocation &invocation) {
  std::string text;
  if (std::optional<std::string> path = invocation.text("--file")) {
    AIR_ASSIGN_OR_RETURN(text, readTextFile(*path, textLimit()));
  } else {
    AIR_ASSIGN_OR_RETURN(text, readStandardInput(textLimit()));
  }
  return tokenizer.tryEncode(text, false, false);
}

} // namespace

cli::Command perplexityCommand() {
  cli::Command command;
  command.name = "perplexity";
  command.summary = "Compute the model's perplexity on a text.";
  command.positionals = {planPositional()};
  command.options = {
      {.name = "--file",
       .shortName = "-f",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Read the text from a file instead of standard input."},
      {.name = "--window",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Window length in tokens. Every window starts with BOS and an "
               "empty context, and all of its tokens are scored; an incomplete "
               "last window is dropped.",
       .defaultText = "255",
       .minimum = 1,
       .maximum = 4294967294.0},
      jsonOption(),
      threadsOption(),
      deviceOption(),
      ramOption(),
      ioOption(),
      ioLimitOption(),
      cli::sourceOption()};
  command.examples = {"airrun perplexity story.air -f book.txt"};
  return command;
}

Status runPerplexity(const cli::Invocation &invocation) {
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  AIR_ASSIGN_OR_RETURN(std::optional<rt::Tokenizer> tokenizer,
                       planTokenizer(session));
  if (!tokenizer || tokenizer->bos() == TokenizerData::kNoToken) {
    return unsupportedError(
        std::string("perplexity: this plan has no ") +
        (tokenizer ? "BOS token to start windows with" : "vocabulary"));
  }
  auto window =
      static_cast<size_t>(invocation.integer("--window").value_or(255));
  if (window > session.context()) {
    return doesNotFitError(
        "--window: " + std::to_string(window) +
        " tokens exceed the plan's context of " +
        std::to_string(session.context()) +
        "; give a smaller --window, or set a larger --ctx (in airpack for a "
        "plan, in airrun for a model file)");
  }
  AIR_ASSIGN_OR_RETURN(std::vector<int32_t> tokens,
                       textTokens(*tokenizer, invocation));
  size_t windows = tokens.size() / window;
  if (windows == 0) {
    return usageError("perplexity: the text has " +
                      countOf(tokens.size(), "token") +
                      ", but one window takes " + std::to_string(window) +
                      "; give more text or a smaller --window");
  }
  AIR_ASSIGN_OR_RETURN(rt::SequenceId sequence, session.newSequence());
  std::vector<rt::SequenceId> sequences(window, sequence);
  std::vector<uint32_t> outputs(window);
  std::iota(outputs.begin(), outputs.end(), 0U);
  // The input is BOS and then all tokens of a window but the last, so each
  // input token predicts one token of the window.
  std::vector<int32_t> input(window, tokenizer->bos());
  double sum = 0;
  double started = monotonicSeconds();
  for (size_t w = 0; w < windows; ++w) {
    const int32_t *targets = tokens.data() + w * window;
    std::copy_n(targets, window - 1, input.begin() + 1);
    AIR_RETURN_IF_ERROR(session.truncate(sequence, 0));
    uint64_t vocabulary = session.vocabulary();
    AIR_RETURN_IF_ERROR(session.run(
        {input, sequences, outputs},
        [&](uint64_t first, std::span<const float> rows) {
          for (uint64_t row = 0; row * vocabulary < rows.size(); ++row) {
            sum += surprise(rows.subspan(row * vocabulary, vocabulary),
                            targets[first + row]);
          }
          return Status::ok();
        }));
  }
  AIR_RETURN_IF_ERROR(session.checkPlanUnchanged());
  size_t scored = windows * window;
  double mean = sum / static_cast<double>(scored);
  double perplexity = std::exp(mean);
  if (!std::isfinite(perplexity)) {
    return internalError(
        format("perplexity: the mean loss of %g nats per token over %s gives "
               "no finite perplexity",
               mean, countOf(scored, "token").c_str()));
  }
  if (invocation.has("--json")) {
    return writeOut(format("{\"perplexity\": %.17g, \"nats_per_token\": %.17g, "
                           "\"scored_tokens\": %zu, \"windows\": %zu, "
                           "\"window\": %zu}\n",
                           perplexity, mean, scored, windows, window));
  }
  return writeOut(format("perplexity %.5f over %s (%s of %zu) in %.2f s\n",
                         perplexity, countOf(scored, "token").c_str(),
                         countOf(windows, "window").c_str(), window,
                         monotonicSeconds() - started));
}

} // namespace air
