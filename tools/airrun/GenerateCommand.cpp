//===- GenerateCommand.cpp - generates text and streams it ------*- C++ -*-===//
#include "tools/airrun/GenerateCommand.h"

#include "formats/plan/PlanConvert.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/exec/Generator.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/GrammarOptions.h"
#include "tools/airrun/LoadingBar.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace air {
namespace {

using cli::ValueKind;

std::atomic<bool> interrupted{false};
std::atomic<int> endingSignal{0}; ///< the first signal received, or 0
static_assert(std::atomic<bool>::is_always_lock_free &&
                  std::atomic<int>::is_always_lock_free,
              "a signal handler sets them");

/// Lets the signal end the process, so that a calling shell or script stops,
/// too, and does not mistake a partial answer for a complete one.
[[noreturn]] void dieBy(int signal) {
  std::signal(signal, SIG_DFL);
  raise(signal);
  // If this is the first process of a container, the signal does not end it.
  // The process then exits with the code that a shell reports for a process
  // that a signal has ended, which is 128 plus the number of the signal.
  constexpr int kShellsCode = 128;
  _exit(kShellsCode + signal);
}

/// The first Ctrl-C (or SIGTERM) ends the answer; a second one ends the process
/// immediately.
void onInterrupt(int signal) {
  int none = 0;
  if (!endingSignal.compare_exchange_strong(none, signal)) {
    dieBy(signal);
  }
  interrupted = true;
}

void catchInterrupt() {
  for (int signal : {SIGINT, SIGTERM}) {
    struct sigaction action = {};
    // The shell of a script starts background processes with SIGINT ignored. A
    // signal that is already ignored stays ignored.
    if (sigaction(signal, nullptr, &action) == 0 &&
        action.sa_handler == SIG_IGN) {
      continue;
    }
    action = {};
    action.sa_handler = onInterrupt;
    // With SA_NODEFER, the signal is not blocked in its handler, so that
    // dieBy() can raise it there.
    action.sa_flags = static_cast<int>(SA_RESTART | SA_NODEFER);
    sigaction(signal, &action, nullptr);
  }
}

cli::Option number(std::string name, std::string help, std::string byDefault,
                   double minimum, double maximum) {
  return {.name = std::move(name),
          .kind = ValueKind::Number,
          .valueName = "X",
          .help = std::move(help),
          .defaultText = std::move(byDefault),
          .minimum = minimum,
          .maximum = maximum};
}

cli::Option integer(std::string name, std::string shortName, std::string help,
                    std::string byDefault, double maximum) {
  return {.name = std::move(name),
          .shortName = std::move(shortName),
          .kind = ValueKind::Integer,
          .valueName = "N",
          .help = std::move(help),
          .defaultText = std::move(byDefault),
          .minimum = 0,
          .maximum = maximum};
}

/// The sampling options: those of the command line, otherwise those of the
/// model, otherwise the defaults of the runtime.
rt::SamplerOptions samplerOptions(const cli::Invocation &invocation,
                                  const rt::Session &session) {
  rt::SamplerOptions options;
  const SamplingDefaults model = fromPlan(session.plan().sampling());
  options.temperature =
      std::min(model.temperature.value_or(options.temperature),
               static_cast<float>(rt::kMaxTemperature));
  options.topK = model.topK.value_or(options.topK);
  options.topP = model.topP.value_or(options.topP);
  options.minP = model.minP.value_or(options.minP);
  options.repeatPenalty =
      std::clamp(model.repeatPenalty.value_or(options.repeatPenalty),
                 static_cast<float>(rt::kMinRepeatPenalty),
                 static_cast<float>(rt::kMaxRepeatPenalty));
  options.repeatLastN = model.repeatLastN.value_or(options.repeatLastN);
  if (options.repeatLastN < 0) {
    options.repeatLastN = static_cast<int32_t>(
        std::min<uint64_t>(session.context(), kMaxRepeatLastN));
  }
  auto set = [&](float &field, const char *name) {
    field = static_cast<float>(invocation.number(name).value_or(field));
  };
  set(options.temperature, "--temp");
  set(options.topP, "--top-p");
  set(options.minP, "--min-p");
  set(options.repeatPenalty, "--repeat-penalty");
  set(options.presencePenalty, "--presence-penalty");
  set(options.frequencyPenalty, "--frequency-penalty");
  options.topK = static_cast<int32_t>(
      invocation.integer("--top-k").value_or(options.topK));
  options.repeatLastN = static_cast<int32_t>(
      invocation.integer("--repeat-last-n").value_or(options.repeatLastN));
  options.seed =
      static_cast<uint64_t>(invocation.integer("--seed").value_or(0));
  return options;
}

/// The token ids of the prompt, from --tokens, -p, -f or standard input.
Result<std::vector<int32_t>>
promptTokens(const cli::Invocation &invocation, const rt::Session &session,
             const std::optional<rt::Tokenizer> &tokenizer) {
  if (std::optional<std::string> ids = invocation.text("--tokens")) {
    return parseTokens(*ids);
  }
  if (!tokenizer) {
    return unsupportedError("this plan has no vocabulary; give the prompt as "
                            "token ids with --tokens");
  }
  std::string text;
  if (std::optional<std::string> given = invocation.text("--prompt")) {
    text = *std::move(given);
  } else if (std::optional<std::string> path = invocation.text("--file")) {
    AIR_ASSIGN_OR_RETURN(text,
                         readTextFile(*path, promptLimit(session, *tokenizer)));
  } else {
    AIR_ASSIGN_OR_RETURN(text,
                         readStandardInput(promptLimit(session, *tokenizer)));
  }
  std::vector<int32_t> tokens = tokenizer->encode(text, true, true);
  noteDoubledBos(*tokenizer, tokens);
  return tokens;
}

Status checkInputs(const cli::Invocation &invocation) {
  int given = 0;
  for (const char *name : {"--prompt", "--file", "--tokens"}) {
    given += invocation.has(name) ? 1 : 0;
  }
  if (given > 1) {
    return usageError(
        std::to_string(given) +
        " of --prompt, --file and --tokens are given; give only one of them");
  }
  if (given == 0 && isatty(STDIN_FILENO) != 0) {
    return usageError("no prompt: give -p TEXT, -f FILE or --tokens IDS, or "
                      "text on standard input");
  }
  return Status::ok();
}

const char *reasonText(rt::FinishReason reason) {
  switch (reason) {
  case rt::FinishReason::Length:
    return "the limit -n was reached";
  case rt::FinishReason::EndOfText:
    return "the model ended its text";
  case rt::FinishReason::StopString:
    return "a --stop string was reached";
  case rt::FinishReason::StopToken:
    return "a --stop token was reached";
  case rt::FinishReason::ContextFull:
    return "the plan's context is full";
  case rt::FinishReason::Interrupted:
    return "interrupted";
  case rt::FinishReason::NotFinished:
    break;
  }
  return "not finished";
}

double rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

/// The numbers of tokens that have been processed and generated so far, and the
/// times at which this happened, in seconds of the monotonic clock.
struct Progress {
  double promptBegin = 0;
  double promptEnd = 0;
  double lastToken = 0;
  uint64_t promptGiven = 0;
  uint64_t promptTokens = 0; ///< tokens of the prompt that were processed
  uint64_t tokens = 0;
  bool endsLine = true;
};

Status stream(rt::Generator &generator, bool ids, Progress &progress) {
  while (true) {
    AIR_ASSIGN_OR_RETURN(std::optional<rt::GeneratedToken> token,
                         generator.next());
    if (!token) {
      break;
    }
    progress.lastToken = monotonicSeconds();
    ++progress.tokens;
    if (ids) {
      char text[16];
      int size = std::snprintf(text, sizeof text, "%s%d",
                               progress.tokens == 1 ? "" : ",", token->id);
      AIR_RETURN_IF_ERROR(
          writeOut(std::string_view(text, static_cast<size_t>(size))));
      progress.endsLine = false;
    } else if (!token->text.empty()) {
      AIR_RETURN_IF_ERROR(writeOut(token->text));
      progress.endsLine = token->text.back() == '\n';
    }
  }
  std::string_view rest = generator.finish();
  if (!ids && !rest.empty()) {
    AIR_RETURN_IF_ERROR(writeOut(rest));
    progress.endsLine = rest.back() == '\n';
  }
  return progress.endsLine ? Status::ok() : writeOut("\n");
}

void report(const Progress &progress, const rt::SamplerOptions &sampler,
            rt::FinishReason reason, double started) {
  double promptSeconds = progress.promptEnd - progress.promptBegin;
  std::fprintf(stderr, "airrun: prompt: %llu",
               static_cast<unsigned long long>(progress.promptTokens));
  const bool isWhole = progress.promptTokens == progress.promptGiven;
  if (!isWhole) {
    std::fprintf(stderr, " of %llu",
                 static_cast<unsigned long long>(progress.promptGiven));
  }
  std::fprintf(stderr, " tokens in %.3f s, %.1f tok/s", promptSeconds,
               rate(progress.promptTokens, promptSeconds));
  if (isWhole) {
    std::fprintf(stderr, "; first token %.3f s after the start",
                 progress.promptEnd - started);
  }
  std::fputs("\n", stderr);
  double decodeSeconds =
      progress.tokens > 1 ? progress.lastToken - progress.promptEnd : 0;
  std::fprintf(stderr, "airrun: decode: %llu tokens",
               static_cast<unsigned long long>(progress.tokens));
  if (decodeSeconds > 0) {
    // The pass over the prompt has computed the logits for the first token, so
    // decoding took one pass fewer than there are tokens.
    std::fprintf(stderr, " in %.3f s, %.1f tok/s", decodeSeconds,
                 rate(progress.tokens - 1, decodeSeconds));
  }
  if (sampler.temperature > 0) {
    std::fprintf(stderr, "; seed %llu",
                 static_cast<unsigned long long>(sampler.seed));
  }
  std::fprintf(stderr, "; %s\n", reasonText(reason));
}

} // namespace

cli::Command generateCommand() {
  cli::Command command;
  command.summary = "Generate text from a prompt. The text is streamed to "
                    "standard output; timings go to standard error.";
  command.positionals = {planPositional()};
  command.options = {
      {.name = "--prompt",
       .shortName = "-p",
       .kind = ValueKind::String,
       .valueName = "TEXT",
       .help = "The prompt. Without --prompt, --file and --tokens it is read "
               "from standard input."},
      {.name = "--file",
       .shortName = "-f",
       .kind = ValueKind::String,
       .valueName = "FILE",
       .help = "Read the prompt from a file."},
      tokensOption(),
      integer(
          "--max-tokens", "-n",
          "Maximum number of tokens to generate; 0 only processes the prompt.",
          "256", 1e15),
      number("--temp",
             "Sampling temperature; 0 always takes the most likely token.",
             "the model's recommended value, or 0.8", 0, rt::kMaxTemperature),
      integer("--top-k", "",
              "Sample from the N most likely tokens; 0 turns this off.",
              "the model's recommended value, or 40", 2147483647),
      number("--top-p",
             "Sample from the smallest set of most likely tokens whose "
             "probabilities sum to X; 1 turns this off.",
             "the model's recommended value, or 0.95", 0, 1),
      number("--min-p",
             "Leave out tokens that are less than X times as likely as the "
             "most likely one; 0 turns this off.",
             "the model's recommended value, or 0.05", 0, 1),
      number("--repeat-penalty",
             "Divide positive logits of recent tokens by X and multiply "
             "negative ones by it. Above 1 this makes repetition less likely; "
             "1 turns it off.",
             "the model's recommended value, or 1", rt::kMinRepeatPenalty,
             rt::kMaxRepeatPenalty),
      number("--presence-penalty",
             "Subtract X from the logit of each recent token.", "0",
             -rt::kMaxPenalty, rt::kMaxPenalty),
      number("--frequency-penalty",
             "Subtract X from a token's logit for each of its occurrences "
             "among the recent tokens (--repeat-last-n).",
             "0", -rt::kMaxPenalty, rt::kMaxPenalty),
      integer(
          "--repeat-last-n", "",
          "The penalties apply to the last N tokens, which count as recent; "
          "0 turns the penalties off.",
          "the model's recommended value, or 64", rt::kLongestPenaltyWindow),
      integer("--seed", "", "Seed of the random number generator.", "0",
              9007199254740992.0),
      {.name = "--stop",
       .kind = ValueKind::StringList,
       .valueName = "TEXT",
       .help = "Stop before this text would be printed. If TEXT is the text of "
               "a control token, that token stops the output, too."},
      {.name = "--ignore-eos",
       .help = "Continue past an end-of-generation token."},
      {.name = "--output-tokens",
       .help = "Print token ids, separated by commas, instead of text."},
      threadsOption(),
      ramOption(),
      ioOption(),
      ioLimitOption(),
      cli::sourceOption()};
  std::vector<cli::Option> grammar = grammarOptions();
  command.options.insert(command.options.end() - 5, grammar.begin(),
                         grammar.end());
  command.examples = {"airrun story.air -p 'Once upon a time' -n 64",
                      "airrun story.air -f prompt.txt --temp 0 --stop '. '",
                      "airrun story.air --tokens 1,42,7 -n 8 --output-tokens"};
  return command;
}

Status runGenerate(const cli::Invocation &invocation) {
  double started = monotonicSeconds();
  AIR_RETURN_IF_ERROR(checkInputs(invocation));
  AIR_RETURN_IF_ERROR(checkGrammarOptions(invocation));
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  bool ids = invocation.has("--output-tokens");
  // No tokenizer is needed if ids are both read and printed, and neither --stop
  // nor a grammar is given.
  std::optional<rt::Tokenizer> tokenizer;
  if (!ids || !invocation.has("--tokens") || invocation.has("--stop") ||
      hasGrammar(invocation)) {
    AIR_ASSIGN_OR_RETURN(tokenizer, planTokenizer(session));
  }
  if (!tokenizer && !ids) {
    return unsupportedError(
        "this plan has no vocabulary; give --output-tokens to print token ids");
  }
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<GrammarOfAnswer> grammar,
                       grammarOfAnswer(invocation, tokenizer));
  AIR_ASSIGN_OR_RETURN(std::vector<int32_t> prompt,
                       promptTokens(invocation, session, tokenizer));
  rt::GenerateOptions options;
  options.maxTokens = static_cast<uint64_t>(
      invocation.integer("--max-tokens")
          .value_or(static_cast<int64_t>(options.maxTokens)));
  options.ignoreEndOfText = invocation.has("--ignore-eos");
  options.stops = invocation.list("--stop");
  options.sampler = samplerOptions(invocation, session);
  options.filter = grammar == nullptr ? nullptr : &grammar->filter;
  options.interrupted = &interrupted;
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<rt::Generator> generator,
                       rt::Generator::create(session,
                                             tokenizer ? &*tokenizer : nullptr,
                                             options));
  catchInterrupt();
  Progress progress;
  progress.promptGiven = prompt.size();
  progress.promptBegin = monotonicSeconds();
  {
    LoadingBar bar(session);
    AIR_RETURN_IF_ERROR(generator->prompt(prompt));
  }
  progress.promptEnd = monotonicSeconds();
  progress.promptTokens = generator->promptTokens();
  Status status = stream(*generator, ids, progress);
  if (!status.isOk()) {
    if (!progress.endsLine) {
      (void)writeOut("\n");
    }
    return status;
  }
  report(progress, options.sampler, generator->reason(), started);
  if (const int signal = endingSignal; signal != 0) {
    dieBy(signal);
  }
  return session.checkPlanUnchanged();
}

} // namespace air
